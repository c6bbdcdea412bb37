"""`cartable worker`: a process that does the work of the outbox and of the schedule. It composes and holds no rules."""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

from cartable.master_keys import MasterKeyMissing
from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.tracing import configure_tracing, stop_tracing
from mdm.care.restores.service import TimelineWatch
from mdm.care.restores.thread import TimelineThread
from mdm.cli import preflight
from mdm.cli.processes import compose_checked, refuse_start
from mdm.composition import compose
from mdm.push.service import close_transport
from mdm.worker.app import create_celery_app
from mdm.worker.kinds import WorkKind
from mdm.worker.listener import NotificationListener
from mdm.worker.threads import WorkerThreads
from mdm.worker.topic_notifier import TopicNotifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--kinds", default="", help="only these kinds of work, separated by commas or colons, such as pushes,urgent_pushes"
    )


def run(parsed: argparse.Namespace) -> NoReturn:
    """Run a worker for the kinds of work that the arguments name, or for all."""
    run_worker([WorkKind(kind) for kind in re.split("[,:]", parsed.kinds)] if parsed.kinds else tuple(WorkKind))


def run_schedule(_parsed: argparse.Namespace) -> NoReturn:
    """Run a worker for the schedule alone."""
    run_worker([WorkKind.SCHEDULE])


def run_worker(kinds: Sequence[WorkKind] = tuple(WorkKind)) -> NoReturn:
    """Run a worker for these kinds of work until SIGTERM or SIGINT; then end the process, with 1 when a thread of it was stuck."""
    if (code := _check_worker_start()) != 0:
        sys.exit(code)
    settings = Settings()
    configure_logging(json=settings.log_json)
    configure_tracing("cartable-worker")
    runtime = compose(settings)
    TimelineWatch(runtime).check()  # before anything is sent
    threads = WorkerThreads(runtime, kinds)
    app = create_celery_app(settings, threads.wake)
    listener, notifier = NotificationListener(app), TopicNotifier(app)
    runtime.notify_worker = _notify_both(threads, notifier)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    timeline = TimelineThread(runtime)
    timeline.start()
    threads.start()
    listener.start()
    while not stopping.wait(1) and not threads.is_stuck.is_set():
        pass
    notifier.stop()
    listener.stop()
    timeline.stop()
    threads.stop()
    close_transport()
    stop_tracing()
    logging.shutdown()
    # At once: a thread that is stuck in a call, or waits for a silent broker, must not hold the end.
    os._exit(int(threads.is_stuck.is_set()))


def _check_worker_start() -> int:
    try:
        settings = preflight.read_settings()
        preflight.check_shared_broker(settings)
        compose_checked(settings).engine.dispose()
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return refuse_start(error)
    return 0


def _notify_both(threads: WorkerThreads, notifier: TopicNotifier) -> Callable[[Topic], None]:
    """Return the notification of a worker's own commits: for its own threads, and for other workers."""

    def notify(topic: Topic) -> None:
        threads.wake(topic)
        notifier.notify(topic)

    return notify
