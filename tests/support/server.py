"""Starts the complete server on a loopback port over real HTTPS, with a stand-in for APNs; tests run the worker themselves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from sqlalchemy import Engine

from cartable.clock import Clock, SystemClock
from cartable.crypto import Keyring
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Role
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import tls
from mdm.accounts import service as accounts
from mdm.channel.http_protocol import ChannelHttpProtocol
from mdm.cli.tls_reload import create_reloading_context
from mdm.push import testserver
from mdm.push.service import close_transport
from mdm.web import create_app
from mdm.worker.drains import drain
from tests.support.accounts import PASSWORD, make_trusted
from tests.support.installation import install

_TOPICS = (Topic.ENROLLED, Topic.COMMAND_RESULT, Topic.MODES, Topic.RECONCILE, Topic.RENEW_CERTIFICATE, Topic.PUSH)
#: Below the ports that the system gives to connections: one of those may be taken between `find_free_port` and the server's start.
_PORTS = range(20000, 32000)
_candidates = itertools.islice(itertools.cycle(_PORTS), secrets.randbelow(len(_PORTS)), None)


@dataclass(slots=True)
class LiveServer:
    """A running server and what a test needs to use it."""

    runtime: Runtime
    hub: testserver.PushHub
    url: str
    ca: Path

    def run_worker(self) -> None:
        """Run the worker's jobs until none is due."""
        for _ in range(4):
            if not sum(drain(self.runtime, topic) for topic in _TOPICS):
                return

    def sign_in(
        self,
        town_id: UUID,
        role: Role,
        login: str,
        *,
        school_id: UUID | None = None,
        class_id: UUID | None = None,
        ends_at: datetime | None = None,
    ) -> httpx.Client:
        """Create an account with a role and return an HTTP client that is signed in with it."""
        with self.runtime.open_unit_of_work() as work:
            account = accounts.create_account(
                work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role, town_id=town_id, school_id=school_id,
                class_id=class_id, ends_at=ends_at,
            )  # fmt: skip
            account.must_change_password = False
            make_trusted(work, account)
        client = httpx.Client(base_url=f"{self.url}/api/v1", verify=_build_tls_context(self.ca), timeout=60)
        answer = client.post("/tokens", json={"login": login, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.confirm(client)
        return client

    def confirm(self, client: httpx.Client) -> None:
        """Give the password once more in the session of a client; it counts for ten minutes."""
        client.post("/sessions/current/confirm", json={"password": PASSWORD}).raise_for_status()


def _build_tls_context(ca: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(ca))


def find_free_port() -> int:
    """Return a port at which nothing listens. No port is returned twice, and other processes begin elsewhere."""
    while True:
        port = next(_candidates)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Wait until the server that runs in `thread` listens. Raises `AssertionError` when it ends instead, for example without a port."""
    while not server.started:
        assert thread.is_alive(), "the server could not start"
        time.sleep(0.01)


@contextlib.contextmanager
def start_live_server(
    engine: Engine,
    keyring: Keyring,
    folder: Path,
    clock: Clock | None = None,
    *,
    restored_at_port: int | None = None,
    address: str = "127.0.0.1",
    **given: Any,
) -> Iterator[LiveServer]:
    """Start the server and its APNs stand-in; stop both afterwards.

    `restored_at_port`: folder and database were restored from the backup of a server at this port, and have what it needs.
    `address`: the address of this machine at which it listens, so that two servers may have one port.
    `clock` must have the real time while the server starts, because its certificates are valid from then on.
    """
    port, push_port = restored_at_port or find_free_port(), find_free_port()
    options: dict[str, Any] = {
        "second_factor": SecondFactorPolicy.OFFERED, "public_url": f"https://localhost:{port}", **given,
    }  # fmt: skip
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        apns_url=f"https://localhost:{push_port}",
        apns_ca=folder / "secrets" / "tls-ca.pem",
        **options,
    )
    runtime = Runtime(settings=settings, engine=engine, clock=clock or SystemClock(), keyring=keyring)
    if restored_at_port is None:
        install(runtime)
    chain, key = tls.get_server_files(settings)
    hub = testserver.PushHub()
    config = uvicorn.Config(
        create_app(runtime), host=address, port=port, loop="uvloop", http=ChannelHttpProtocol, ssl_certfile=str(chain),
        ssl_keyfile=str(key), ssl_context_factory=create_reloading_context, log_level="error", access_log=False, server_header=False,
        proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with _start_push_service(hub, chain, key, settings.secrets_dir / "push-test-ca.pem", push_port):
        wait_until_started(server, thread)
        try:
            yield LiveServer(runtime, hub, settings.public_url, settings.secrets_dir / "tls-ca.pem")
        finally:
            server.should_exit = True
            thread.join(10)


@contextlib.contextmanager
def _start_push_service(hub: testserver.PushHub, chain: Path, key: Path, client_ca: Path, port: int) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    contexts = testserver.create_ssl_contexts(chain, key, client_ca)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = asyncio.run_coroutine_threadsafe(testserver.start_server(hub, contexts, port), loop).result(10)
    try:
        yield
    finally:
        close_transport()  # the connections to this service, which would else stay open
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.02), loop).result(5)  # the service sees that they are closed
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()
