"""The clock of one tablet, which may be wrong. No other module of the simulator reads the machine's clock for the date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def read_machine_clock() -> datetime:
    """Return the machine's time, aware, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass
class TabletClock:
    """Returns aware UTC: what `read` returns, shifted by `offset`."""

    offset: timedelta = timedelta(0)
    read: Callable[[], datetime] = read_machine_clock

    def now(self) -> datetime:
        return self.read() + self.offset
