"""Creates schools, one or a list of them, and changes what they are called and their phone. Closing one is in `enrollment.rollover.closing`. Never commits.

See docs/domain/schools.md#towns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from cartable import audit, locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.errors import InvalidUai, SchoolExists, TooManySchools
from enrollment.places.models import School
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import check_uai, clean_text
from enrollment.places.school_files import SchoolLine, parse_schools
from enrollment.places.service import require_school
from enrollment.places.towns import check_name, check_phone

MAX_NAME = 160
#: More than any town of France has.
MAX_SCHOOLS = 1000


class SchoolLineOutcome(StrEnum):
    """What became of a line of a list of schools."""

    CREATED = "created"
    UNCHANGED = "unchanged"  # the town has it already
    OF_ANOTHER_TOWN = "of_another_town"
    INVALID_UAI = "invalid_uai"
    INVALID_NAME = "invalid_name"


@dataclass(frozen=True, slots=True)
class SchoolLineReport:
    """A line of a list of schools and what became of it. `uai` and `name` are as they were read."""

    line: int
    uai: str
    name: str
    outcome: SchoolLineOutcome


def create_school(work: UnitOfWork, actor: Actor, town_id: UUID, uai: str, name: str) -> School:
    """Create a school. Raises `Forbidden`, `InvalidUai`, `InvalidName`, `SchoolExists`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    code, fault = check_uai(uai)
    if fault:
        raise InvalidUai(why=fault, field="uai")
    cleaned = check_name(name)
    locks.lock_town(work, town_id)
    if PlaceRepository(work.session).find_school_by_uai(code) is not None:
        raise SchoolExists(field="uai")
    return _add_school(work, actor, town_id, code, cleaned)


def read_schools(content: bytes) -> list[SchoolLine]:
    """Return the lines of a list of schools; it needs no database. Raises `UnreadableSchoolList`, `TooManySchools`."""
    lines = parse_schools(content)
    if len(lines) > MAX_SCHOOLS:
        raise TooManySchools(maximum=MAX_SCHOOLS)
    return lines


def import_schools(work: UnitOfWork, actor: Actor, town_id: UUID, lines: Sequence[SchoolLine]) -> list[SchoolLineReport]:
    """Create the schools of a list that do not exist yet, and return what became of each line. A second import changes nothing.

    Raises `Forbidden`, `TooManySchools`.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    if len(lines) > MAX_SCHOOLS:
        raise TooManySchools(maximum=MAX_SCHOOLS)
    locks.lock_town(work, town_id)
    checked = [check_uai(line.uai) for line in lines]
    schools_by_uai = PlaceRepository(work.session).list_schools_by_uai([code for code, fault in checked if fault is None])
    return [
        SchoolLineReport(
            line.number, code or line.uai, line.name, _import_line(work, actor, town_id, line, code, fault, schools_by_uai)
        )
        for line, (code, fault) in zip(lines, checked, strict=True)
    ]


def _import_line(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    line: SchoolLine,
    code: str,
    fault: str | None,
    schools_by_uai: dict[str, School],
) -> SchoolLineOutcome:
    if fault is not None:
        return SchoolLineOutcome.INVALID_UAI
    school = schools_by_uai.get(code)
    if school is not None:
        if school.town_id != town_id:
            return SchoolLineOutcome.OF_ANOTHER_TOWN
        return SchoolLineOutcome.UNCHANGED
    name = clean_text(line.name or code, MAX_NAME)
    if name is None:
        return SchoolLineOutcome.INVALID_NAME
    try:
        schools_by_uai[code] = _add_school(work, actor, town_id, code, name)
    except SchoolExists:
        return SchoolLineOutcome.OF_ANOTHER_TOWN
    return SchoolLineOutcome.CREATED


def _add_school(work: UnitOfWork, actor: Actor, town_id: UUID, code: str, name: str) -> School:
    """Add the row of a school. Raises `SchoolExists` when another town has added the same code meanwhile."""
    school = School(town_id=town_id, uai=code, name=name)
    try:
        with work.session.begin_nested():
            work.session.add(school)
            work.session.flush()
    except IntegrityError as error:
        raise SchoolExists(field="uai") from error
    audit.record_event(work, actor, "school.create", "school", school.id, town_id=town_id, uai=code)
    return school


def rename_school(work: UnitOfWork, actor: Actor, school_id: UUID, name: str) -> School:
    """Set the name of a school and return it. Raises `NotFound`, `Forbidden`, `InvalidName`."""
    school = require_school(work, actor, school_id, Permission.AUTHOR)
    cleaned = check_name(name)
    locks.lock_town(work, school.town_id)
    work.session.refresh(school)
    if school.name != cleaned:
        audit.record_event(
            work, actor, "school.rename", "school", school.id, town_id=school.town_id, name=cleaned, name_before=school.name
        )
        school.name = cleaned
        work.session.flush()
    return school


def set_phone(work: UnitOfWork, actor: Actor, school_id: UUID, phone: str | None) -> School:
    """Set the phone number of a school, which the emergency card shows, and return the school.

    Raises `NotFound`, `Forbidden`, `InvalidPhone`.
    """
    school = require_school(work, actor, school_id, Permission.AUTHOR)
    cleaned = check_phone(phone, "phone")
    locks.lock_town(work, school.town_id)
    work.session.refresh(school)
    if school.phone != cleaned:
        audit.record_event(
            work, actor, "school.phone", "school", school.id, town_id=school.town_id, phone=cleaned, phone_before=school.phone
        )
        school.phone = cleaned
        work.session.flush()
    return school
