"""The processes of a production server: web, worker, scheduler. Composes; decides nothing."""

from __future__ import annotations

import uvicorn

from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.cli import preflight
from mdm.composition import compose
from mdm.kit.settings import Settings
from mdm.kit.telemetry import configure_logging
from mdm.web import create_app


def web() -> int:
    """Serve HTTPS until interrupted."""
    settings = Settings()
    configure_logging(json=settings.log_json, level="info")
    runtime = compose(settings)
    with runtime.work() as work:
        identity.ensure_authority(work)
        chain, key = tls.ensure_server_certificate(work, preflight.host_names(settings))
    app = create_app(runtime, embedded_worker=settings.embedded_worker)
    uvicorn.run(
        app, host=settings.bind_host, port=settings.bind_port, loop="uvloop", http="httptools", ssl_certfile=str(chain),
        ssl_keyfile=str(key), access_log=False, server_header=False,
    )  # fmt: skip
    return 0


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
