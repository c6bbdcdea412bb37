"""What the head of a school sees and manages of its people: groups, guardians, substitute teachers. Never commits."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import (
    AccessKind,
    AssignmentKind,
    GroupKind,
    Guardian,
    GuardianLink,
    Pupil,
    PupilGroup,
    RosterState,
    StaffMember,
    TeacherAssignment,
)
from enrollment.people.repository import PeopleRepository
from enrollment.people.rules import MAX_SUBSTITUTE_DURATION, is_active_on
from enrollment.people.text import compute_name_hash
from enrollment.places.service import get_school_date, require_school


def list_groups(work: UnitOfWork, actor: Actor, school_id: UUID, year: str) -> list[tuple[PupilGroup, list[UUID]]]:
    """Return the groups of a school in a year, each with its pupils' ids; support units only to actors with the `FAMILY` permission.

    Raises `NotFound`, `Forbidden`.
    """
    school = require_school(work, actor, school_id, Permission.SEE)
    sees_units = actor.has_permission(Permission.FAMILY, school.town_id, school.id)
    groups = PeopleRepository(work.session).list_groups(school.id, year)
    return [(group, pupil_ids) for group, pupil_ids in groups if sees_units or group.kind is GroupKind.GROUP]


def list_guardians(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> list[tuple[Guardian, GuardianLink]]:
    """Return a pupil's guardians, each with the court order flag. The reading is audited. Raises `NotFound`, `Forbidden`."""
    pupil = _require_pupil(work, actor, pupil_id)
    audit.record_reading(work, actor, "guardians.read", "pupil", pupil.id, town_id=pupil.town_id)
    access.record_access(work, actor, [pupil], AccessKind.ROSTER)
    return PeopleRepository(work.session).list_guardians(pupil.id)


def set_court_order(work: UnitOfWork, actor: Actor, pupil_id: UUID, guardian_id: UUID, *, in_force: bool) -> None:
    """Set whether a court order in favour of a guardian is in force. Raises `NotFound`, `Forbidden`."""
    pupil = _require_pupil(work, actor, pupil_id)
    link = next(
        (link for _, link in PeopleRepository(work.session).list_guardians(pupil.id) if link.guardian_id == guardian_id), None
    )
    if link is None:
        raise NotFound(field="guardian_id")
    # More people read the audit trail than may see the flag: it records that the flag was set, not its value.
    audit.record_event(work, actor, "guardian.flag", "pupil", pupil.id, town_id=pupil.town_id)
    link.court_order = in_force
    work.session.flush()


def add_substitute(
    work: UnitOfWork, actor: Actor, school_id: UUID, class_id: UUID, last_name: str, first_name: str, last_day: date | None = None
) -> TeacherAssignment:
    """Add a substitute teacher to a class for today, or until `last_day` inclusive. The substitute gets no e-mail and no account.

    No roster lists a substitute, so the name is deleted at the end of the school year. Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    school = require_school(work, actor, school_id, Permission.ROSTER)
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None or school_class.school_id != school.id:
        raise NotFound(field="class_id")
    today = get_school_date(work, school)
    until = last_day or today
    if not today <= until <= today + MAX_SUBSTITUTE_DURATION:
        raise Invalid(field="last_day")
    member = StaffMember(
        id=new_id(), town_id=school.town_id, last_name=last_name, first_name=first_name,
        name_hash=compute_name_hash(work.keyring, school.town_id, last_name, first_name),
        state=RosterState.ABSENT_FROM_ROSTER, absent_since=until,
    )  # fmt: skip
    audit.record_event(
        work, actor, "substitute.add", "staff_member", member.id, town_id=school.town_id, class_id=str(class_id),
        last_day=until.isoformat(),
    )  # fmt: skip
    work.session.add(member)
    work.session.flush()
    assignment = TeacherAssignment(
        id=new_id(), town_id=school.town_id, staff_id=member.id, school_id=school.id, class_id=class_id,
        kind=AssignmentKind.SUBSTITUTE, starts_on=today, ends_on=until,
    )  # fmt: skip
    work.session.add(assignment)
    work.session.flush()
    return assignment


def list_substitutes(work: UnitOfWork, actor: Actor, school_id: UUID) -> list[tuple[TeacherAssignment, StaffMember]]:
    """Return the substitutes of a school whose assignment is active today. Raises `NotFound`, `Forbidden`."""
    school = require_school(work, actor, school_id, Permission.SEE)
    today = get_school_date(work, school)
    substitutes = PeopleRepository(work.session).list_substitutes(school.id, today)
    return [(assignment, member) for assignment, member in substitutes if is_active_on(assignment, today)]


def end_substitute(work: UnitOfWork, actor: Actor, assignment_id: UUID) -> None:
    """End a substitute's assignment: yesterday becomes its last day. Raises `NotFound`, `Forbidden`."""
    assignment = PeopleRepository(work.session).find_assignment(actor, assignment_id)
    if assignment is None or assignment.kind is not AssignmentKind.SUBSTITUTE:
        raise NotFound
    school = require_school(work, actor, assignment.school_id, Permission.ROSTER)
    audit.record_event(work, actor, "substitute.end", "staff_member", assignment.staff_id, town_id=assignment.town_id)
    assignment.ends_on = min(assignment.ends_on or date.max, get_school_date(work, school) - timedelta(days=1))
    work.session.flush()


def _require_pupil(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Pupil:
    pupil = PeopleRepository(work.session).find_pupil(actor, pupil_id)
    if pupil is None:
        raise NotFound
    actor.require_permission(Permission.FAMILY, pupil.town_id, pupil.school_id)
    return pupil
