"""The host names of all towns, kept in memory by a process that compares them with every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from uuid import UUID

from cartable.unit_of_work import Runtime
from enrollment.places.repository import PlaceRepository

#: Seconds after which the host of a town that another process has created is known at the latest.
STALE_AFTER = 5.0


class TownHosts:
    """Knows which town a host name belongs to. `refresh` reads the database; the other methods read memory."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self.towns: Mapping[str, UUID] = {}

    @property
    def is_stale(self) -> bool:
        """Whether `refresh` would read the database."""
        return time.monotonic() - self._read_at >= STALE_AFTER

    def refresh(self) -> None:
        """Read the hosts if the last read is older than `STALE_AFTER`. It blocks during the query: call it outside the event loop."""
        with self._lock:
            if not self.is_stale:
                return
            with self._runtime.open_unit_of_work() as work:
                self.towns = PlaceRepository(work.session).list_hosts()
            self._read_at = time.monotonic()
