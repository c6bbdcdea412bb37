"""What the head of a school has in hand: who the roster no longer names, groups, guardians, substitutes of the day. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.imports.changes import name_hash
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
from enrollment.people.rules import LONGEST_SUBSTITUTE, holds_on, is_due_back
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository


@dataclass(frozen=True, slots=True)
class Absent:
    """A pupil whom the roster no longer names, and the tablet that is still out."""

    pupil: Pupil
    tag: str | None
    due_back: bool


def absent(work: UnitOfWork, actor: Actor, school_id: UUID) -> list[Absent]:
    """The pupils of a school whom its last roster does not name, the longest absent first. Audited. Raises `NotFound`, `Forbidden`."""
    school = _school(work, actor, school_id, Permission.ROSTER)
    audit.record_event(work, actor, "school.absent", "school", school.id, town_id=school.town_id)
    found = PeopleRepository(work.session).absent(school.id)
    access.note(work, actor, [pupil for pupil, _ in found], AccessKind.CLASS_LIST)
    today = _today(work, school)
    return [Absent(pupil, tag, is_due_back(pupil.absent_since or today, today)) for pupil, tag in found]


def groups(work: UnitOfWork, actor: Actor, school_id: UUID, year: str) -> list[tuple[PupilGroup, list[UUID]]]:
    """The groups of a school in a year with their pupils' ids; support units only for who may know. Raises `NotFound`, `Forbidden`."""
    school = _school(work, actor, school_id, Permission.SEE)
    family = actor.has_permission(Permission.FAMILY, school.town_id, school.id)
    found = PeopleRepository(work.session).groups(school.id, year)
    return [(group, ids) for group, ids in found if family or group.kind is GroupKind.GROUP]


def guardians(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> list[tuple[Guardian, GuardianLink]]:
    """A pupil's guardians, without their contacts, and whether a court has decided. Audited. Raises `NotFound`, `Forbidden`."""
    pupil = _pupil(work, actor, pupil_id)
    audit.record_event(work, actor, "guardians.read", "pupil", pupil.id, town_id=pupil.town_id)
    access.note(work, actor, [pupil], AccessKind.ROSTER)
    return PeopleRepository(work.session).guardians_of(pupil.id)


def set_court_order(work: UnitOfWork, actor: Actor, pupil_id: UUID, guardian_id: UUID, *, holds: bool) -> None:
    """Note that a court has decided in favour of a guardian, or that it no longer holds. Raises `NotFound`, `Forbidden`."""
    pupil = _pupil(work, actor, pupil_id)
    link = next(
        (link for _, link in PeopleRepository(work.session).guardians_of(pupil.id) if link.guardian_id == guardian_id), None
    )
    if link is None:
        raise NotFound(field="guardian_id")
    # What the trail tells more people than the flag may be seen by is that it was touched.
    audit.record_event(work, actor, "guardian.flag", "pupil", pupil.id, town_id=pupil.town_id)
    link.court_order = holds
    work.session.flush()


def name_substitute(
    work: UnitOfWork, actor: Actor, school_id: UUID, class_id: UUID, last_name: str, first_name: str, last_day: date | None = None
) -> TeacherAssignment:
    """Name who replaces a teacher today, or until a last day, which counts until its midnight. No e-mail, no account.

    No roster names them: their name ends with the school year. Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    school = _school(work, actor, school_id, Permission.ROSTER)
    school_class = PeopleRepository(work.session).class_visible(actor, class_id)
    if school_class is None or school_class.school_id != school.id:
        raise NotFound(field="class_id")
    today = _today(work, school)
    until = last_day or today
    if not today <= until <= today + LONGEST_SUBSTITUTE:
        raise Invalid(field="last_day")
    member = StaffMember(
        id=new_id(), town_id=school.town_id, last_name=last_name, first_name=first_name,
        name_hash=name_hash(work.keyring, school.town_id, last_name, first_name),
        state=RosterState.ABSENT_FROM_ROSTER, absent_since=until,
    )  # fmt: skip
    audit.record_event(
        work, actor, "substitute.name", "staff_member", member.id, town_id=school.town_id, class_id=str(class_id),
        last_day=until.isoformat(),
    )  # fmt: skip
    work.session.add(member)
    work.session.flush()
    made = TeacherAssignment(
        id=new_id(), town_id=school.town_id, staff_id=member.id, school_id=school.id, class_id=class_id,
        kind=AssignmentKind.SUBSTITUTE, starts_on=today, ends_on=until,
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def substitutes(work: UnitOfWork, actor: Actor, school_id: UUID) -> list[tuple[TeacherAssignment, StaffMember]]:
    """Who replaces whom in a school today. Raises `NotFound`, `Forbidden`."""
    school = _school(work, actor, school_id, Permission.SEE)
    today = _today(work, school)
    found = PeopleRepository(work.session).substitutes(school.id, today)
    return [(held, member) for held, member in found if holds_on(held, today)]


def end_substitute(work: UnitOfWork, actor: Actor, assignment_id: UUID) -> None:
    """End a replacement now. Raises `NotFound`."""
    found = PeopleRepository(work.session).assignment(actor, assignment_id)
    if found is None or found.kind is not AssignmentKind.SUBSTITUTE:
        raise NotFound
    school = _school(work, actor, found.school_id, Permission.ROSTER)
    audit.record_event(work, actor, "substitute.end", "staff_member", found.staff_id, town_id=found.town_id)
    found.ends_on = min(found.ends_on or date.max, _today(work, school) - timedelta(days=1))
    work.session.flush()


def _school(work: UnitOfWork, actor: Actor, school_id: UUID, permission: Permission) -> School:
    school = PlaceRepository(work.session).school(actor, school_id)
    if school is None:
        raise NotFound
    actor.require_permission(permission, school.town_id, school.id)
    return school


def _pupil(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Pupil:
    pupil = PeopleRepository(work.session).pupil(actor, pupil_id)
    if pupil is None:
        raise NotFound
    actor.require_permission(Permission.FAMILY, pupil.town_id, pupil.school_id)
    return pupil


def _today(work: UnitOfWork, school: School) -> date:
    """The day it is where the school stands."""
    zone = school.time_zone or work.session.get_one(Town, school.town_id).time_zone
    return work.now.astimezone(ZoneInfo(zone)).date()
