"""The processes of a production server: web, worker, scheduler. Composes; decides nothing."""

from __future__ import annotations

import sys

import uvicorn

from cartable.settings import Settings
from cartable.telemetry import configure_logging
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.cli import preflight
from mdm.composition import compose
from mdm.web import create_app


def web() -> int:
    """Serve until interrupted: HTTPS, or plain HTTP behind a proxy that ends TLS."""
    try:
        settings = preflight.read_settings()
        preflight.check_roots(settings.attestation_roots)
    except preflight.CannotStart as error:
        print(f"Cartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
        return 1
    with compose(settings).open_unit_of_work() as work:
        identity.ensure_authority(work)
        files = tls.ensure_server_certificate(work, preflight.host_names(settings)) if settings.serve_tls else (None, None)
    uvicorn.run(
        "mdm.cli.serve:application", factory=True, workers=settings.web_workers, host=settings.bind_host,
        port=settings.bind_port, loop="uvloop", http="httptools", ssl_certfile=files[0], ssl_keyfile=files[1],
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    return 0


def application() -> DeviceRequestRouter:
    """The web application of one server process."""
    settings = Settings()
    configure_logging(json=settings.log_json, level="info")
    return create_app(compose(settings), embedded_worker=settings.embedded_worker)


def worker() -> int:
    """Run a worker on the configured broker."""
    from mdm.worker.app import production

    production().worker_main(["worker", "--loglevel=WARNING", "--pool=threads"])
    return 0


def beat() -> int:
    """Run the scheduler on the configured broker."""
    from mdm.worker.app import production

    production().Beat(loglevel="WARNING").run()
    return 0
