"""A person in front of the console, without a browser: signs in by the form, and sends forms as the pages would."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from mdm.accounts import links
from mdm.accounts import service as accounts
from mdm.accounts.passwords import hash_password
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the database of each test: they go through pages."""
    databases.choose_database(metafunc)


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime.now(UTC))) as running:
        yield running


class Person:
    """A signed-in client and the word for forms."""

    def __init__(self, server: LiveServer, login: str) -> None:
        trust = ssl.create_default_context(cafile=str(server.ca))
        self.client = httpx.Client(base_url=server.url, verify=trust, timeout=60, headers={"Accept-Language": "fr"})
        self.client.post("/sign-in", data={"login": login, "password": PASSWORD})
        self.csrf = str(self.client.get("/desk/me").json().get("csrf", ""))

    def scan(self, town_id: UUID, act: str, **fields: object) -> httpx.Response:
        """What the script sends."""
        body = {"csrf": self.csrf, "request_id": str(uuid4()), **fields}
        return self.client.post(f"/desk/{town_id}/{act}", data=body, headers={"Accept": "application/json"})

    def submit(self, town_id: UUID, act: str, **fields: object) -> httpx.Response:
        """What a browser without scripts sends."""
        return self.client.post(f"/desk/{town_id}/{act}", data={"csrf": self.csrf, "request_id": str(uuid4()), **fields})


@pytest.fixture
def person(server: LiveServer) -> Iterator[Callable[..., Person]]:
    made: list[Person] = []

    def act(town_id: UUID, role: Role = Role.TECHNICIAN, *, school_id: UUID | None = None) -> Person:
        login = f"p{len(made)}-{uuid4().hex[:6]}"
        with server.runtime.open_unit_of_work() as work:
            account = accounts.create_account(
                work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role, town_id=town_id, school_id=school_id
            )
            account.must_change_password = False
        made.append(Person(server, login))
        return made[-1]

    yield act
    for each in made:
        each.client.close()


@pytest.fixture
def operator_of(server: LiveServer) -> Iterator[Callable[[], Person]]:
    """A person who operates the server and has no role in any town."""
    made: list[Person] = []

    def act() -> Person:
        with server.runtime.open_unit_of_work() as work:
            link = links.invite_operator(work, f"operator-{uuid4().hex[:6]}", "Operator")
            link.account.password_hash, link.account.password_changed_at = hash_password(PASSWORD), work.now
            login = link.account.login
        made.append(Person(server, login))
        return made[-1]

    yield act
    for each in made:
        each.client.close()


def result_of(page: httpx.Response) -> str:
    """The big result of a page, as a person reads it."""
    found = re.search(r'<p class="big">(.*?)</p><p class="advice">(.*?)</p>', page.text, re.DOTALL)
    assert found, page.text[:500]
    return html.unescape(" ".join(found.groups()))
