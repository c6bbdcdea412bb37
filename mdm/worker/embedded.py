"""The worker as threads of the web process: the default for one machine, without a broker to install."""

from __future__ import annotations

from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from mdm.push.service import close_transport
from mdm.worker.threads import WorkerThreads


class EmbeddedWorker:
    """The threads of a worker beside the web server; a commit wakes them directly."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._threads = WorkerThreads(runtime)

    def start(self) -> None:
        """Start the threads, and notify them after each commit."""
        self._runtime.notify_worker = self._threads.wake
        self._threads.start()

    def stop(self) -> None:
        """Stop the threads; jobs that were not processed stay in the outbox."""
        self._runtime.notify_worker = _ignore_notification
        self._threads.stop(5)
        close_transport()


def _ignore_notification(_topic: Topic) -> None:
    """Do nothing: the next worker finds the job."""
