"""Verbs of the school year: preview, tick, classes of next year. Never commits.

Carrying a passage out is in `applying`; what rosters say of the coming year in `coming`; the return of the leavers' tablets in
`returns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import audit, locks
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.files.cells import label_key
from enrollment.people.models import AccessKind, Pupil
from enrollment.places.models import School, SchoolClass, Town
from enrollment.places.rules import school_year_of
from enrollment.rollover.errors import AlreadyApplied, NotToBeSaid, RolloverClosed, RolloverUnknown
from enrollment.rollover.models import Decision, Rollover, RolloverLine, RolloverSchool, RolloverState, SchoolSuccession
from enrollment.rollover.repository import Group, YearRepository, reach
from enrollment.rollover.rules import SAID, after, decided, first_day, is_ulis, next_year, usual_freeze


def preview(work: UnitOfWork, actor: Actor, town_id: UUID, from_year: str | None = None) -> Rollover:
    """Make the draft of a town's passage, or bring it up to date with the roster. What a head ticked or a roster said stays.

    Raises `RolloverClosed`, `Forbidden`.
    """
    actor.require_permission(Permission.LEAD, town_id)
    locks.lock_town(work, town_id)
    rollover = draft(work, actor, town_id, from_year or year_now(work, town_id))
    _still_open(rollover)
    audit.record_event(work, actor, "rollover.preview", "rollover", rollover.id, town_id=town_id)
    bring_up_to_date(work, rollover)
    return rollover


def year_now(work: UnitOfWork, town_id: UUID) -> str:
    """The year whose end concerns a town now: that of an open passage, else the present one."""
    latest = YearRepository(work.session).latest(town_id)
    open_one = latest is not None and latest.state is not RolloverState.CLOSED
    return latest.from_year if latest is not None and open_one else school_year_of(today(work, town_id))


def today(work: UnitOfWork, town_id: UUID) -> date:
    """The day in a town."""
    return work.now.astimezone(ZoneInfo(work.session.get_one(Town, town_id).time_zone)).date()


def draft(work: UnitOfWork, actor: Actor, town_id: UUID, from_year: str) -> Rollover:
    """The passage out of a year; made, empty, when there is none."""
    repository = YearRepository(work.session)
    rollover = repository.of_town(town_id, from_year)
    if rollover is None:
        to_year = next_year(from_year)
        rollover = Rollover(
            town_id=town_id, from_year=from_year, to_year=to_year, state=RolloverState.DRAFT, freezes_on=usual_freeze(to_year),
            starts_on=first_day(to_year), made_by=actor.account_id, made_at=work.now,
        )  # fmt: skip
        work.session.add(rollover)
        work.session.flush()
    return rollover


def bring_up_to_date(work: UnitOfWork, rollover: Rollover, *, only_missing: bool = False) -> None:
    """Give every pupil a line, and let those that nobody decided follow the roster and what it proposed. `only_missing`: leave the lines there are."""
    repository = YearRepository(work.session)
    lines, successors = repository.lines(rollover.id), repository.successors(rollover.town_id)
    for pupil_id, school_id, class_id, level, state, key, year in repository.pupils(rollover.town_id):
        line = lines.get(pupil_id)
        has_passed = year is not None and year >= rollover.to_year
        if line is not None and (only_missing or line.applied_at is not None or line.told or has_passed):
            continue
        default = successors.get(school_id, school_id)
        if line is None:
            line = RolloverLine(
                rollover_id=rollover.id, pupil_id=pupil_id, town_id=rollover.town_id, ticked=False, told=False, moved=False
            )
            work.session.add(line)
            line.school_after = default
        elif line.school_id != school_id:
            line.class_after, line.school_after = None, default  # moved to another school: its head places them
        elif line.class_after is None:
            line.school_after = default
        line.level_before, line.class_before, line.school_id, line.ulis = level, class_id, school_id, is_ulis(key)
        if not line.ticked:
            line.decision = Decision.ARRIVED if has_passed else decided(level, state, line.proposed)
        line.level_after = after(level, line.decision)
    work.session.flush()


def set_dates(work: UnitOfWork, actor: Actor, rollover_id: UUID, freezes_on: date, starts_on: date) -> Rollover:
    """Say from which day rosters take nobody away, and on which day pupils come back. Raises `Invalid`."""
    rollover = whole(work, actor, rollover_id)
    year = int(rollover.to_year[:4])
    if not date(year, 5, 1) <= freezes_on < starts_on <= date(year, 10, 31):
        raise Invalid(field="starts_on")
    audit.record_event(
        work, actor, "rollover.dates", "rollover", rollover.id, town_id=rollover.town_id, freezes=freezes_on.isoformat(),
        starts=starts_on.isoformat(),
    )  # fmt: skip
    rollover.freezes_on, rollover.starts_on = freezes_on, starts_on
    return rollover


def tick(work: UnitOfWork, actor: Actor, rollover_id: UUID, pupil_ids: Sequence[UUID], decision: Decision) -> int:
    """Note what a head decided for some pupils of the school.

    Raises `RolloverUnknown`, `RolloverClosed`, `NotFound` for pupils out of reach, `AlreadyApplied`, `NotToBeSaid`.
    """
    if decision not in SAID:
        raise NotToBeSaid(field="decision")
    rollover = held(work, actor, rollover_id)
    lines = _lines(work, actor, rollover, pupil_ids)
    audit.record_event(
        work, actor, "rollover.tick", "rollover", rollover.id, town_id=rollover.town_id, decision=decision.value,
        pupils=[str(pupil_id) for pupil_id in pupil_ids],
    )  # fmt: skip
    for line in lines:
        line.decision, line.ticked, line.told, line.level_after = decision, True, False, after(line.level_before, decision)
        if decision is Decision.LEAVER:
            line.class_after = None
    return len(lines)


def make_class(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, label: str, pupil_ids: Sequence[UUID]
) -> SchoolClass:
    """Make a class of next year, a new one even under an old name, and place pupils in it. Raises as `tick` does, `Invalid`."""
    rollover = held(work, actor, rollover_id)
    repository = YearRepository(work.session)
    school = work.session.get(School, school_id)
    if (
        school is None
        or school.town_id != rollover.town_id
        or not actor.has_permission(Permission.LEAD, school.town_id, school.id)
    ):
        raise NotFound(field="school_id")
    key = label_key(label)
    if not key:
        raise Invalid(field="label")
    lines = _lines(work, actor, rollover, pupil_ids) if pupil_ids else []
    found = repository.class_by_key(school_id, rollover.to_year, key)
    if found is None:
        found = SchoolClass(
            town_id=rollover.town_id, school_id=school_id, school_year=rollover.to_year, label=label.strip(), label_key=key
        )
        work.session.add(found)
        work.session.flush()
    audit.record_event(
        work, actor, "rollover.class", "school_class", found.id, town_id=rollover.town_id,
        pupils=[str(each) for each in pupil_ids],
    )  # fmt: skip
    for line in lines:
        line.class_after, line.school_after = found.id, school_id
    return found


def say_done(work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, *, lists: bool = False) -> RolloverSchool:
    """A head has ticked everybody or, with `lists`, has seen that the lists of the new year are right: only then are they
    handed to Apple. Raises `NotFound`.
    """
    rollover = held(work, actor, rollover_id)
    school = work.session.get(School, school_id)
    if (
        school is None
        or school.town_id != rollover.town_id
        or not actor.has_permission(Permission.LEAD, school.town_id, school.id)
    ):
        raise NotFound(field="school_id")
    act = "rollover.listed" if lists else "rollover.ticked"
    audit.record_event(work, actor, act, "school", school_id, town_id=rollover.town_id)
    row = work.session.get(RolloverSchool, (rollover.id, school_id))
    if row is None:
        row = RolloverSchool(rollover_id=rollover.id, school_id=school_id, town_id=rollover.town_id)
        work.session.add(row)
    if lists:
        row.listed_by, row.listed_at = actor.account_id, work.now
    else:
        row.ticked_by, row.ticked_at = actor.account_id, work.now
    work.session.flush()
    return row


def succeed(work: UnitOfWork, actor: Actor, old_school_id: UUID, new_school_id: UUID) -> SchoolSuccession:
    """Say that a school goes on as another: its pupils follow at the next passage. Raises `NotFound`, `Invalid`."""
    old, new = work.session.get(School, old_school_id), work.session.get(School, new_school_id)
    if old is None or new is None or old.town_id != new.town_id:
        raise NotFound(field="new_school_id")
    actor.require_permission(Permission.LEAD, old.town_id)
    if old.id == new.id or YearRepository(work.session).successors(old.town_id).get(new.id) == old.id:
        raise Invalid(field="new_school_id")
    audit.record_event(work, actor, "school.succession", "school", old.id, town_id=old.town_id, new=str(new.id))
    row = work.session.get(SchoolSuccession, old.id)
    if row is None:
        row = SchoolSuccession(town_id=old.town_id, old_school_id=old.id, new_school_id=new.id)
        work.session.add(row)
    row.new_school_id = new.id
    work.session.flush()
    return row


def get(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """A passage of a town in which the actor sees a school. Raises `RolloverUnknown`."""
    rollover = YearRepository(work.session).visible(actor, rollover_id)
    if rollover is None:
        raise RolloverUnknown
    return rollover


def groups(work: UnitOfWork, actor: Actor, rollover: Rollover) -> list[Group]:
    """The passage in numbers, as far as the actor sees it."""
    return YearRepository(work.session).groups(rollover.id, reach(actor))


def of_class(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, class_id: UUID | None
) -> list[tuple[RolloverLine, Pupil]]:
    """The pupils of a class that ends, by name, each with the lot. Reading it is audited. Raises `RolloverUnknown`, `NotFound`."""
    rollover = get(work, actor, rollover_id)
    rows = YearRepository(work.session).of_class(rollover.id, school_id, class_id, reach(actor, Permission.LEAD))
    if not rows:
        raise NotFound
    audit.record_event(work, actor, "rollover.read", "school", school_id, town_id=rollover.town_id, class_id=str(class_id or ""))
    access.note(work, actor, [pupil for _, pupil in rows], AccessKind.CLASS_LIST)
    return sorted(((line, pupil) for line, pupil in rows), key=lambda row: _name_key(row[1]))


def _name_key(pupil: Pupil) -> tuple[str, str, str]:
    return label_key(pupil.usage_name or pupil.last_name), label_key(pupil.first_name), str(pupil.id)


def held(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """An open passage, for one who may say what becomes of some pupils; other acts on it wait."""
    rollover = get(work, actor, rollover_id)
    if not actor.has_permission_somewhere(Permission.LEAD, rollover.town_id):
        raise Forbidden(permission=Permission.LEAD.value)
    locks.lock_town(work, rollover.town_id)
    work.session.refresh(rollover)
    _still_open(rollover)
    return rollover


def whole(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """An open passage, for one who answers for the whole town."""
    rollover = get(work, actor, rollover_id)
    actor.require_permission(Permission.LEAD, rollover.town_id)
    return held(work, actor, rollover_id)


def _lines(work: UnitOfWork, actor: Actor, rollover: Rollover, pupil_ids: Sequence[UUID]) -> list[RolloverLine]:
    lines = YearRepository(work.session).lines_of(rollover.id, pupil_ids)
    for pupil_id in pupil_ids:
        line = lines.get(pupil_id)
        if line is None or not any(
            actor.has_permission(Permission.LEAD, rollover.town_id, school_id)
            for school_id in (line.school_id, line.school_after)
        ):
            raise NotFound(field="pupil_ids")
        if line.applied_at is not None:
            raise AlreadyApplied(field="pupil_ids")
    if not lines:
        raise NotFound(field="pupil_ids")
    return [lines[pupil_id] for pupil_id in dict.fromkeys(pupil_ids)]


def _still_open(rollover: Rollover) -> None:
    if rollover.state is RolloverState.CLOSED:
        raise RolloverClosed


def of_year(work: UnitOfWork, actor: Actor, town_id: UUID) -> Rollover | None:
    """The passage that concerns a town now, if it was begun and the actor sees a school there."""
    found = YearRepository(work.session).latest(town_id)
    return found if found is not None and YearRepository(work.session).visible(actor, found.id) else None
