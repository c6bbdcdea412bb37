"""How long a class session or an activity may last. Every one has an end. Pure. See docs/domain/modes.md#class-sessions."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from profiles.schedule.mode_decision import Span
from profiles.schedule.place_schedule import Schedule
from profiles.schedule.timetable import BandKind

SHORTEST_SESSION, LONGEST_SESSION = timedelta(minutes=15), timedelta(minutes=90)
SHORTEST_ACTIVITY, LONGEST_ACTIVITY = timedelta(minutes=30), timedelta(minutes=120)
SESSION_GRACE = timedelta(minutes=15)
END_WARNING = timedelta(minutes=5)
SESSION_EXTENSION = timedelta(minutes=10)
LONGEST_EXTENDED_SESSION = timedelta(hours=4)


class SessionPreset(StrEnum):
    """What a class session limits the tablets to."""

    FOCUS_APPS = "focus_apps"
    FOCUS_SITES = "focus_sites"
    FREE = "free"
    SCREENS_DOWN = "screens_down"


class BandClosed(ValueError):
    """No band of the required kind is open."""


class DurationOutOfRange(ValueError):
    """The duration is shorter or longer than allowed."""


def compute_session_span(schedule: Schedule, now: datetime, minutes: int) -> Span:
    """Return the span of a class session that starts now; it ends at the latest `SESSION_GRACE` after its school band.

    Raises `DurationOutOfRange`, `BandClosed`.
    """
    length = timedelta(minutes=minutes)
    if not SHORTEST_SESSION <= length <= LONGEST_SESSION:
        raise DurationOutOfRange
    return Span(now, min(now + length, get_open_band_end(schedule, now, BandKind.SCHOOL) + SESSION_GRACE))


def compute_activity_span(schedule: Schedule, now: datetime, minutes: int) -> Span:
    """Return the span of an activity that starts now; it ends at the latest with its after-school band.

    Raises `DurationOutOfRange`, `BandClosed`.
    """
    length = timedelta(minutes=minutes)
    if not SHORTEST_ACTIVITY <= length <= LONGEST_ACTIVITY:
        raise DurationOutOfRange
    return Span(now, min(now + length, get_open_band_end(schedule, now, BandKind.AFTER_SCHOOL)))


def extend_span(schedule: Schedule, session: Span, now: datetime) -> Span:
    """Return the session's span with `SESSION_EXTENSION` added, limited by the end of the band and `LONGEST_EXTENDED_SESSION`.

    Raises `BandClosed` when it cannot be extended any more.
    """
    latest = min(get_open_band_end(schedule, now, BandKind.SCHOOL), session.starts + LONGEST_EXTENDED_SESSION)
    ends = min(session.ends + SESSION_EXTENSION, latest)
    if ends <= session.ends:
        raise BandClosed
    return Span(session.starts, ends)


def get_warning_time(session: Span) -> datetime:
    """Return when the teacher is warned that the session ends soon."""
    return max(session.starts, session.ends - END_WARNING)


def get_open_band_end(schedule: Schedule, now: datetime, kind: BandKind) -> datetime:
    """Return the end of the open band of a kind. Raises `BandClosed`."""
    band = schedule.find_next_band(now, kind, days=1)
    if band is None or band[0] > now:
        raise BandClosed
    return band[1]
