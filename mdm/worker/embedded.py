"""Worker and scheduler as threads of the web process: the default for one machine, without a broker to install."""

from __future__ import annotations

import threading

from celery.apps.worker import Worker as _Unused  # noqa: F401 - loads what WorkController needs
from celery.beat import Scheduler, Service
from celery.worker import WorkController

from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from mdm.worker.app import create_celery_app, create_notifier


class EmbeddedWorker:
    """Worker and scheduler threads beside the web server, with an in-process broker."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._app = create_celery_app(runtime)
        self._controller = WorkController(app=self._app, pool="threads", concurrency=2, loglevel="WARNING", hostname="embedded")
        self._beat = Service(self._app, scheduler_cls=Scheduler, max_interval=1)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start both threads, and notify this worker after each commit."""
        self._app.set_default()  # the pool's threads look for their tasks in the default application
        self._runtime.notify_worker = create_notifier(self._app)
        for name, target in (("worker", self._controller.start), ("scheduler", self._beat.start)):
            thread = threading.Thread(target=target, name=f"embedded-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop both threads; jobs that were not processed stay in the outbox."""
        self._runtime.notify_worker = _ignore_notification
        self._beat.stop()
        self._controller.stop()
        for thread in self._threads:
            thread.join(5)


def _ignore_notification(_topic: Topic) -> None:
    """Do nothing: the sweep of the next start processes the job."""
