"""The worker and the scheduler as threads of the web process: the embedded default, with no broker to install."""

from __future__ import annotations

import threading

from celery.apps.worker import Worker as _Unused  # noqa: F401 - loads what WorkController needs
from celery.beat import Scheduler, Service
from celery.worker import WorkController

from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from mdm.worker.app import bell, make_app


class EmbeddedWorker:
    """Runs beside the web server; rings itself."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._app = make_app(runtime)
        self._controller = WorkController(app=self._app, pool="threads", concurrency=2, loglevel="WARNING", hostname="embedded")
        self._beat = Service(self._app, scheduler_cls=Scheduler, max_interval=1)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start both threads and take over the bell."""
        self._app.set_default()  # the pool's threads look for their tasks in the default application
        self._runtime.notify_worker = bell(self._app)
        for name, target in (("worker", self._controller.start), ("scheduler", self._beat.start)):
            thread = threading.Thread(target=target, name=f"embedded-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop both; jobs that were not done stay in the outbox."""
        self._runtime.notify_worker = _silent
        self._beat.stop()
        self._controller.stop()
        for thread in self._threads:
            thread.join(5)


def _silent(_topic: Topic) -> None:
    """Nobody hears it: the sweep of the next start will."""
