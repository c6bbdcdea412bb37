"""The thread of a web process that watches the timeline: each host has a file of its own, and a worker may run on another one."""

from __future__ import annotations

import threading

import structlog

from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch

log = structlog.get_logger()
INTERVAL_SECONDS = 30.0


class TimelineThread:
    """Checks the timeline every half minute until it is stopped."""

    def __init__(self, runtime: Runtime) -> None:
        self._watch = TimelineWatch(runtime)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; it waits for no check that runs."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_SECONDS):
            try:
                self._watch.check()
            except Exception:
                log.exception("timeline.check_failed")  # the next check finds what this one has missed
