"""Pure rules of the timeline: whether a database is older than it was, and whether a clock has jumped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

#: A server that was off for longer than this must be told that its clock is right. The summer holidays are shorter.
LONGEST_ABSENCE = timedelta(days=100)
#: By how much the clock of a running process may gain on the time that has passed. More is a jump.
LARGEST_DRIFT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """How far a database has got, as its row or the file outside it says."""

    database_id: UUID
    epoch: int
    position: int
    known_at: datetime

    def is_behind(self, other: TimelinePoint) -> bool:
        """Return whether a database at this point is older than one that has got to `other`."""
        return self.position < other.position


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the clock showed at one moment, and for how long the machine had been running (`uptime`), which no clock setting changes."""

    now: datetime
    uptime: timedelta


def has_jumped(known_at: datetime, reading: ClockReading, earlier: ClockReading | None, *, paused: bool) -> bool:
    """Return whether the clock is too far ahead of `known_at`, the last time at which it was trusted.

    With an `earlier` reading of the same process, the clock may have gained no more than `LARGEST_DRIFT` on the time that has passed.
    Without one the server may have been off, for up to `LONGEST_ABSENCE`; a server whose clock had jumped before (`paused`) is trusted
    only when the clock has come back.
    """
    if earlier is not None:
        return reading.now - max(known_at, earlier.now) - (reading.uptime - earlier.uptime) > LARGEST_DRIFT
    return reading.now - known_at > (LARGEST_DRIFT if paused else LONGEST_ABSENCE)
