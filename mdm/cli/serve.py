"""The processes of a production server: web and worker. They compose and hold no rules."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

import uvicorn

from cartable.guarded_http import GuardedHttpProtocol
from cartable.master_keys import MasterKeyMissing
from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.care.restores.service import TimelineWatch
from mdm.care.restores.thread import TimelineThread
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.cli import preflight
from mdm.composition import compose
from mdm.devices.repository import DeviceRepository
from mdm.push.service import close_transport
from mdm.web import create_app
from mdm.worker.app import create_celery_app
from mdm.worker.bell import Bell
from mdm.worker.kinds import WorkKind
from mdm.worker.listener import NotificationListener
from mdm.worker.threads import WorkerThreads

#: After this time a server that ends closes the connections of clients that do not.
GRACEFUL_SECONDS = 10


def run_web() -> int:
    """Serve until interrupted, by HTTPS, or by HTTP behind a proxy that terminates TLS. Returns an exit code."""
    try:
        settings = preflight.read_settings()
        preflight.check_attestation_roots(settings.attestation_roots)
        preflight.check_processes(settings)
        runtime = _compose_checked(settings)
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return _refuse_start(error)
    TimelineWatch(runtime).check()  # before the first tablet is answered
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        files = tls.ensure_server_certificate(work, preflight.list_host_names(settings)) if settings.serve_tls else (None, None)
    runtime.engine.dispose()
    uvicorn.run(
        "mdm.cli.serve:create_application", factory=True, workers=settings.web_workers, host=settings.bind_host,
        port=settings.bind_port, loop="uvloop", http=GuardedHttpProtocol, ssl_certfile=files[0], ssl_keyfile=files[1],
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )  # fmt: skip
    return 0


def create_application() -> DeviceRequestRouter:
    """Return the web application of one server process. With a broker, its commits ring the bell of the workers."""
    settings = Settings()
    configure_logging(json=settings.log_json, level="info")
    runtime = compose(settings)
    if not settings.embedded_worker:
        runtime.notify_worker = Bell(create_celery_app(settings, wake=_ignore_notification)).ring
    return create_app(runtime, embedded_worker=settings.embedded_worker)


def _ignore_notification(_topic: Topic) -> None:
    """Do nothing: a web process rings, and only workers listen."""


def run_worker(kinds: Sequence[WorkKind] = tuple(WorkKind)) -> NoReturn:
    """Run a worker for these kinds of work until SIGTERM or SIGINT; then end the process, with 1 when a thread of it was stuck."""
    if (code := _check_worker_start()) != 0:
        sys.exit(code)
    settings = Settings()
    configure_logging(json=settings.log_json)
    runtime = compose(settings)
    TimelineWatch(runtime).check()  # before anything is sent
    threads = WorkerThreads(runtime, kinds)
    app = create_celery_app(settings, threads.wake)
    listener, bell = NotificationListener(app), Bell(app)
    runtime.notify_worker = _notify_both(threads, bell)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    timeline = TimelineThread(runtime)
    timeline.start()
    threads.start()
    listener.start()
    while not stopping.wait(1) and not threads.is_stuck.is_set():
        pass
    bell.stop()
    listener.stop()
    timeline.stop()
    threads.stop()
    close_transport()
    logging.shutdown()
    # At once: a thread that is stuck in a call, or waits for a silent broker, must not hold the end.
    os._exit(int(threads.is_stuck.is_set()))


def _check_worker_start() -> int:
    try:
        settings = preflight.read_settings()
        preflight.check_shared_broker(settings)
        _compose_checked(settings).engine.dispose()
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return _refuse_start(error)
    return 0


def _compose_checked(settings: Settings) -> Runtime:
    """Return the runtime after the checks of its database, and print a sentence for each thing that seems wrong. Raises `CannotStart`."""
    runtime = compose(settings)
    preflight.check_database(runtime)
    with runtime.open_unit_of_work() as work:
        has_enrollments = DeviceRepository(work.session).has_enrollments()
    for sentence in preflight.list_start_warnings(settings, has_enrollments=has_enrollments):
        print(f"cartable: {sentence}", file=sys.stderr)
    return runtime


def _refuse_start(error: Exception) -> int:
    print(f"Cartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
    return 1


def _notify_both(threads: WorkerThreads, bell: Bell) -> Callable[[Topic], None]:
    """Return the notification of a worker's own commits: for its own threads, and for other workers."""

    def notify(topic: Topic) -> None:
        threads.wake(topic)
        bell.ring(topic)

    return notify
