"""Errors of schedules: times, days and entries that are not acceptable or do not exist."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class InvalidSchedule(Invalid):
    """A timetable, a calendar, a night or a day exception is not acceptable; `why` is a stable code."""

    code = "invalid_schedule"
    message = Message("The timetable is not acceptable ({field}: {why}).")


class UnknownCalendar(Invalid):
    """The name is neither a zone nor a calendar of the town."""

    code = "unknown_calendar"
    message = Message("The calendar '{name}' is unknown.")


class NoOpenBand(Conflict):
    """No band is open in which a class session or an activity could take place."""

    code = "no_open_band"
    message = Message("There is no school or after-school time open now.")


class ClassWithoutTablets(Conflict):
    """A class session would concern no tablet."""

    code = "class_without_tablets"
    message = Message("No tablet is lent in this class: a session would change nothing.")


class InvalidDuration(Invalid):
    """A class session or an activity is shorter or longer than allowed."""

    code = "invalid_duration"
    message = Message("This length is not allowed.")


class ScheduleEntryNotFound(NotFound):
    """The class session, day exception or guardian's rule does not exist, or the caller may not see it."""

    code = "schedule_entry_not_found"
    message = Message("This entry was not found.")


class SessionRunning(Conflict):
    """Another person's class session is running in the class."""

    code = "session_running"
    message = Message("Another person's session is running in this class until {until}. Take it over, or let it end.")
