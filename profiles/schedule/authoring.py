"""What people write about time: timetables, calendars, exceptions, evaluations, sessions, activities, guardians' rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Level
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.day_exceptions import MAY_HAVE_WINDOW, NEEDS_TIME, OverrideKind
from profiles.schedule.errors import BadRhythm, SessionNotFound, UnknownCalendar
from profiles.schedule.models import CalendarOverride, ExamDay, OwnCalendar, Timetable
from profiles.schedule.night import read_night
from profiles.schedule.official_calendars import ZONES
from profiles.schedule.repository import ModeRepository
from profiles.schedule.timetable import BadTimetable, clock, read_week, write_week

MAX_PERIODS = 200
#: An exception is for days, not for ever.
LONGEST_OVERRIDE = timedelta(days=366)


def write_timetable(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID | None,
    *,
    week: Mapping[str, Sequence[Mapping[str, object]]],
    calendar: str,
    night: tuple[str, str] | None,
) -> Timetable:
    """Save a new version of a week. Raises `BadRhythm` with the field named, `UnknownCalendar`."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    repository = ModeRepository(work.session)
    if calendar not in ZONES and (town_id, calendar) not in repository.calendars([town_id]):
        raise UnknownCalendar(name=calendar[:80], field="calendar")
    try:
        clean = write_week(read_week(week))
        hours = read_night(*night) if night else None
    except BadTimetable as error:
        raise BadRhythm(field=error.field, why=error.why) from error
    number = repository.next_version(town_id, school_id)
    where = ("school", school_id) if school_id else ("town", town_id)
    audit.record_event(work, actor, "timetable.write", *where, town_id=town_id, version=number)
    row = Timetable(
        town_id=town_id, school_id=school_id, version=number, week=clean, calendar=calendar,
        night_from=hours.starts if hours else None, night_to=hours.ends if hours else None,
        written_by=actor.account_id, written_at=work.now,
    )  # fmt: skip
    repository.add(row)
    _look(work, town_id, school_id)
    return row


def write_calendar(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    name: str,
    *,
    periods: Sequence[tuple[date, date, str]],
    public: Sequence[date],
    known_until: date | None,
) -> OwnCalendar:
    """Save a calendar of the town. Raises `BadRhythm`: a period that ends before it begins."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if name in ZONES or not name.strip():
        raise BadRhythm(field="name", why="reserved")
    if len(periods) > MAX_PERIODS:
        raise BadRhythm(field="periods", why="too_many")
    for index, (first, last, _) in enumerate(periods):
        if last < first or last - first > LONGEST_OVERRIDE:
            raise BadRhythm(field=f"periods.{index}", why="ends_before_it_begins" if last < first else "too_long")
    repository = ModeRepository(work.session)
    row = repository.calendars([town_id]).get((town_id, name)) or OwnCalendar(town_id=town_id, name=name)
    audit.record_event(work, actor, "calendar.write", "town", town_id, town_id=town_id, name=name, periods=len(periods))
    row.periods = [[first.isoformat(), last.isoformat(), label[:80]] for first, last, label in periods]
    row.public, row.known_until, row.written_at = [day.isoformat() for day in public], known_until, work.now
    repository.add(row)
    _look(work, town_id, None)
    return row


def write_override(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    school_id: UUID | None,
    class_id: UUID | None,
    first: date,
    last: date,
    kind: OverrideKind,
    at: str | None = None,
    window: tuple[str, str] | None = None,
    like: int | None = None,
    label: str = "",
) -> CalendarOverride:
    """Say something about single days. Raises `BadRhythm`."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    if last < first or last - first > LONGEST_OVERRIDE:
        raise BadRhythm(field="last", why="ends_before_it_begins" if last < first else "too_long")
    if (at is None) == (kind in NEEDS_TIME):
        raise BadRhythm(field="at", why="missing" if at is None else "not_for_this_kind")
    if window is not None and kind not in MAY_HAVE_WINDOW:
        raise BadRhythm(field="window", why="not_for_this_kind")
    if like is not None and (kind is not OverrideKind.SCHOOL_DAY or not 0 <= like < 7):
        raise BadRhythm(field="like", why="not_for_this_kind")
    try:
        time = None if at is None else clock(at, "at")
        hours = None if window is None else (clock(window[0], "window.0"), clock(window[1], "window.1"))
    except BadTimetable as error:
        raise BadRhythm(field=error.field, why=error.why) from error
    if hours and kind is not OverrideKind.TRIP and hours[0] >= hours[1]:
        raise BadRhythm(field="window", why="crosses_midnight")
    row = CalendarOverride(
        town_id=town_id, school_id=school_id, class_id=class_id, first=first, last=last, kind=kind, at=time,
        window_from=hours[0] if hours else None, window_to=hours[1] if hours else None, like=like, label=label[:120],
        written_by=actor.account_id, written_at=work.now,
    )  # fmt: skip
    audit.record_event(
        work, actor, "override.write", "town", town_id, town_id=town_id, kind=kind.value, first=str(first), last=str(last)
    )
    ModeRepository(work.session).add(row)
    _look(work, town_id, school_id)
    return row


def withdraw_override(work: UnitOfWork, actor: Actor, override_id: UUID) -> None:
    """Take an exception back; it stays as history. Raises `SessionNotFound`."""
    row = ModeRepository(work.session).override(actor, override_id)
    if row is None or row.withdrawn_at is not None:
        raise SessionNotFound
    actor.require_permission(Permission.AUTHOR, row.town_id, row.school_id)
    audit.record_event(work, actor, "override.withdraw", "town", row.town_id, town_id=row.town_id, kind=row.kind.value)
    row.withdrawn_at = work.now
    work.session.flush()
    _look(work, row.town_id, row.school_id)


def write_exam(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    school_id: UUID | None,
    level: Level | None,
    day: date,
    starts: str,
    ends: str,
) -> ExamDay:
    """Announce an evaluation. Raises `BadRhythm`."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    try:
        first, last = clock(starts, "starts"), clock(ends, "ends")
    except BadTimetable as error:
        raise BadRhythm(field=error.field, why=error.why) from error
    if first >= last:
        raise BadRhythm(field="ends", why="ends_before_it_begins")
    row = ExamDay(town_id=town_id, school_id=school_id, level=level, day=day, starts=first, ends=last)
    audit.record_event(work, actor, "exam.write", "town", town_id, town_id=town_id, day=str(day))
    ModeRepository(work.session).add(row)
    _look(work, town_id, school_id)
    return row


def _look(work: UnitOfWork, town_id: UUID, school_id: UUID | None) -> None:
    repository = TabletRepository(work.session)
    tablets: Select[UUID] = repository.of_school(school_id) if school_id else repository.of_town(town_id)
    work.enqueue_selected_jobs(Topic.DECIDE, tablets)
