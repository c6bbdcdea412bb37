"""Converts local time to UTC instants, also on the nights when clocks change. The only module that does so.

See docs/domain/modes.md#local-time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from profiles.schedule.timetable import MIDNIGHT

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=64)
def get_time_zone(name: str | None) -> ZoneInfo | None:
    """Return the time zone of that name; None for an unknown name."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which the wall clock of `zone` shows `minutes` after midnight of `day`.

    For a time that occurs twice (autumn) it is the first; for one that does not exist (spring) it is the instant at which the
    clock jumps. So later minutes never give an earlier instant, and every boundary has exactly one instant.
    """
    day += timedelta(days=minutes // MIDNIGHT)
    wall = datetime(day.year, day.month, day.day, minutes % MIDNIGHT // 60, minutes % 60, tzinfo=zone)
    late = wall.astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return late
    early = wall.replace(fold=1).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:  # the jump lies between the two; zones change on whole seconds
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def to_local_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the local date at an instant."""
    return at.astimezone(zone).date()
