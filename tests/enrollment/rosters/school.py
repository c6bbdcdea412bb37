"""One school of one town with two administrators, and a roster file imported in one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from cartable.scope import Actor, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Guardian, GuardianLink, Pupil, StaffMember, TeacherAssignment
from enrollment.places.models import School, SchoolClass, Town
from enrollment.rosters.imports import previewing, service
from enrollment.rosters.models import RosterImport
from tests.support.world import TownFactory, create_actor


@dataclass(slots=True)
class SchoolScenario:
    """What most tests of imports begin with."""

    work: UnitOfWork
    world: TownFactory = field(init=False)
    town: Town = field(init=False)
    school: School = field(init=False)
    admin: Actor = field(init=False)
    second: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.world = TownFactory(self.work)
        self.town = self.world.create_town()
        self.school = self.world.create_school(self.town)
        self.admin, self.second = (create_actor(Role.TOWN_ADMIN, self.town, name=name) for name in ("one", "two"))

    def preview_file(self, content: bytes, *, school: School | None = None, named: bool = True, **options: Any) -> RosterImport:
        uai = (school or self.school).uai if named else None
        return previewing.preview_import(self.work, self.admin, self.town.id, content, uai, **options)

    def import_file(self, content: bytes, *, school: School | None = None, named: bool = True, **options: Any) -> RosterImport:
        """Preview and confirm, by a second person where one is needed."""
        made = self.preview_file(content, school=school, named=named, **options)
        return service.confirm_import(self.work, self.second if made.needs_second_person else self.admin, made.id)

    def list_lines(self, made: RosterImport) -> list[tuple[str, str, tuple[str, ...]]]:
        """(last name, kind, why) of each line."""
        lines = service.list_lines(self.work, self.admin, made.id)
        return [((line["row"] or {}).get("last_name", ""), line["kind"], tuple(line["why"])) for line in lines]

    def get_pupils(self) -> dict[str, Pupil]:
        self.work.session.expire_all()
        rows = self.work.session.scalars(select(Pupil).where(Pupil.town_id == self.town.id)).all()
        return {f"{row.last_name} {row.first_name}": row for row in rows}

    def get_pupil(self, name: str) -> Pupil:
        return self.get_pupils()[name]

    def get_class_labels(self) -> dict[UUID, str]:
        return {row.id: row.label for row in self.work.session.scalars(select(SchoolClass))}

    def get_guardians(self) -> dict[str, tuple[Guardian, set[UUID]]]:
        self.work.session.expire_all()
        links: dict[UUID, set[UUID]] = {}
        for link in self.work.session.scalars(select(GuardianLink)):
            links.setdefault(link.guardian_id, set()).add(link.pupil_id)
        return {g.first_name: (g, links.get(g.id, set())) for g in self.work.session.scalars(select(Guardian))}

    def get_staff(self) -> dict[str, tuple[StaffMember, list[tuple[str | None, str, bool]]]]:
        """First name → the adult, and (class, kind, still open) of each assignment."""
        self.work.session.expire_all()
        labels = self.get_class_labels()
        places: dict[UUID, list[tuple[str | None, str, bool]]] = {}
        for each in self.work.session.scalars(
            select(TeacherAssignment).order_by(TeacherAssignment.starts_on, TeacherAssignment.id)
        ):
            label = labels[each.class_id] if each.class_id else None
            places.setdefault(each.staff_id, []).append((label, each.kind.value, each.ends_on is None))
        return {m.first_name: (m, sorted(places.get(m.id, []), key=str)) for m in self.work.session.scalars(select(StaffMember))}
