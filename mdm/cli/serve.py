"""`cartable serve`: the web processes of a production server. It composes and holds no rules."""

from __future__ import annotations

import argparse

import uvicorn

from cartable.master_keys import MasterKeyMissing
from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.tracing import configure_tracing
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.identity.server_names import list_host_names
from mdm.care.restores.service import TimelineWatch
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.channel.http_protocol import ChannelHttpProtocol
from mdm.cli import preflight
from mdm.cli.processes import compose_checked, migrate, refuse_start
from mdm.cli.tls_reload import create_reloading_context
from mdm.composition import compose
from mdm.web import create_app
from mdm.worker.app import create_celery_app
from mdm.worker.topic_notifier import TopicNotifier

#: After this time a server that ends closes the connections of clients that do not.
GRACEFUL_SECONDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--migrate", action="store_true", help="bring the database to the newest migration first")


def run(parsed: argparse.Namespace) -> int:
    """Serve until interrupted, by HTTPS, or by HTTP behind a proxy that terminates TLS. Returns an exit code."""
    try:
        settings = preflight.read_settings()
        preflight.check_attestation_roots(settings.attestation_roots)
        preflight.check_processes(settings)
        if parsed.migrate:
            migrate(settings)
        runtime = compose_checked(settings)
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return refuse_start(error)
    TimelineWatch(runtime).check()  # before the first tablet is answered
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        files = tls.ensure_server_certificate(work, list_host_names(work)) if settings.serve_tls else (None, None)
    runtime.engine.dispose()
    uvicorn.run(
        "mdm.cli.serve:create_application", factory=True, workers=settings.web_workers, host=settings.bind_host,
        port=settings.bind_port, loop="uvloop", http=ChannelHttpProtocol, ssl_certfile=files[0], ssl_keyfile=files[1],
        ssl_context_factory=create_reloading_context if settings.serve_tls else None,
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )  # fmt: skip
    return 0


def create_application() -> DeviceRequestRouter:
    """Return the web application of one server process. With a broker, its commits notify the workers."""
    settings = Settings()
    configure_logging(json=settings.log_json, level="info")
    configure_tracing("cartable-web")
    runtime = compose(settings)
    if not settings.embedded_worker:
        runtime.notify_worker = TopicNotifier(create_celery_app(settings, wake=_ignore_notification)).notify
    return create_app(runtime, embedded_worker=settings.embedded_worker)


def _ignore_notification(_topic: Topic) -> None:
    """Do nothing: a web process notifies, and only workers listen."""
