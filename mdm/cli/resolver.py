"""`cartable resolver`: a process that keeps the town's DNS resolver running. It composes and holds no rules."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from cartable.i18n import list_available_languages
from cartable.master_keys import MasterKeyMissing
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from mdm.cli import preflight
from mdm.cli.processes import compose_checked, refuse_start
from mdm.resolver.engine import ResolverUnavailable
from mdm.resolver.supervisor import ResolverSupervisor

#: The last line of a start, for whoever waits for it.
READY = "cartable: the resolver answers"


def run(_parsed: argparse.Namespace) -> int:
    """Run a resolver until SIGTERM or SIGINT. Returns an exit code: 1 when it cannot start."""
    try:
        settings = preflight.read_settings()
        check_settings(settings)
        configure_logging(json=settings.log_json, level="info")
        supervisor = ResolverSupervisor(compose_checked(settings))
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        supervisor.start()
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return refuse_start(error)
    except ResolverUnavailable as error:
        print(" / ".join(error.translate(language) for language in list_available_languages()), file=sys.stderr)
        return 1
    print(f"{READY} at {settings.resolver_url} (port {supervisor.engine.listen_port})", file=sys.stderr, flush=True)
    stopping.wait()
    supervisor.stop()
    return 0


def check_settings(settings: Settings) -> None:
    """Raise `CannotStart` when tablets could not know the resolver, or its port is taken."""
    if not settings.resolver_url:
        raise preflight.CannotStart("set CARTABLE_RESOLVER_URL to the https address at which tablets reach the resolver.")
    preflight.check_port(settings.resolver_host, settings.resolver_port, "CARTABLE_RESOLVER_PORT")
