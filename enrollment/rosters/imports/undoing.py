"""Restores the state before an import from its undo log. A field that somebody changed after the import keeps the newer value."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Uuid

from cartable.database import EnumText
from cartable.foreign_keys import find_referenced_ids
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Guardian, GuardianLink, Pupil, PupilGroup, PupilGroupMember, StaffMember, TeacherAssignment
from enrollment.people.undo_log import MODELS, Json, to_json_value
from enrollment.places.models import SchoolClass
from enrollment.rollover import drafting
from enrollment.rollover.models import Rollover, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.tablets.loan_repository import LoanRepository

#: Rows that belong to a created pupil, or adult, and are deleted with them.
_OWNED_BY_PUPIL = ("guardian_link", "rollover_line", "pupil_group_member", "pupil_name_prefix")
_OWNED_BY_STAFF = ("staff_name_prefix",)


def find_undo_blockers(work: UnitOfWork, undo_log: Json) -> set[UUID]:
    """Return the pupils created by the import to whom something else refers by now, such as a loan or an invitation."""
    created = [UUID(pupil_id) for pupil_id in undo_log["created"]["pupil"]]
    return find_referenced_ids(work.session, Pupil, created, besides=_OWNED_BY_PUPIL)


def restore_previous_state(work: UnitOfWork, town_id: UUID, undo_log: Json) -> set[UUID]:
    """Undo all writes of an import. Returns the pupils whose school, class or grade changed by it."""
    repository = ImportRepository(work.session)
    _restore_links(work, repository, town_id, undo_log)
    _restore_rollover_lines(work, undo_log)
    _restore_groups(work, repository, town_id, undo_log)
    moved_pupils = _restore_pupils(work, repository, undo_log["changed_fields"]["pupil"])
    for kind, get_rows in (
        ("class", repository.get_classes),
        ("guardian", repository.get_guardians),
        ("staff", repository.get_staff),
        ("assignment", repository.get_assignments),
    ):
        changed = undo_log["changed_fields"][kind]
        for row_id, row in get_rows(map(UUID, changed)).items():
            _restore_fields(row, changed[str(row_id)])
    work.session.flush()
    _restore_proposals(work, undo_log)
    _delete_created(work, repository, undo_log)
    return moved_pupils


def _restore_pupils(work: UnitOfWork, repository: ImportRepository, changed: Json) -> set[UUID]:
    moved_pupils, pupils_changing_school = set(), set()
    for pupil_id, pupil in repository.get_pupils(map(UUID, changed)).items():
        place = pupil.school_id, pupil.class_id, pupil.grade
        _restore_fields(pupil, changed[str(pupil_id)])
        if place != (pupil.school_id, pupil.class_id, pupil.grade):
            moved_pupils.add(pupil_id)
        if place[0] != pupil.school_id:
            pupils_changing_school.add(pupil_id)
    work.session.flush()
    LoanRepository(work.session).move_tablets_to_schools_of_pupils(pupils_changing_school)
    return moved_pupils


def _restore_rollover_lines(work: UnitOfWork, undo_log: Json) -> None:
    """Restore the rollover lines that the roster changed, except those that are applied by now."""
    if undo_log["rollover_id"]:
        changed = undo_log["changed_fields"]["line"]
        lines = RolloverRepository(work.session).get_lines_of_pupils(UUID(undo_log["rollover_id"]), map(UUID, changed))
        for pupil_id, line in lines.items():
            if line.applied_at is None:
                _restore_fields(line, changed[str(pupil_id)])
        work.session.flush()


def _restore_proposals(work: UnitOfWork, undo_log: Json) -> None:
    """Withdraw the decisions that the roster proposed, and refresh the draft from the pupils as they are again."""
    rollover_id = undo_log["proposals_rollover_id"]
    rollover = work.session.get(Rollover, UUID(rollover_id)) if rollover_id else None
    if rollover is not None and rollover.state is RolloverState.DRAFT:
        changed = undo_log["changed_fields"]["proposal"]
        lines = RolloverRepository(work.session).get_lines_of_pupils(rollover.id, map(UUID, changed))
        for pupil_id, line in lines.items():
            _restore_fields(line, changed[str(pupil_id)])
        drafting.refresh_lines(work, rollover)


def _restore_fields(row: Any, fields: dict[str, list[object]]) -> None:
    for name, (before, after) in fields.items():
        if to_json_value(getattr(row, name)) == after:
            setattr(row, name, _to_column_value(row, name, before))


def _to_column_value(row: Any, name: str, value: Any) -> Any:
    column_type = row.__table__.columns[name].type
    if value is not None and isinstance(column_type, Uuid):
        return UUID(value)
    if value is not None and isinstance(column_type, Date):
        return date.fromisoformat(value)
    return column_type.kind(value) if value is not None and isinstance(column_type, EnumText) else value


def _restore_links(work: UnitOfWork, repository: ImportRepository, town_id: UUID, undo_log: Json) -> None:
    added = {(UUID(guardian), UUID(pupil)) for guardian, pupil in undo_log["linked_guardians"]}
    for link in repository.list_links_of_guardians({guardian for guardian, _ in added}):
        if (link.guardian_id, link.pupil_id) in added:
            work.session.delete(link)
    work.session.flush()
    removed = {(UUID(guardian), UUID(pupil)): court for guardian, pupil, court in undo_log["unlinked_guardians"]}
    links = repository.list_links_of_guardians({guardian for guardian, _ in removed})
    present = {(link.guardian_id, link.pupil_id) for link in links}
    for guardian_id, pupil_id in sorted(set(removed) - present):
        court_order = removed[guardian_id, pupil_id]
        work.session.add(GuardianLink(town_id=town_id, guardian_id=guardian_id, pupil_id=pupil_id, court_order=court_order))
    work.session.flush()


def _restore_groups(work: UnitOfWork, repository: ImportRepository, town_id: UUID, undo_log: Json) -> None:
    joined = {(UUID(group), UUID(pupil)) for group, pupil in undo_log["joined_groups"]}
    left = {(UUID(group), UUID(pupil)) for group, pupil in undo_log["left_groups"]}
    members = repository.list_group_members({group for group, _ in joined | left})
    present = {(member.group_id, member.pupil_id): member for member in members}
    for membership in joined & set(present):
        work.session.delete(present[membership])
    for group_id, pupil_id in sorted(left - set(present)):
        work.session.add(PupilGroupMember(town_id=town_id, group_id=group_id, pupil_id=pupil_id))
    work.session.flush()


def _delete_created(work: UnitOfWork, repository: ImportRepository, undo_log: Json) -> None:
    """Delete the rows that the import created, except adults, groups and classes to which something else refers by now."""
    created = {kind: {UUID(row_id) for row_id in undo_log["created"][kind]} for kind in MODELS}
    repository.delete(Guardian, created["guardian"])
    repository.delete(TeacherAssignment, created["assignment"])
    kept_staff = find_referenced_ids(work.session, StaffMember, created["staff"], besides=_OWNED_BY_STAFF)
    repository.delete(StaffMember, created["staff"] - kept_staff)
    repository.delete(Pupil, created["pupil"])
    repository.delete(PupilGroup, created["group"] - find_referenced_ids(work.session, PupilGroup, created["group"]))
    repository.delete(SchoolClass, created["class"] - find_referenced_ids(work.session, SchoolClass, created["class"]))
    work.session.flush()
    work.session.expire_all()
