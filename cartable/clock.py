"""The clock, which is injected everywhere and returns aware UTC instants. Knows no local time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Returns the current instant, and the time that passes whatever somebody sets."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...

    def uptime(self) -> timedelta:
        """Return for how long the machine has been running, sleep included: nobody can set it."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def uptime(self) -> timedelta:
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux alone counts the time asleep
        return timedelta(seconds=time.clock_gettime(clock))


class ManualClock:
    """A clock for tests that moves only when `advance` or `jump` is called."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("an instant must be aware")
        self._at = at.astimezone(UTC)
        self._uptime = timedelta()

    def now(self) -> datetime:
        return self._at

    def uptime(self) -> timedelta:
        return self._uptime

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._at += by
        self._uptime += by

    def jump(self, by: timedelta) -> None:
        """Set the clock to another time, as a person or a faulty time server does: no time passes."""
        self._at += by
