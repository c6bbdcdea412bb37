"""How long a class session or an activity may last: every one has an end (schools.md sections 10 and 11). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from profiles.schedule.mode_decision import Span
from profiles.schedule.place_schedule import Rhythm
from profiles.schedule.timetable import BandKind

SHORTEST, LONGEST, USUAL = timedelta(minutes=15), timedelta(minutes=90), timedelta(minutes=45)
ACTIVITY_SHORTEST, ACTIVITY_LONGEST = timedelta(minutes=30), timedelta(minutes=120)
GRACE = timedelta(minutes=15)
WARNING = timedelta(minutes=5)
EXTENSION = timedelta(minutes=10)
AT_MOST = timedelta(hours=4)


class Preset(StrEnum):
    """What a teacher wants of the lesson."""

    FOCUS_APPS = "focus_apps"
    FOCUS_SITES = "focus_sites"
    FREE = "free"
    SCREENS_DOWN = "screens_down"


class NoBand(ValueError):
    """There is no band of the kind in which it could take place."""


class BadDuration(ValueError):
    """Shorter or longer than allowed."""


def session_span(rhythm: Rhythm, now: datetime, minutes: int) -> Span:
    """The span of a class session begun now: it never outlives its school band and a short grace. Raises `BadDuration`,
    `NoBand`.
    """
    length = timedelta(minutes=minutes)
    if not SHORTEST <= length <= LONGEST:
        raise BadDuration
    return Span(now, min(now + length, _limit(rhythm, now, BandKind.SCHOOL) + GRACE))


def activity_span(rhythm: Rhythm, now: datetime, minutes: int) -> Span:
    """The span of an activity begun now, inside its after-school band. Raises `BadDuration`, `NoBand`."""
    length = timedelta(minutes=minutes)
    if not ACTIVITY_SHORTEST <= length <= ACTIVITY_LONGEST:
        raise BadDuration
    return Span(now, min(now + length, _limit(rhythm, now, BandKind.AFTER_SCHOOL)))


def extended(rhythm: Rhythm, session: Span, now: datetime) -> Span:
    """Ten minutes more, until the end of the band and never beyond four hours. Raises `NoBand` when there is no room."""
    latest = min(_limit(rhythm, now, BandKind.SCHOOL), session.starts + AT_MOST)
    ends = min(session.ends + EXTENSION, latest)
    if ends <= session.ends:
        raise NoBand
    return Span(session.starts, ends)


def warns_at(session: Span) -> datetime:
    """When the teacher is told that it ends soon."""
    return max(session.starts, session.ends - WARNING)


def _limit(rhythm: Rhythm, now: datetime, kind: BandKind) -> datetime:
    """The end of the band of a kind that is open now. Raises `NoBand`."""
    band = rhythm.next_band(now, kind, days=1)
    if band is None or band[0] > now:
        raise NoBand
    return band[1]
