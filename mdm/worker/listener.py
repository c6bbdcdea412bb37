"""Listens to the broker for notifications, in a thread of its own. A broker that dies ends nothing: it is connected again."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery import Celery
from celery.apps.worker import Worker as _Unused  # noqa: F401 - loads what WorkController needs
from celery.platforms import EX_OK
from celery.worker import WorkController, state

log = structlog.get_logger()
#: Waits before the next connection: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
#: How long the end of the consumer is waited for. It looks once in a second whether it should end.
STOP_SECONDS = 3.0


class NotificationListener:
    """Runs Celery's consumer, and runs it again whenever it ends."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notification-listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._app.set_default()  # the consumer looks for its tasks in the default application
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that waits for a silent broker is left behind, and ends with the process."""
        self._stopping.set()
        # The consumer ends itself: if it were stopped from here while it starts, it would go on with closed connections.
        state.should_stop = EX_OK
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                state.should_stop = state.should_terminate = None  # of an earlier consumer that ended
                if self._stopping.is_set():
                    return  # and has just been set for this one
                controller: Any = WorkController(
                    app=self._app, pool="threads", concurrency=1, loglevel="ERROR", hostname="cartable",
                    without_gossip=True, without_mingle=True, without_heartbeat=True,
                )  # fmt: skip
                controller.start()
                pause = FIRST_PAUSE
            except BaseException as error:
                if self._stopping.is_set():
                    return
                log.warning("worker.broker_lost", error=type(error).__name__)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
