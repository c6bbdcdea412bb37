"""Two equal requests at once, from an impatient double click: the second gets the response that it would have got a moment later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.conflicts import MAX_RETRIES, run_with_retries
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.accounts.models import Account
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.each_database
#: How long a transaction waits before its commit, so that the other one is begun before.
OVERLAP_SECONDS = 0.05


@pytest.fixture(scope="module")
def engine() -> Engine:
    """SQLite lets one writer in at a time: there the second request begins when the first one is stored."""
    return databases.empty_postgres_engine()


@pytest.fixture(scope="module")
def server(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def town(server: LiveServer) -> Town:
    with server.runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town()


@pytest.fixture(scope="module")
def client(server: LiveServer, town: Town) -> Iterator[httpx.Client]:
    with closing(server.sign_in(town.id, Role.TOWN_ADMIN, "directrice")) as signed_in:
        signed_in.timeout = httpx.Timeout(60)  # on a machine that has much else to do
        server.confirm(signed_in)
        yield signed_in


@pytest.fixture
def slow_commits() -> Iterator[None]:
    """Commits of the server wait, so that transactions overlap. Listeners see all sessions, so no other test runs meanwhile."""

    def wait(_session: Session) -> None:
        time.sleep(OVERLAP_SECONDS)

    event.listen(Session, "before_commit", wait)
    yield
    event.remove(Session, "before_commit", wait)


def send_twice(client: httpx.Client, method: str, path: str, body: Any = None) -> list[tuple[int, str | None]]:
    """Send a request twice at once. Returns status and error code of both responses, the lower status first."""
    barrier = threading.Barrier(2)

    def send() -> httpx.Response:
        barrier.wait(60)
        return client.request(method, path, json=body)

    with ThreadPoolExecutor(2) as pool:
        answers = [future.result(90) for future in [pool.submit(send), pool.submit(send)]]
    return sorted((answer.status_code, answer.json()["code"] if answer.status_code >= 400 else None) for answer in answers)


CREATED: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "/apps": (lambda town_id: {"town_id": town_id, "name": "Atlas", "bundle_identifier": "fr.test.atlas"}, "app_exists"),
    "/bundles": (lambda town_id: {"town_id": town_id, "name": "Lecture", "app_ids": []}, "preset_exists"),
    "/groups": (lambda town_id: {"town_id": town_id, "name": "Chorale", "pupil_ids": []}, "group_exists"),
    "/accounts": (
        lambda town_id: {
            "town_id": town_id, "login": "agent", "display_name": "Agent", "password": "un-mot-de-passe-long-2026", "role": "technician",
        },
        "login_taken",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("slow_commits")
@pytest.mark.parametrize("path", CREATED)
def test_what_must_be_unique_is_created_once_and_refused_once(client: httpx.Client, town: Town, path: str) -> None:
    build_body, code = CREATED[path]
    assert send_twice(client, "POST", path, build_body(str(town.id))) == [(201, None), (409, code)]


@pytest.mark.usefixtures("slow_commits")
def test_what_is_deleted_is_not_found_the_second_time_and_recorded_once(
    server: LiveServer, client: httpx.Client, town: Town
) -> None:
    group = client.post("/groups", json={"town_id": str(town.id), "name": "Natation", "pupil_ids": []}).json()
    assert send_twice(client, "DELETE", f"/groups/{group['id']}") == [(204, None), (404, "group_not_found")]
    with server.runtime.open_unit_of_work() as work:
        deleted = select(AuditEvent).where(AuditEvent.action == "group.delete")
        assert len(work.session.scalars(deleted).all()) == 1


@pytest.mark.usefixtures("slow_commits")
def test_what_replaces_an_equal_choice_is_stored_by_both(client: httpx.Client) -> None:
    assert send_twice(client, "PUT", "/me/notices", {"level": "all"}) == [(200, None), (200, None)]


def test_an_error_of_ones_own_is_tried_again_a_few_times_and_comes_through(server: LiveServer) -> None:
    attempts = []

    def add_account_twice(runtime: Runtime) -> None:
        attempts.append(1)
        with runtime.open_unit_of_work() as work:
            for _ in range(2):
                work.session.add(Account(login="twice", display_name="twice", password_hash="x", created_at=work.now))
                work.session.flush()

    with pytest.raises(IntegrityError):
        run_with_retries(lambda: add_account_twice(server.runtime), "two equal logins")
    assert len(attempts) == MAX_RETRIES + 1
