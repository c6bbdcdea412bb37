"""The processes of a production server: web, worker, scheduler. They compose and hold no rules."""

from __future__ import annotations

import sys

import uvicorn

from cartable.settings import Settings
from cartable.telemetry import configure_logging
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.care.restores.service import TimelineWatch
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.cli import preflight
from mdm.composition import compose
from mdm.web import create_app


def run_web() -> int:
    """Serve until interrupted, by HTTPS, or by HTTP behind a proxy that terminates TLS. Returns an exit code."""
    try:
        settings = preflight.read_settings()
        preflight.check_attestation_roots(settings.attestation_roots)
    except preflight.CannotStart as error:
        print(f"Cartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
        return 1
    runtime = compose(settings)
    TimelineWatch(runtime).check()  # before the first tablet is answered
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        files = tls.ensure_server_certificate(work, preflight.list_host_names(settings)) if settings.serve_tls else (None, None)
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

    create_production_app().worker_main(["worker", "--loglevel=WARNING", "--pool=threads"])
    return 0


def run_beat() -> int:
    """Run the scheduler on the configured broker. Returns an exit code."""
    from mdm.worker.app import create_production_app

    create_production_app().Beat(loglevel="WARNING").run()
    return 0
