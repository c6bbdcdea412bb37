"""All SQL that reads towns, schools and classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.places.models import School, Town


class PlaceRepository:
    """Reads towns, schools and classes."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_towns(self, actor: Actor) -> Sequence[Town]:
        statement = select(Town).order_by(Town.name, Town.id)
        if not actor.operates():
            statement = statement.where(Town.id.in_(actor.list_own_towns()))
        return self.session.scalars(statement).all()

    def get_time_zones(self, town_ids: Collection[UUID]) -> dict[UUID, str]:
        rows = self.session.execute(select(Town.id, Town.time_zone).where(Town.id.in_(town_ids)))
        return {row.id: row.time_zone for row in rows}

    def get_hosts(self, town_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the host names of those of some towns that have one."""
        rows = self.session.execute(select(Town.id, Town.host).where(Town.id.in_(town_ids), Town.host.is_not(None)))
        return {row.id: row.host for row in rows}

    def list_hosts(self) -> dict[str, UUID]:
        """Return the town of every host name that a town has."""
        rows = self.session.execute(select(Town.host, Town.id).where(Town.host.is_not(None)).order_by(Town.host))
        return {row.host: row.id for row in rows}

    def find_town_by_host(self, host: str) -> Town | None:
        return self.session.scalar(select(Town).where(Town.host == host))

    def find_town(self, town_id: UUID) -> Town | None:
        return self.session.get(Town, town_id)

    def find_town_by_slug(self, slug: str) -> Town | None:
        return self.session.scalar(select(Town).where(Town.slug == slug))

    def list_tag_prefixes(self, among: Collection[str]) -> set[str]:
        """Return those of some tag prefixes that a town has."""
        return set(self.session.scalars(select(Town.tag_prefix).where(Town.tag_prefix.in_(among))))

    def list_schools_by_uai(self, codes: Collection[str]) -> dict[str, School]:
        return {school.uai: school for school in self.session.scalars(select(School).where(School.uai.in_(codes)))}

    def find_school_by_uai(self, uai: str) -> School | None:
        return self.session.scalar(select(School).where(School.uai == uai))

    def find_school(self, actor: Actor, school_id: UUID) -> School | None:
        """Return a school that the actor may see."""
        school = self.session.get(School, school_id)
        if school is None:
            return None
        return school if school in self.list_schools(actor, school.town_id, include_closed=True) else None

    def list_schools_with_phone(self, town_id: UUID) -> Sequence[School]:
        """Return the open schools of a town that have a phone number, by name."""
        statement = select(School).where(School.town_id == town_id, School.closed_on.is_(None), School.phone.is_not(None))
        return self.session.scalars(statement.order_by(School.name, School.id)).all()

    def list_schools(self, actor: Actor, town_id: UUID | None = None, *, include_closed: bool = False) -> Sequence[School]:
        """Return the schools that the actor may see: a role in a town shows all its schools, a role in a school that school alone."""
        statement = select(School).order_by(School.name, School.id)
        if town_id is not None:
            statement = statement.where(School.town_id == town_id)
        if not include_closed:
            statement = statement.where(School.closed_on.is_(None))
        schools = self.session.scalars(statement).all()
        if actor.everywhere:
            return schools
        visible = {(assignment.town_id, assignment.school_id) for assignment in actor.role_assignments}
        return [school for school in schools if (school.town_id, None) in visible or (school.town_id, school.id) in visible]
