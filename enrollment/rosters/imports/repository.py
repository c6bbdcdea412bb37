"""All SQL of roster imports: the people that a file is compared with, and the imports themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import (
    AssignmentKind,
    Guardian,
    GuardianLink,
    Pupil,
    PupilGroup,
    PupilGroupMember,
    PupilState,
    StaffMember,
    TeacherAssignment,
)
from enrollment.people.repository import split_ids
from enrollment.places.models import School, SchoolClass
from enrollment.rosters.models import ColumnMapping, ImportState, RosterImport, RosterImportSchool


class ImportRepository:
    """Reads the people of schools and towns, and reads and deletes imports, in sets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_schools_by_uai(self, town_id: UUID, uais: Sequence[str]) -> dict[str, School]:
        rows = self.session.scalars(select(School).where(School.town_id == town_id, School.uai.in_(uais)).order_by(School.id))
        return {row.uai: row for row in rows}

    def list_pupils_of_schools(self, school_ids: Sequence[UUID]) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.school_id.in_(school_ids), Pupil.state != PupilState.ERASED).order_by(Pupil.id)
        ).all()

    def list_pupils_by_hash(self, town_id: UUID, ines: Iterable[str], names: Iterable[str]) -> list[Pupil]:
        """Return the pupils of a town with one of these hashes of an INE or of a name."""
        pupils: dict[UUID, Pupil] = {}
        base = select(Pupil).where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
        for part in split_ids(ines):
            pupils |= {row.id: row for row in self.session.scalars(base.where(Pupil.ine_hash.in_(part)))}
        for part in split_ids(names):
            has_name = or_(Pupil.name_hash.in_(part), Pupil.usage_name_hash.in_(part))
            pupils |= {row.id: row for row in self.session.scalars(base.where(has_name))}
        return [pupils[key] for key in sorted(pupils)]

    def get_pupils(self, ids: Iterable[UUID]) -> dict[UUID, Pupil]:
        pupils: dict[UUID, Pupil] = {}
        for part in split_ids(ids):
            pupils |= {row.id: row for row in self.session.scalars(select(Pupil).where(Pupil.id.in_(part)))}
        return pupils

    def get_guardians(self, ids: Iterable[UUID]) -> dict[UUID, Guardian]:
        guardians: dict[UUID, Guardian] = {}
        for part in split_ids(ids):
            guardians |= {row.id: row for row in self.session.scalars(select(Guardian).where(Guardian.id.in_(part)))}
        return guardians

    def get_staff(self, ids: Iterable[UUID]) -> dict[UUID, StaffMember]:
        staff: dict[UUID, StaffMember] = {}
        for part in split_ids(ids):
            staff |= {row.id: row for row in self.session.scalars(select(StaffMember).where(StaffMember.id.in_(part)))}
        return staff

    def list_classes_of_schools(self, school_ids: Iterable[UUID], year: str) -> Sequence[SchoolClass]:
        return self.session.scalars(
            select(SchoolClass)
            .where(SchoolClass.school_id.in_(list(school_ids)), SchoolClass.school_year == year)
            .order_by(SchoolClass.id)
        ).all()

    def get_classes(self, ids: Iterable[UUID]) -> dict[UUID, SchoolClass]:
        classes: dict[UUID, SchoolClass] = {}
        for part in split_ids(ids):
            classes |= {row.id: row for row in self.session.scalars(select(SchoolClass).where(SchoolClass.id.in_(part)))}
        return classes

    def list_guardians_of_schools(self, school_ids: Sequence[UUID]) -> Sequence[Guardian]:
        return self.session.scalars(select(Guardian).where(Guardian.school_id.in_(school_ids)).order_by(Guardian.id)).all()

    def list_links_of_schools(self, school_ids: Sequence[UUID]) -> Sequence[GuardianLink]:
        return self.session.scalars(
            select(GuardianLink)
            .join(Guardian, Guardian.id == GuardianLink.guardian_id)
            .where(Guardian.school_id.in_(school_ids))
            .order_by(GuardianLink.guardian_id, GuardianLink.pupil_id)
        ).all()

    def list_links_of_guardians(self, guardian_ids: Iterable[UUID]) -> list[GuardianLink]:
        links: list[GuardianLink] = []
        for part in split_ids(guardian_ids):
            links += self.session.scalars(select(GuardianLink).where(GuardianLink.guardian_id.in_(part)))
        return links

    def list_staff_of_town(self, town_id: UUID) -> Sequence[StaffMember]:
        """Return all staff of a town: a few hundred people, who are compared in memory."""
        return self.session.scalars(select(StaffMember).where(StaffMember.town_id == town_id).order_by(StaffMember.id)).all()

    def list_open_assignments(self, school_ids: Sequence[UUID]) -> Sequence[TeacherAssignment]:
        """Return the assignments without an end that a school's roster lists. Agents of the town are in none."""
        return self.session.scalars(
            select(TeacherAssignment)
            .where(TeacherAssignment.school_id.in_(school_ids), TeacherAssignment.ends_on.is_(None))
            .where(TeacherAssignment.kind != AssignmentKind.AFTER_SCHOOL)
            .order_by(TeacherAssignment.id)
        ).all()

    def get_assignments(self, ids: Iterable[UUID]) -> dict[UUID, TeacherAssignment]:
        assignments: dict[UUID, TeacherAssignment] = {}
        for part in split_ids(ids):
            rows = self.session.scalars(select(TeacherAssignment).where(TeacherAssignment.id.in_(part)))
            assignments |= {row.id: row for row in rows}
        return assignments

    def find_assigned_staff(self, staff_ids: Iterable[UUID]) -> set[UUID]:
        """Return those of the adults who have an open assignment in some school."""
        assigned_ids: set[UUID] = set()
        for part in split_ids(staff_ids):
            statement = select(TeacherAssignment.staff_id).where(
                TeacherAssignment.staff_id.in_(part), TeacherAssignment.ends_on.is_(None)
            )
            assigned_ids.update(self.session.scalars(statement))
        return assigned_ids

    def list_mappings(self, town_id: UUID, school_id: UUID | None) -> Sequence[ColumnMapping]:
        """Return the column mappings of one school, or with None those of the whole town."""
        has_scope = ColumnMapping.school_id.is_(None) if school_id is None else ColumnMapping.school_id == school_id
        statement = select(ColumnMapping).where(ColumnMapping.town_id == town_id, has_scope)
        return self.session.scalars(statement.order_by(ColumnMapping.id)).all()

    def list_groups_of_schools(self, school_ids: Iterable[UUID], year: str) -> Sequence[PupilGroup]:
        return self.session.scalars(
            select(PupilGroup)
            .where(PupilGroup.school_id.in_(list(school_ids)), PupilGroup.school_year == year)
            .order_by(PupilGroup.id)
        ).all()

    def list_group_members(self, group_ids: Iterable[UUID]) -> list[PupilGroupMember]:
        members: list[PupilGroupMember] = []
        for part in split_ids(group_ids):
            members += self.session.scalars(select(PupilGroupMember).where(PupilGroupMember.group_id.in_(part)))
        return members

    def get_group_keys_by_pupil(self, school_ids: Iterable[UUID], year: str) -> dict[UUID, frozenset[str]]:
        """Return the keys of the groups of each pupil of these schools."""
        groups = {each.id: f"{each.kind.value}:{each.label_key}" for each in self.list_groups_of_schools(school_ids, year)}
        keys_by_pupil: dict[UUID, set[str]] = {}
        for member in self.list_group_members(groups):
            keys_by_pupil.setdefault(member.pupil_id, set()).add(groups[member.group_id])
        return {pupil_id: frozenset(keys) for pupil_id, keys in keys_by_pupil.items()}

    def find_import(self, actor: Actor, import_id: UUID) -> RosterImport | None:
        statement = select(RosterImport).where(RosterImport.id == import_id)
        return self.session.scalar(actor.restrict(statement, RosterImport, Permission.ROSTER))

    def list_imports(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[RosterImport]:
        statement = actor.restrict(select(RosterImport).where(RosterImport.town_id == town_id), RosterImport, Permission.ROSTER)
        return fetch_scalar_page(self.session, statement, page, RosterImport.uploaded_at, RosterImport.id, descending=True)

    def get_roster_revision(self, school_ids: Iterable[UUID]) -> int:
        """Return how often imports of these schools were confirmed or undone.

        It is read before a plan is built and again when the plan is confirmed. A timestamp would not do: clocks do not tell which of two
        transactions saw the writes of the other.
        """
        covers_school = exists().where(RosterImportSchool.import_id == RosterImport.id)
        covers_school = covers_school.where(RosterImportSchool.school_id.in_(list(school_ids)))
        statement = select(func.count(RosterImport.confirmed_at) + func.count(RosterImport.undone_at)).where(covers_school)
        return self.session.scalar(statement) or 0

    def list_school_ids(self, import_id: UUID) -> Sequence[UUID]:
        statement = select(RosterImportSchool.school_id).where(RosterImportSchool.import_id == import_id)
        return self.session.scalars(statement.order_by(RosterImportSchool.school_id)).all()

    def has_later_import(self, import_id: UUID, confirmed_at: datetime) -> bool:
        """Return whether a later import of one of the same schools is confirmed."""
        is_later = (RosterImport.state == ImportState.CONFIRMED) & (RosterImport.confirmed_at > confirmed_at)
        own_schools = select(RosterImportSchool.school_id).where(RosterImportSchool.import_id == import_id)
        covers_school = exists().where(
            RosterImportSchool.import_id == RosterImport.id, RosterImportSchool.school_id.in_(own_schools)
        )
        statement = select(RosterImport.id).where(RosterImport.id != import_id, is_later, covers_school).limit(1)
        return self.session.scalar(statement) is not None

    def delete(
        self, model: type[Pupil | Guardian | StaffMember | TeacherAssignment | SchoolClass | PupilGroup], ids: Iterable[UUID]
    ) -> None:
        for part in split_ids(ids):
            self.session.execute(delete(model).where(model.id.in_(part)).execution_options(synchronize_session=False))

    def count_stored_plans(self, before: datetime, town_id: UUID) -> int:
        """Return the number of imports of a town, uploaded before this instant, that still have a plan or an undo log."""
        is_old = (RosterImport.uploaded_at <= before) & (RosterImport.town_id == town_id)
        has_content = is_old & or_(RosterImport.plan.is_not(None), RosterImport.undo_log.is_not(None))
        return self.session.scalar(select(func.count()).select_from(RosterImport).where(has_content)) or 0

    def clear_plans(self, before: datetime, town_id: UUID | None = None) -> int:
        """Delete plans and undo logs of imports uploaded before this instant, and discard those not confirmed. Returns their number."""
        is_old = RosterImport.uploaded_at <= before
        if town_id is not None:
            is_old &= RosterImport.town_id == town_id
        previewed = update(RosterImport).where(is_old, RosterImport.state == ImportState.PREVIEWED)
        self.session.execute(previewed.values(state=ImportState.DISCARDED).execution_options(synchronize_session=False))
        has_content = is_old & or_(RosterImport.plan.is_not(None), RosterImport.undo_log.is_not(None))
        statement = update(RosterImport).where(has_content).values(plan=None, undo_log=None).returning(RosterImport.id)
        return len(self.session.scalars(statement.execution_options(synchronize_session=False)).all())
