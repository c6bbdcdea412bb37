"""Converts rows of the schedule tables to the values that the pure modules read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from profiles.schedule.calendar import Calendar, HolidayPeriod, build_calendar
from profiles.schedule.day_exceptions import DayOverride, OverrideScope
from profiles.schedule.models import CalendarOverride, TownCalendar


def list_periods(row: TownCalendar) -> list[HolidayPeriod]:
    """Return the periods of a stored calendar."""
    return [HolidayPeriod(date.fromisoformat(first), date.fromisoformat(last), name) for first, last, name in row.periods]


def dump_periods(periods: Iterable[HolidayPeriod]) -> list[list[str]]:
    """Return periods as a calendar stores them."""
    return [[period.first.isoformat(), period.last.isoformat(), period.name[:80]] for period in periods]


def list_own_holidays(row: TownCalendar) -> list[date]:
    """Return the public holidays that a stored calendar adds to the official ones."""
    return [date.fromisoformat(day) for day in row.public_holidays]


def to_calendar(row: TownCalendar, public_holidays: frozenset[date]) -> Calendar:
    """Convert a town's own calendar, which has the official public holidays as well as its own."""
    return build_calendar(row.name, list_periods(row), public_holidays.union(list_own_holidays(row)), row.known_until)


def to_day_override(row: CalendarOverride, scope: OverrideScope) -> DayOverride:
    """Convert a day exception."""
    window = None if row.window_from is None or row.window_to is None else (row.window_from, row.window_to)
    return DayOverride(row.first, row.last, row.kind, scope, row.written_at, row.at, window, row.template_weekday, row.label)
