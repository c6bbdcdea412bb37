"""Local time turned into instants, safe on the nights when clocks change (schools.md section 4.7). The only place that does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from profiles.schedule.timetable import MIDNIGHT

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=64)
def zone_of(name: str | None) -> ZoneInfo | None:
    """The time zone of that name; None for a name that nobody knows."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def instant_of(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The UTC instant at which the wall clock of `zone` shows `minutes` after midnight of `day`.

    A time that happens twice is its first; one that does not exist is the moment the clock jumps. So instants of
    growing minutes never decrease, and every boundary has exactly one instant.
    """
    day += timedelta(days=minutes // MIDNIGHT)
    wall = datetime(day.year, day.month, day.day, minutes % MIDNIGHT // 60, minutes % 60, tzinfo=zone)
    late = wall.astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return late
    early = wall.replace(fold=1).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:  # the jump lies between; seconds are fine enough, zones change on whole ones
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The local date at an instant."""
    return at.astimezone(zone).date()
