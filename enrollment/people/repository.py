"""All SQL of reading people. What imports read and write stands in `imports/repository.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil, PupilState, RecordAccess
from enrollment.places.models import SchoolClass
from mdm.kit.scope import Actor, Permission

#: Rows of one statement: SQLite takes 32 766 parameters.
AT_ONCE = 500


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

    def note_accesses(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count readings, in sets. In the order of their keys: two readers of one class never wait in a circle."""
        insert: Any = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        ordered = sorted(rows, key=lambda row: str(row["pupil_id"]))
        for start in range(0, len(ordered), AT_ONCE):
            statement = insert(RecordAccess).values(ordered[start : start + AT_ONCE])
            new = statement.excluded
            self.session.execute(
                statement.on_conflict_do_update(
                    index_elements=["pupil_id", "actor_id", "kind", "day"],
                    set_={"times": RecordAccess.times + 1, "last_at": new.last_at, "actor_name": new.actor_name},
                )
            )

    def accesses(self, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
        """The readings of one record, newest first."""
        statement = (
            select(RecordAccess)
            .where(RecordAccess.pupil_id == pupil_id)
            .order_by(RecordAccess.day.desc(), RecordAccess.last_at.desc(), RecordAccess.actor_id, RecordAccess.kind)
        )
        return self.session.scalars(actor.narrow(statement, RecordAccess, Permission.PRIVACY)).all()
