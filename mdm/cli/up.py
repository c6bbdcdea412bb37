"""`make run`: the server with everything it needs on one machine; each step is shown. Composes and holds no rules."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import uvicorn

from cartable.i18n import list_available_languages
from cartable.master_keys import MasterKeyMissing
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.tracing import configure_tracing
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.identity.server_names import list_host_names
from mdm.accounts.operators import ensure_first_account
from mdm.care.restores.service import TimelineWatch
from mdm.channel.http_protocol import ChannelHttpProtocol
from mdm.cli import banner, preflight
from mdm.cli.demo import choose_resolver, load_demo
from mdm.cli.demo_fleet import DemoFleet
from mdm.cli.tls_reload import create_reloading_context
from mdm.composition import compose
from mdm.push import service as push
from mdm.resolver.engine import ResolverUnavailable
from mdm.resolver.supervisor import ResolverSupervisor
from mdm.web import create_app

#: The name by which the page /check sees that the resolver answers. Nobody can register it: `.internal` belongs to private networks.
CHECK_HOST = "check.cartable.internal"


@dataclass(slots=True)
class PreparedServer:
    """Result of the steps before the server starts."""

    runtime: Runtime
    sign_in_url: str | None
    simulated_push: bool
    demonstration_town_id: UUID | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--empty", action="store_true", help="without the demo town and its simulated tablets")
    parser.add_argument(
        "--dns", action="store_true", help="with the DNS resolver that filters the web (needs dnsdist and unbound)"
    )


def run(parsed: argparse.Namespace) -> int:
    """Run until interrupted; with `--empty` without a demonstration town. Returns a process exit code."""
    try:
        settings = preflight.read_settings()
        preflight.check_data_folder(settings.data_dir)
        preflight.check_attestation_roots(settings.attestation_roots)
        preflight.check_port(settings.bind_host, settings.bind_port)
        settings = preflight.settle_public_url(settings)
        if parsed.dns:
            settings = settle_resolver(settings)
            preflight.check_port(settings.resolver_host, settings.resolver_port, "CARTABLE_RESOLVER_PORT")
    except preflight.CannotStart as error:
        print(f"Cartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
        return 1
    configure_logging(json=settings.log_json, level="warning")
    configure_tracing("cartable")
    try:
        prepared = _prepare(settings, empty=parsed.empty)
    except (preflight.CannotStart, MasterKeyMissing) as error:
        print(f"\nCartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
        return 1
    fleet = DemoFleet(prepared.runtime, simulated_push=prepared.simulated_push)
    prepared.runtime.settings = fleet.redirect_push(prepared.runtime.settings)
    supervisor = None
    # The web server ends by the signal that stopped it: with this handler the child processes end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if parsed.dns:
            with _show_step("Résolveur / resolver"):
                supervisor = ResolverSupervisor(prepared.runtime)
                supervisor.start()
        fleet.start_push_service()
        _serve(prepared, fleet)
    except ResolverUnavailable as error:
        print("\n" + " / ".join(error.translate(language) for language in list_available_languages()), file=sys.stderr)
        return 1
    finally:
        fleet.stop()
        if supervisor is not None:
            supervisor.stop()
        prepared.runtime.engine.dispose()
    return 0


def settle_resolver(settings: Settings) -> Settings:
    """Return the settings with an address of the resolver: the configured one, or a port of this machine beside the server's."""
    if settings.resolver_url:
        return settings
    host = urlsplit(settings.public_url).hostname or "localhost"
    values: dict[str, Any] = {"resolver_url": f"https://{host}:{settings.resolver_port}"}
    with contextlib.suppress(ValueError):
        values["resolver_addresses"] = (str(ip_address(host)),)
    if not settings.resolver_check_host:
        values["resolver_check_host"] = CHECK_HOST
    return Settings.model_validate(settings.model_dump(exclude_unset=True) | values)


def _prepare(settings: Settings, *, empty: bool) -> PreparedServer:
    with _show_step("Base de données / database"):
        runtime = compose(settings)
        preflight.upgrade_database(runtime)
        preflight.check_own_database(runtime)
        TimelineWatch(runtime).check()  # before the first tablet is answered
    with _show_step("Certificats / certificates"), runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        tls.ensure_server_certificate(work, list_host_names(work))
        simulated = push.ensure_simulated_certificate(work)
    town_id = None
    if not empty:
        with _show_step("Ville de démonstration / demo town (12 écoles, ~4 000 élèves)") as show:
            town_id = load_demo(runtime, show)
            if settings.resolver_url:
                choose_resolver(runtime, town_id)
    with runtime.open_unit_of_work() as work:
        link = ensure_first_account(work, town_id)
    return PreparedServer(runtime, link.url if link else None, simulated, town_id)


def _serve(prepared: PreparedServer, fleet: DemoFleet) -> None:
    settings = prepared.runtime.settings
    chain, key = tls.get_server_files(settings)
    config = uvicorn.Config(
        create_app(prepared.runtime, embedded_worker=settings.embedded_worker),
        host=settings.bind_host,
        port=settings.bind_port,
        loop="uvloop",
        http=ChannelHttpProtocol,
        ssl_certfile=str(chain),
        ssl_keyfile=str(key),
        ssl_context_factory=create_reloading_context,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_show_banner, args=(server, prepared, fleet), daemon=True).start()
    server.run()


def _show_banner(server: uvicorn.Server, prepared: PreparedServer, fleet: DemoFleet) -> None:
    """Wait until the server listens, print the banner, then start the simulated tablets."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.05)
    join_url, count = None, 0
    if prepared.demonstration_town_id is not None:
        join_url, count = fleet.create_invitations(prepared.demonstration_town_id)
    settings = prepared.runtime.settings
    facts = banner.BannerFacts(
        settings.public_url, prepared.sign_in_url, tls.get_own_fingerprint(settings), join_url, prepared.simulated_push, count,
        settings.resolver_url,
    )  # fmt: skip
    print(banner.render_banner(facts), flush=True)
    if prepared.demonstration_town_id is not None:
        fleet.start_tablets()


@contextlib.contextmanager
def _show_step(what: str) -> Iterator[Any]:
    """Show one step. Yields a function that takes the progress from 0 to 1 and redraws the line on a terminal."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    shown = -1

    def progress(fraction: float) -> None:
        nonlocal shown
        percent = int(100 * fraction)
        if terminal and percent != shown:
            print(f"\r{what} … {percent} %", end="", file=sys.stderr, flush=True)
        elif not terminal and percent // 25 > shown // 25:
            print(f"{what} … {percent} %", file=sys.stderr, flush=True)
        shown = percent

    if terminal:
        print(f"{what} …", end="", file=sys.stderr, flush=True)
    yield progress
    seconds = time.monotonic() - started
    print(f"\r{what} … {seconds:.1f} s   " if terminal else f"{what}: {seconds:.1f} s", file=sys.stderr, flush=True)
