"""The processes of a production server: web, worker, scheduler. They compose and hold no rules."""

from __future__ import annotations

import sys

import uvicorn

from cartable.master_keys import MasterKeyMissing
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.care.restores.service import TimelineWatch
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.cli import preflight
from mdm.composition import compose
from mdm.devices.repository import DeviceRepository
from mdm.web import create_app


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
        port=settings.bind_port, loop="uvloop", http="httptools", ssl_certfile=files[0], ssl_keyfile=files[1],
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    return 0


def create_application() -> DeviceRequestRouter:
    """Return the web application of one server process."""
    settings = Settings()
    configure_logging(json=settings.log_json, level="info")
    return create_app(compose(settings), embedded_worker=settings.embedded_worker)


def run_worker() -> int:
    """Run a worker on the configured broker. Returns an exit code."""
    from mdm.worker.app import create_production_app

    if (code := _check_worker_start()) != 0:
        return code
    create_production_app().worker_main(["worker", "--loglevel=WARNING", "--pool=threads"])
    return 0


def run_beat() -> int:
    """Run the scheduler on the configured broker. Returns an exit code."""
    from mdm.worker.app import create_production_app

    if (code := _check_worker_start()) != 0:
        return code
    create_production_app().Beat(loglevel="WARNING").run()
    return 0


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
