"""Refusals of the rhythm: times and days that cannot be."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class InvalidSchedule(Invalid):
    """A timetable, a night or an exception is not acceptable; `why` is a stable word."""

    code = "bad_rhythm"
    message = Message("The timetable is not acceptable ({field}: {why}).")


class UnknownCalendar(Invalid):
    """Neither a zone nor a calendar of the town."""

    code = "unknown_calendar"
    message = Message("The calendar '{name}' is unknown.")


class NoOpenBand(Conflict):
    """A session or an activity has no band in which it could take place."""

    code = "no_open_band"
    message = Message("There is no school or after-school time open now.")


class InvalidDuration(Invalid):
    """A session or an activity is shorter or longer than allowed."""

    code = "bad_length"
    message = Message("This length is not allowed.")


class ScheduleEntryNotFound(NotFound):
    """No such session, activity, exception or rule in the caller's reach."""

    code = "rhythm_not_found"
    message = Message("This entry was not found.")
