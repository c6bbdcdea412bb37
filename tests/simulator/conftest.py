"""The reference server on loopback, the stand-in for APNs, and keys that are made once."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import trustme
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import AppStore, SimulatedTablet
from tests.simulator.reference import ReferenceServer
from tests.support.server import wait_until_started


@dataclass
class SimulatorRig:
    """A running reference server and what a tablet needs to reach it."""

    server: ReferenceServer
    url: str
    ca: bytes
    tls: ssl.SSLContext
    keys: Callable[[int], object]

    def create_tablet(self, code: str = "WELCOME", **options: object) -> SimulatedTablet:
        options = {"ca": self.ca, "keys": self.keys, "pace": 0.05, "store": AppStore(install_seconds=0)} | options
        return SimulatedTablet(self.url, code, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def rig() -> Iterator[SimulatorRig]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    pem = authority.cert_pem.bytes()
    server = ReferenceServer(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER))
    config = uvicorn.Config(server.build_app(), host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none")
    config.load()
    config.ssl = context
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()), daemon=True)
    thread.start()
    wait_until_started(running, thread)
    port = running.servers[0].sockets[0].getsockname()[1]
    server.url = f"https://localhost:{port}"
    prepared_keys = itertools.cycle([rsa.generate_private_key(65537, 2048) for _ in range(3)])

    async def keys(bits: int) -> rsa.RSAPrivateKey:
        assert bits == 2048
        return next(prepared_keys)

    yield SimulatorRig(server, server.url, pem, context, keys)
    running.should_exit = True
    thread.join(10)
