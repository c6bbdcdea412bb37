"""A live server with a resolver beside it, for stories whose tablets ask the real programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cartable.clock import ManualClock
from mdm.resolver.supervisor import ResolverSupervisor
from tests.conftest import KEYRING
from tests.support.server import LiveServer, find_free_port, start_live_server


@contextmanager
def start_server_with_resolver(engine: Engine, folder: Path, clock: ManualClock, internet: str) -> Iterator[LiveServer]:
    """Run a server and its resolver, which asks `internet`. The resolver's certificate is the server's own."""
    port = find_free_port()
    settings: dict[str, Any] = {
        "resolver_url": f"https://localhost:{port}", "resolver_addresses": ("127.0.0.1",), "resolver_host": "127.0.0.1",
        "resolver_port": port, "resolver_forward_to": (internet,),
    }  # fmt: skip
    with start_live_server(engine, KEYRING, folder, clock, token_minutes=60_000, **settings) as running:
        supervisor = ResolverSupervisor(running.runtime)
        supervisor.start()
        try:
            yield running
        finally:
            supervisor.stop()
