"""A resolver of real programs over the test's internet, and a client that asks it as a tablet does."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import dns.message
import dns.rcode
import httpx
import pytest
import trustme

from cartable.clock import SystemClock
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.resolver.supervisor import ResolverSupervisor
from profiles.filters import service as filters
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
from profiles.filters.reading import read_lists
from profiles.filters.resolver_filter import ResolverFilter
from tests.conftest import KEYRING
from tests.interop.conftest import require_program
from tests.interop.resolver.internet import start_internet
from tests.profiles.filters.test_lists import archive
from tests.support import databases
from tests.support.waiting import wait_until
from tests.support.world import TownFactory


@dataclass(slots=True)
class ResolverTown:
    """A town with a running resolver."""

    runtime: Runtime
    supervisor: ResolverSupervisor
    http: httpx.Client
    town_id: UUID

    @property
    def url(self) -> str:
        return f"https://localhost:{self.supervisor.engine.listen_port}/f/"

    def create_neighbour(self) -> ResolverTown:
        """Return another town with the same resolver."""
        with self.runtime.open_unit_of_work() as work:
            return replace(self, town_id=TownFactory(work).create_town().id)

    def import_lists(self, lists: Mapping[str, str]) -> None:
        """Import an archive with these hosts by category."""
        file = archive({f"blacklists/{name}/domains": hosts.encode() for name, hosts in lists.items()})
        read = read_lists(file.read())
        with self.runtime.open_unit_of_work() as work:
            filters.import_lists(work, SYSTEM, self.town_id, read, confirmed=True)

    def save_filters(self, rules_by_key: Mapping[str, ResolverFilter]) -> dict[str, str]:
        """Store filters and return the tokens of their addresses."""
        with self.runtime.open_unit_of_work() as work:
            contents = {
                f"{self.town_id} {key}": AddressContent(self.town_id, f"{key}-of-{self.town_id.hex[:8]}", rules)
                for key, rules in rules_by_key.items()
            }
            FilterAddressRepository(work.session).save_contents(contents, datetime.now(UTC))
        return {key: f"{key}-of-{self.town_id.hex[:8]}" for key in rules_by_key}

    def ask(self, token: str, name: str, kind: str = "A") -> dns.message.Message:
        """Return the answer at an address."""
        question = dns.message.make_query(name, kind, id=0)
        response = self.http.post(
            self.url + token, content=question.to_wire(), headers={"content-type": "application/dns-message"}
        )
        assert response.status_code == 200, response.text
        assert response.http_version == "HTTP/2"
        return dns.message.from_wire(response.content)

    def resolve(self, token: str, name: str) -> str | None:
        """Return the last address of an open name; None for one that does not exist here."""
        answer = self.ask(token, name)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            return None
        assert answer.rcode() == dns.rcode.NOERROR
        return str(answer.answer[-1][0])

    def is_served(self, token: str) -> bool:
        """Return whether an address is known."""
        question = dns.message.make_query("a.example", "A", id=0).to_wire()
        headers = {"content-type": "application/dns-message"}
        try:
            return self.http.post(self.url + token, content=question, headers=headers).status_code == 200
        except httpx.TransportError:
            return False

    def knows_all_lists(self) -> bool:
        """Return whether the index knows every list that was imported before the addresses it serves."""
        return self.supervisor.publisher.pending_lists == 0

    def wait_for(self, tokens: Mapping[str, str]) -> None:
        """Wait until the addresses are served."""
        for token in tokens.values():
            assert wait_until(lambda token=token: self.is_served(token), 30)  # type: ignore[misc]


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_program("dnsdist")
    with start_internet(tmp_path_factory.mktemp("internet")) as address:
        yield address


def create_runtime(folder: Path, internet: str, **settings: object) -> Runtime:
    """Return a runtime with an empty database and the settings of a resolver on a free port."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    values = {
        "data_dir": folder / "data", "public_url": "https://mdm.test:8443", "resolver_url": "https://localhost",
        "resolver_host": "127.0.0.1", "resolver_port": 0, "resolver_certificate": folder / "chain.pem",
        "resolver_key": folder / "key.pem", "resolver_forward_to": internet, **settings,
    }  # fmt: skip
    return Runtime(
        settings=Settings(_env_file=None, **values),  # type: ignore[arg-type]
        engine=databases.create_sqlite_engine(folder),
        clock=SystemClock(),
        keyring=KEYRING,
    )


def create_client(folder: Path) -> httpx.Client:
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    return httpx.Client(http2=True, verify=trust, trust_env=False, timeout=5)


@contextmanager
def run_resolver(town: ResolverTown) -> Iterator[None]:
    """Run the resolver of a town within the block."""
    town.supervisor.start()
    try:
        yield
    finally:
        town.http.close()
        town.supervisor.stop()


@pytest.fixture(scope="module")
def town(internet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolverTown]:
    """A town whose resolver serves the whole module."""
    folder = tmp_path_factory.mktemp("resolver")
    runtime = create_runtime(folder, internet)
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    supervisor = ResolverSupervisor(runtime)
    made = ResolverTown(runtime, supervisor, create_client(folder), town_id)
    with run_resolver(made):
        yield made
    runtime.engine.dispose()
