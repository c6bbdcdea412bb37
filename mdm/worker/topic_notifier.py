"""Notifies the workers behind a broker that a topic has new jobs, from a thread of its own.

A commit only notes the topic, so a broker that is slow, silent or away never holds a tablet or a person. Without it the
workers find the jobs within a second.
"""

from __future__ import annotations

import threading

import structlog
from celery import Celery

from cartable.outbox import Topic
from mdm.worker.app import send_notification

log = structlog.get_logger()
#: Notifications of one topic within this time are one.
TICK_SECONDS = 0.02
#: Waits after a failure: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class TopicNotifier:
    """Sends one notification per topic and tick. `notify` returns at once, whatever the broker does."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._topics: set[Topic] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def notify(self, topic: Topic) -> None:
        """Note that `topic` has new jobs. The thread starts with the first notification: after a fork, in the process that notifies."""
        with self._lock:
            self._topics.add(topic)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="topic-notifier", daemon=True)
                self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """End the thread; what was not sent is found by the workers."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(1)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                topics, self._topics = self._topics, set()
            try:
                for topic in sorted(topics):
                    send_notification(self._app, topic)
                pause = 0.0
            except Exception as error:
                if pause == 0.0:
                    log.warning("worker.notification_failed", error=type(error).__name__)
                pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
            self._stopping.wait(pause or TICK_SECONDS)
