"""A running server that asks for attestations, under each policy; and tablets to attest."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.settings import Acme
from enrollment.identity import service as identity
from enrollment.identity.models import ChallengePurpose, IdentityProtocol
from simulator import Attester, Hardware
from tests.conftest import KEYRING
from tests.enrollment.identity.acme.client import Attestation, Client
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


def ipad(number: int = 1) -> Hardware:
    """A tablet with a chip that attests."""
    return replace(Hardware.from_seed("acme", number), product_name="iPad13,18", os_version="26.1", build="23B85")


@dataclass
class Bench:
    """The server, one tablet of its inventory, and who attests."""

    server: LiveServer
    http: httpx.Client
    attester: Attester
    tablet_id: UUID
    hardware: Hardware

    @property
    def attestation(self) -> Attestation:
        return Attestation(self.attester, self.hardware)

    def client(self) -> Client:
        made = Client(self.http)
        assert made.register().status_code == 201
        return made

    def identifier(self, *, udid: str | None = None, path: IdentityProtocol = IdentityProtocol.ACME) -> str:
        with self.server.runtime.open_unit_of_work() as work:
            return identity.create_challenge(
                work,
                purpose=ChallengePurpose.ENROLLMENT,
                protocol=path,
                tablet_id=self.tablet_id,
                udid=udid or self.hardware.udid,
            )

    def demand(self, policy: Acme) -> None:
        """From now on the server has another policy."""
        settings = self.server.runtime.settings
        self.server.runtime.settings = settings.model_copy(update={"acme": policy})


@pytest.fixture(scope="session")
def attester() -> Attester:
    return Attester()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock, attester: Attester) -> Iterator[LiveServer]:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(attester.root_pem)
    given: dict[str, Any] = {"acme": Acme.REQUIRED, "attestation_roots": roots}
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, **given) as running:
        yield running


@contextmanager
def bench_on(server: LiveServer, attester: Attester) -> Iterator[Bench]:
    """A tablet in the server's inventory, and a connection."""
    hardware = ipad()
    with server.runtime.open_unit_of_work() as work:
        tablet = TownFactory(work).create_tablet(TownFactory(work).create_town(), serial=hardware.serial)
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as http:
        yield Bench(server, http, attester, tablet.id, hardware)


@pytest.fixture
def bench(server: LiveServer, attester: Attester) -> Iterator[Bench]:
    with bench_on(server, attester) as made:
        yield made
