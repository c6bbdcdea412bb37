"""Imports the ministry's calendar into a town: a preview of what the file says for each zone, then the periods of the zones in use.

An imported zone updates the official calendar that the server ships; see `calendar.update_calendar`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.places.zones import HolidayZone
from profiles.schedule.authoring import MAX_PERIODS, reevaluate_tablets
from profiles.schedule.calendar import HolidayPeriod, merge_periods
from profiles.schedule.calendar_files import InvalidCalendarFile
from profiles.schedule.errors import InvalidSchedule
from profiles.schedule.mapping import dump_periods, list_periods
from profiles.schedule.ministry_calendar import BAD_OUTCOMES, ImportedCalendars, RowReport, parse_ministry_calendar
from profiles.schedule.models import TownCalendar
from profiles.schedule.repository import ScheduleRepository

#: Periods that ended longer ago are not stored.
KEEP_PAST = timedelta(days=366)
PeriodsByZone = Mapping[HolidayZone, Sequence[HolidayPeriod]]


class UnreadableCalendar(Invalid):
    """The file as a whole is no calendar; `why` is a stable code."""

    code = "unreadable_calendar"
    message = Message("This file is not a calendar that can be read ({why}).")


class NoZoneOfTheTown(Invalid):
    """The file has no holidays for a zone of the town or of one of its schools."""

    code = "no_zone_of_the_town"
    message = Message("This file has no holidays for the zones of the town ({zones}).")


@dataclass(frozen=True, slots=True)
class ZonePreview:
    """The periods of one zone in a file. `is_used`: the town or one of its schools is in it. `summer_is_open`: no return is in the file."""

    zone: HolidayZone
    periods: tuple[HolidayPeriod, ...]
    known_until: date | None
    is_used: bool
    summer_is_open: bool


@dataclass(frozen=True, slots=True)
class CalendarPreview:
    """What a file says: its zones, and the report of each row."""

    zones: tuple[ZonePreview, ...]
    rows: tuple[RowReport, ...]

    def list_bad_rows(self) -> list[RowReport]:
        """Return the rows that a person should look at."""
        return [row for row in self.rows if row.outcome in BAD_OUTCOMES]

    def get_used_periods(self) -> dict[HolidayZone, tuple[HolidayPeriod, ...]]:
        """Return the periods of the zones in use."""
        return {each.zone: each.periods for each in self.zones if each.is_used}


def read_calendars(content: bytes, zone: HolidayZone | None = None) -> ImportedCalendars:
    """Return the calendars of a file of the ministry; it needs no database. `zone`: that of rows that name none, as in an iCalendar
    file of one zone. Raises `UnreadableCalendar`.
    """
    try:
        return parse_ministry_calendar(content, zone)
    except InvalidCalendarFile as error:
        raise UnreadableCalendar(why=error.why) from error


def preview_import(work: UnitOfWork, actor: Actor, town_id: UUID, imported: ImportedCalendars) -> CalendarPreview:
    """Return what calendars would change in a town. Raises `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    used_zones = list_used_zones(work, town_id)
    return CalendarPreview(tuple(_preview_zone(imported, each, used_zones) for each in imported.periods), imported.rows)


def _preview_zone(imported: ImportedCalendars, zone: HolidayZone, used_zones: set[HolidayZone]) -> ZonePreview:
    return ZonePreview(
        zone, imported.periods[zone], imported.get_known_until(zone), zone in used_zones, zone in imported.open_summers
    )  # fmt: skip


def list_used_zones(work: UnitOfWork, town_id: UUID) -> set[HolidayZone]:
    """Return the holiday zones of a town and of its schools."""
    schools = ScheduleRepository(work.session).get_schools([town_id]).values()
    return {work.session.get_one(Town, town_id).zone, *(school.zone for school in schools if school.zone is not None)}


def save_imported_periods(work: UnitOfWork, actor: Actor, town_id: UUID, periods_by_zone: PeriodsByZone) -> list[TownCalendar]:
    """Store the periods of zones, which replace those of the same holidays, and evaluate the town's tablets again; return the calendars.

    Raises `NoZoneOfTheTown` without periods, `InvalidSchedule` for a bad period, `Forbidden`.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    if not any(periods_by_zone.values()):
        raise NoZoneOfTheTown(zones=", ".join(sorted(list_used_zones(work, town_id))))
    locks.lock_town(work, town_id)
    repository = ScheduleRepository(work.session)
    stored = repository.get_calendars([town_id])
    earliest = places.get_town_date(work, town_id) - KEEP_PAST
    rows = []
    for zone, periods in periods_by_zone.items():
        _check_periods(periods)
        row = stored.get((town_id, zone)) or TownCalendar(town_id=town_id, name=zone.value, periods=[], public_holidays=[])
        merged = [each for each in merge_periods(list_periods(row), periods) if each.last >= earliest]
        row.periods = dump_periods(merged[-MAX_PERIODS:])
        row.known_until = max(
            (day for day in (row.known_until, *(each.last for each in merged)) if day is not None), default=None
        )
        row.written_at = work.now
        audit.record_event(
            work, actor, "calendar.import", "town", town_id, town_id=town_id, zone=zone.value, periods=len(periods)
        )
        repository.add(row)
        rows.append(row)
    reevaluate_tablets(work, town_id, None)
    return rows


def _check_periods(periods: Sequence[HolidayPeriod]) -> None:
    for index, period in enumerate(periods):
        if not timedelta(0) <= period.last - period.first <= KEEP_PAST:
            raise InvalidSchedule(
                field=f"periods.{index}", why="ends_before_it_begins" if period.last < period.first else "too_long"
            )
