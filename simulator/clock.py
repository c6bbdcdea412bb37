"""The clock of one tablet, which may be wrong. No other module of the simulator reads the machine's clock for the date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class TabletClock:
    """Returns aware UTC, shifted by `offset`."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.offset
