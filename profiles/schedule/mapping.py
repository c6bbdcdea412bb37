"""Between the rows of the rhythm and the values that the rules read."""

from __future__ import annotations

from datetime import date

from profiles.schedule.calendar import Calendar, Period, calendar_of
from profiles.schedule.day_exceptions import Override, Scope
from profiles.schedule.models import CalendarOverride, OwnCalendar


def calendar_from(row: OwnCalendar) -> Calendar:
    """A town's own calendar."""
    periods = [Period(date.fromisoformat(first), date.fromisoformat(last), name) for first, last, name in row.periods]
    return calendar_of(row.name, periods, (date.fromisoformat(day) for day in row.public), row.known_until)


def override_from(row: CalendarOverride, scope: Scope) -> Override:
    """One exception."""
    window = None if row.window_from is None or row.window_to is None else (row.window_from, row.window_to)
    return Override(row.first, row.last, row.kind, scope, row.written_at, row.at, window, row.like, row.label)
