"""All SQL of reading people. What imports read and write stands in `imports/repository.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import SchoolClass
from mdm.kit.scope import Actor


class PeopleRepository:
    """Reads pupils within the actor's reach."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def class_visible(self, actor: Actor, class_id: UUID) -> SchoolClass | None:
        return self.session.scalar(actor.narrow(select(SchoolClass).where(SchoolClass.id == class_id), SchoolClass))

    def pupils_of_class(self, class_id: UUID) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE).order_by(Pupil.id)
        ).all()

    def pupils_in_reach(self, actor: Actor, town_id: UUID) -> Sequence[Pupil]:
        statement = select(Pupil).where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED).order_by(Pupil.id)
        return self.session.scalars(actor.narrow(statement, Pupil)).all()
