"""All SQL of places."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import School, SchoolClass, Town


class PlaceRepository:
    """Reads towns, schools and classes."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def towns(self, actor: Actor) -> Sequence[Town]:
        statement = select(Town).order_by(Town.name, Town.id)
        if not actor.everywhere:
            statement = statement.where(Town.id.in_({grant.town_id for grant in actor.role_assignments}))
        return self.session.scalars(statement).all()

    def town_by_slug(self, slug: str) -> Town | None:
        return self.session.scalar(select(Town).where(Town.slug == slug))

    def school_by_uai(self, uai: str) -> School | None:
        return self.session.scalar(select(School).where(School.uai == uai))

    def school(self, actor: Actor, school_id: UUID) -> School | None:
        found = self.session.get(School, school_id)
        return found if found is not None and found in self.schools(actor, found.town_id) else None

    def schools(self, actor: Actor, town_id: UUID | None = None) -> Sequence[School]:
        """Schools of the actor's towns; a grant on one school shows that school alone."""
        statement = select(School).order_by(School.name, School.id)
        if town_id is not None:
            statement = statement.where(School.town_id == town_id)
        found = self.session.scalars(statement).all()
        if actor.everywhere:
            return found
        reach = {(grant.town_id, grant.school_id) for grant in actor.role_assignments}
        return [s for s in found if (s.town_id, None) in reach or (s.town_id, s.id) in reach]

    def classes(self, school_id: UUID) -> Sequence[Row[SchoolClass, int]]:
        count = func.count(Pupil.id)
        return self.session.execute(
            select(SchoolClass, count)
            .outerjoin(Pupil, (Pupil.class_id == SchoolClass.id) & (Pupil.state == PupilState.ACTIVE))
            .where(SchoolClass.school_id == school_id)
            .group_by(SchoolClass.id)
            .order_by(SchoolClass.label, SchoolClass.id)
        ).all()
