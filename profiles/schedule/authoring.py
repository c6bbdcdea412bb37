"""Creates and changes timetables, calendars, day exceptions and exams. Class sessions and families' rules are in `sessions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Select

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.outbox import JobLane, Topic
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.places.zones import HolidayZone, get_zone_facts
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.calendar import RESERVED_NAMES, HolidayPeriod
from profiles.schedule.day_exceptions import MAY_HAVE_WINDOW, NEEDS_TIME, OverrideKind
from profiles.schedule.errors import InvalidSchedule, ScheduleEntryNotFound, UnknownCalendar
from profiles.schedule.mapping import dump_periods, list_own_holidays, list_periods
from profiles.schedule.models import CalendarOverride, ExamDay, Timetable, TownCalendar
from profiles.schedule.night import parse_night
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import TimetableFormatError, parse_clock, parse_week, serialize_week

MAX_PERIODS = 200
#: A day exception and a holiday period may not be longer.
LONGEST_OVERRIDE = timedelta(days=366)


def save_timetable(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID | None,
    *,
    week: Mapping[str, Sequence[Mapping[str, object]]],
    calendar: str,
    night: tuple[str, str] | None,
) -> Timetable:
    """Save a new version of a weekly timetable. Raises `InvalidSchedule` with the bad field, `UnknownCalendar`, `NotFound`.

    Two people who save at once wait for each other: the town is locked.
    """
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    locks.lock_town(work, town_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    repository = ScheduleRepository(work.session)
    if calendar not in RESERVED_NAMES and (town_id, calendar) not in repository.get_calendars([town_id]):
        raise UnknownCalendar(name=calendar[:80], field="calendar")
    try:
        parsed_week = serialize_week(parse_week(week))
        parsed_night = parse_night(*night) if night else None
    except TimetableFormatError as error:
        raise InvalidSchedule(field=error.field, why=error.why) from error
    version = repository.get_next_version(town_id, school_id)
    subject = ("school", school_id) if school_id else ("town", town_id)
    audit.record_event(work, actor, "timetable.write", *subject, town_id=town_id, version=version)
    row = Timetable(
        town_id=town_id, school_id=school_id, version=version, week=parsed_week, calendar=calendar,
        night_from=parsed_night.starts if parsed_night else None, night_to=parsed_night.ends if parsed_night else None,
        written_by=actor.account_id, written_at=work.now,
    )  # fmt: skip
    repository.add(row)
    reevaluate_tablets(work, town_id, school_id)
    return row


def save_calendar(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    name: str,
    *,
    periods: Sequence[tuple[date, date, str]],
    public: Sequence[date],
    known_until: date | None,
) -> TownCalendar:
    """Save a calendar of the town. Its public holidays are added to the official ones.

    Raises `InvalidSchedule` for a reserved name or a bad period.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    if name in RESERVED_NAMES or not name.strip():
        raise InvalidSchedule(field="name", why="reserved")
    if len(periods) > MAX_PERIODS:
        raise InvalidSchedule(field="periods", why="too_many")
    for index, (first, last, _) in enumerate(periods):
        if last < first or last - first > LONGEST_OVERRIDE:
            raise InvalidSchedule(field=f"periods.{index}", why="ends_before_it_begins" if last < first else "too_long")
    locks.lock_town(work, town_id)
    repository = ScheduleRepository(work.session)
    row = repository.get_calendars([town_id]).get((town_id, name)) or TownCalendar(town_id=town_id, name=name)
    audit.record_event(work, actor, "calendar.write", "town", town_id, town_id=town_id, name=name, periods=len(periods))
    row.periods = dump_periods(HolidayPeriod(*period) for period in periods)
    row.public_holidays, row.known_until, row.written_at = [day.isoformat() for day in public], known_until, work.now
    repository.add(row)
    reevaluate_tablets(work, town_id, None)
    return row


def remove_school_timetable(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID) -> None:
    """Remove the timetable of a school: from now on the town's holds there. Raises `ScheduleEntryNotFound` when it has none.

    The versions are kept as history.
    """
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    locks.lock_town(work, town_id)
    repository = ScheduleRepository(work.session)
    row = repository.get_timetable(town_id, school_id)
    if row is None:
        raise ScheduleEntryNotFound
    version = repository.get_next_version(town_id, school_id)
    audit.record_event(work, actor, "timetable.remove", "school", school_id, town_id=town_id, version=version)
    repository.add(
        Timetable(
            town_id=town_id, school_id=school_id, version=version, week=row.week, calendar=row.calendar, night_from=row.night_from,
            night_to=row.night_to, removed=True, written_by=actor.account_id, written_at=work.now,
        )
    )  # fmt: skip
    reevaluate_tablets(work, town_id, school_id)


@dataclass(frozen=True, slots=True)
class CalendarView:
    """A calendar of a town as it is stored. `public_holidays`: those that it adds to the official ones."""

    name: str
    periods: list[HolidayPeriod]
    public_holidays: list[date]
    known_until: date | None


def list_calendars(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[CalendarView]:
    """Return the calendars that a town has written or imported, by name. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    rows = ScheduleRepository(work.session).get_calendars([town_id]).values()
    views = (CalendarView(row.name, list_periods(row), list_own_holidays(row), row.known_until) for row in rows)
    return sorted(views, key=lambda view: view.name)


def get_calendar(work: UnitOfWork, actor: Actor, town_id: UUID, name: str) -> CalendarView:
    """Return one calendar of a town. Raises `ScheduleEntryNotFound`, `Forbidden`."""
    view = next((view for view in list_calendars(work, actor, town_id) if view.name == name), None)
    if view is None:
        raise ScheduleEntryNotFound
    return view


def set_town_zones(work: UnitOfWork, actor: Actor, town_id: UUID, *, zone: HolidayZone, time_zone: str | None) -> Town:
    """Set the holiday zone of a town and its time zone, without one that of the holiday zone; return the town.

    Its tablets are evaluated again. Raises as `places.set_town_zones`.
    """
    town = places.set_town_zones(work, actor, town_id, zone=zone, time_zone=time_zone or get_zone_facts(zone).time_zone)
    reevaluate_tablets(work, town_id, None)
    return town


def set_school_zones(
    work: UnitOfWork, actor: Actor, school_id: UUID, *, zone: HolidayZone | None, time_zone: str | None
) -> School:
    """Set the holiday zone and the time zone of a school, None for those of its town; return the school.

    A holiday zone without a time zone brings its own. Its tablets are evaluated again. Raises as `places.set_school_zones`.
    """
    if zone is not None and time_zone is None:
        time_zone = get_zone_facts(zone).time_zone
    school = places.set_school_zones(work, actor, school_id, zone=zone, time_zone=time_zone)
    reevaluate_tablets(work, school.town_id, school.id)
    return school


def create_override(
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
    template_weekday: int | None = None,
    label: str = "",
) -> CalendarOverride:
    """Create an exception for single days. Raises `InvalidSchedule`, and `NotFound` for a school or class of another place."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    school_class = require_in_town(work, SchoolClass, class_id, town_id, field="class_id")
    if school_class is not None and school_id not in (None, school_class.school_id):
        raise NotFound(field="class_id")
    if last < first or last - first > LONGEST_OVERRIDE:
        raise InvalidSchedule(field="last", why="ends_before_it_begins" if last < first else "too_long")
    if (at is None) == (kind in NEEDS_TIME):
        raise InvalidSchedule(field="at", why="missing" if at is None else "not_for_this_kind")
    if window is not None and kind not in MAY_HAVE_WINDOW:
        raise InvalidSchedule(field="window", why="not_for_this_kind")
    if template_weekday is not None and (kind is not OverrideKind.SCHOOL_DAY or not 0 <= template_weekday < 7):
        raise InvalidSchedule(field="template_weekday", why="not_for_this_kind")
    try:
        at_minute = None if at is None else parse_clock(at, "at")
        minutes = None if window is None else (parse_clock(window[0], "window.0"), parse_clock(window[1], "window.1"))
    except TimetableFormatError as error:
        raise InvalidSchedule(field=error.field, why=error.why) from error
    if minutes and kind is not OverrideKind.TRIP and minutes[0] >= minutes[1]:
        raise InvalidSchedule(field="window", why="crosses_midnight")
    row = CalendarOverride(
        town_id=town_id, school_id=school_id, class_id=class_id, first=first, last=last, kind=kind, at=at_minute,
        window_from=minutes[0] if minutes else None, window_to=minutes[1] if minutes else None,
        template_weekday=template_weekday, label=label[:120], written_by=actor.account_id, written_at=work.now,
    )  # fmt: skip
    audit.record_event(
        work, actor, "override.write", "town", town_id, town_id=town_id, kind=kind.value, first=str(first), last=str(last)
    )
    ScheduleRepository(work.session).add(row)
    reevaluate_tablets(work, town_id, school_id)
    return row


def withdraw_override(work: UnitOfWork, actor: Actor, override_id: UUID) -> None:
    """Withdraw a day exception; its row is kept as history. Raises `ScheduleEntryNotFound`."""
    row = ScheduleRepository(work.session).get_override(actor, override_id)
    if row is None or row.withdrawn_at is not None:
        raise ScheduleEntryNotFound
    actor.require_permission(Permission.AUTHOR, row.town_id, row.school_id)
    audit.record_event(work, actor, "override.withdraw", "town", row.town_id, town_id=row.town_id, kind=row.kind.value)
    row.withdrawn_at = work.now
    work.session.flush()
    reevaluate_tablets(work, row.town_id, row.school_id)


def create_exam(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    school_id: UUID | None,
    grade: Grade | None,
    day: date,
    starts: str,
    ends: str,
) -> ExamDay:
    """Create an exam. Raises `InvalidSchedule`, and `NotFound` for a school of another town."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    try:
        starts_minute, ends_minute = parse_clock(starts, "starts"), parse_clock(ends, "ends")
    except TimetableFormatError as error:
        raise InvalidSchedule(field=error.field, why=error.why) from error
    if starts_minute >= ends_minute:
        raise InvalidSchedule(field="ends", why="ends_before_it_begins")
    row = ExamDay(town_id=town_id, school_id=school_id, grade=grade, day=day, starts=starts_minute, ends=ends_minute)
    audit.record_event(work, actor, "exam.write", "town", town_id, town_id=town_id, day=str(day))
    ScheduleRepository(work.session).add(row)
    reevaluate_tablets(work, town_id, school_id)
    return row


def list_exams(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[ExamDay]:
    """Return the exams of a town, by day."""
    actor.require_permission(Permission.SEE, town_id)
    return ScheduleRepository(work.session).list_exams([town_id])


def delete_exam(work: UnitOfWork, actor: Actor, exam_id: UUID) -> None:
    """Delete an exam; a running one ends now. Raises `ScheduleEntryNotFound`."""
    repository = ScheduleRepository(work.session)
    row = repository.get_exam(actor, exam_id)
    if row is None:
        raise ScheduleEntryNotFound
    actor.require_permission(Permission.AUTHOR, row.town_id, row.school_id)
    audit.record_event(work, actor, "exam.delete", "town", row.town_id, town_id=row.town_id, day=str(row.day))
    repository.delete_exam(row)
    reevaluate_tablets(work, row.town_id, row.school_id)


def reevaluate_tablets(work: UnitOfWork, town_id: UUID, school_id: UUID | None) -> None:
    """Evaluate the modes of the tablets of a town or of one school again."""
    repository = TabletRepository(work.session)
    tablets: Select[UUID] = repository.select_by_school(school_id) if school_id else repository.select_by_town(town_id)
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets, lane=JobLane.BACKGROUND)
