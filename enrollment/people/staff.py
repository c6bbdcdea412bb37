"""The adults who work in a town's schools: list them, enter one by hand, record that one leaves. Never commits.

Teachers come from rosters too. See docs/domain/schools.md#adults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import name_index
from enrollment.people.models import AssignmentKind, RosterState, StaffMember, TeacherAssignment
from enrollment.people.name_index_repository import NameIndexRepository
from enrollment.people.rules import is_active_on
from enrollment.people.staff_repository import StaffRepository
from enrollment.people.text import compute_email_hash, compute_name_hash, compute_name_order
from enrollment.places.rules import clean_text
from enrollment.places.service import get_town_date, require_school

MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class StaffSummary:
    """A member of staff with the assignments of today. Without one the person has left, or works for the town."""

    member: StaffMember
    assignments: tuple[TeacherAssignment, ...]

    @property
    def has_left(self) -> bool:
        """Whether the person has no assignment any more."""
        return not self.assignments


def list_staff(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[StaffSummary]:
    """Return the adults of a town, by name; with a role in a school, those of that school. Raises `Forbidden`."""
    if not actor.has_permission_somewhere(Permission.SEE, town_id):
        actor.require_permission(Permission.SEE, town_id)
    repository, today = StaffRepository(work.session), get_town_date(work, town_id)
    assignments_by_member: dict[UUID, list[TeacherAssignment]] = {}
    for each in repository.list_assignments(actor, town_id):
        if is_active_on(each, today):
            assignments_by_member.setdefault(each.staff_id, []).append(each)
    sees_all = actor.has_permission(Permission.SEE, town_id)
    members = [each for each in repository.list_members(town_id) if sees_all or each.id in assignments_by_member]
    members.sort(key=lambda each: compute_name_order(each.last_name, each.first_name))
    return [StaffSummary(each, tuple(assignments_by_member.get(each.id, ()))) for each in members]


def search_staff(work: UnitOfWork, actor: Actor, town_id: UUID, text: str, limit: int) -> list[StaffMember]:
    """Return adults of a town by name: each word of `text` begins a word of it. With a role in a school, those who work there."""
    hashes = name_index.compute_query_hashes(work.keyring, {town_id}, text)
    if not hashes:
        return []
    exact_hashes = name_index.compute_exact_hashes(work.keyring, {town_id}, text)
    is_visible = StaffRepository.build_visibility(actor, town_id)
    candidates = NameIndexRepository(work.session).find_staff(hashes, exact_hashes, is_visible)
    matches = [member for member in candidates if name_index.matches(member, text)]
    return sorted(matches, key=lambda each: compute_name_order(each.last_name, each.first_name))[:limit]


def add_staff_member(
    work: UnitOfWork,
    actor: Actor,
    school_id: UUID,
    *,
    last_name: str,
    first_name: str,
    email: str | None = None,
    kind: AssignmentKind = AssignmentKind.MAIN,
    last_day: date | None = None,
) -> StaffMember:
    """Enter an adult of a school by hand and return them. The same name and address again is the same person.

    Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    school = require_school(work, actor, school_id, Permission.ROSTER)
    last, first = (clean_text(name, MAX_NAME) for name in (last_name, first_name))
    if last is None or first is None:
        raise Invalid(field="last_name" if last is None else "first_name")
    today = get_town_date(work, school.town_id)
    if last_day is not None and last_day < today:
        raise Invalid(field="last_day")
    locks.lock_town(work, school.town_id)
    address = (email or "").strip().lower() or None
    name_hash = compute_name_hash(work.keyring, school.town_id, last, first)
    email_hash = compute_email_hash(work.keyring, school.town_id, address) if address else None
    member = StaffRepository(work.session).find_same(school.town_id, name_hash, email_hash)
    if member is None:
        member = StaffMember(
            id=new_id(), town_id=school.town_id, last_name=last, first_name=first, email=address, name_hash=name_hash,
            email_hash=email_hash, state=RosterState.ACTIVE,
        )  # fmt: skip
        audit.record_event(work, actor, "staff.add", "staff_member", member.id, town_id=school.town_id, kind=kind.value)
        work.session.add(member)
        work.session.flush()
    member.state, member.absent_since = RosterState.ACTIVE, None
    open_assignments = StaffRepository(work.session).list_assignments_of(member.id)
    if not any(each.school_id == school.id and each.kind is kind and is_active_on(each, today) for each in open_assignments):
        work.session.add(
            TeacherAssignment(
                id=new_id(), town_id=school.town_id, staff_id=member.id, school_id=school.id, kind=kind, starts_on=today,
                ends_on=last_day,
            )
        )  # fmt: skip
    work.session.flush()
    return member


def record_departure(work: UnitOfWork, actor: Actor, staff_id: UUID) -> StaffMember:
    """End every assignment of a person today and return them: the name is deleted when the retention period is over.

    What the person leaves behind stays until it is given back: a tablet on loan keeps its loan. Raises `NotFound`, `Forbidden`.
    """
    member = require_staff_member(work, actor, staff_id, Permission.ROSTER)
    locks.lock_town(work, member.town_id)
    today = get_town_date(work, member.town_id)
    audit.record_event(work, actor, "staff.leave", "staff_member", member.id, town_id=member.town_id)
    for assignment in StaffRepository(work.session).list_assignments_of(member.id):
        if is_active_on(assignment, today):
            assignment.ends_on = today - timedelta(days=1)
    member.state, member.absent_since = RosterState.ABSENT_FROM_ROSTER, member.absent_since or today
    work.session.flush()
    return member


def load_summary(work: UnitOfWork, member: StaffMember) -> StaffSummary:
    """Return an adult with the assignments of today."""
    today = get_town_date(work, member.town_id)
    assignments = StaffRepository(work.session).list_assignments_of(member.id)
    return StaffSummary(member, tuple(each for each in assignments if is_active_on(each, today)))


def require_staff_member(work: UnitOfWork, actor: Actor, staff_id: UUID, permission: Permission) -> StaffMember:
    """Return an adult in whose town, or in one of whose schools, the actor has a permission. Raises `NotFound`."""
    repository = StaffRepository(work.session)
    member = repository.get_member(staff_id)
    if member is None:
        raise NotFound(field="staff_id")
    schools = {each.school_id for each in repository.list_assignments_of(member.id)}
    if not any(actor.has_permission(permission, member.town_id, school_id) for school_id in (None, *schools)):
        raise NotFound(field="staff_id")
    return member


def find_workplace(work: UnitOfWork, member: StaffMember) -> UUID | None:
    """Return the school in which an adult works today; None for somebody of several schools or of none."""
    today = get_town_date(work, member.town_id)
    schools = {
        each.school_id for each in StaffRepository(work.session).list_assignments_of(member.id) if is_active_on(each, today)
    }
    return schools.pop() if len(schools) == 1 else None
