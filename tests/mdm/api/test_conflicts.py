"""A deadlock with another transaction is no error of a person or a tablet: the request is run again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.conflicts import MAX_RETRIES
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.channel.batcher import Batcher
from mdm.protocol.commands.queries import SecurityInfo
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets
from tests.support import databases
from tests.support.conflicts import provoke_conflicts
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory, make_school_code

pytestmark = pytest.mark.each_database


@pytest.fixture
def engine() -> Engine:
    """SQLite lets one writer in at a time: it has no deadlocks."""
    return databases.empty_postgres_engine()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def test_a_request_is_run_again_and_writes_once(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    body = {"town_id": str(town.id), "uai": make_school_code(1), "name": "Centre"}
    with closing(server.sign_in(town.id, Role.TOWN_ADMIN, "directrice")) as client:
        with provoke_conflicts(server.runtime.engine, "school", MAX_RETRIES):
            answer = client.post("/schools", json=body)
        assert answer.status_code == 201, answer.text
        assert [school["name"] for school in client.get("/schools", params={"town_id": str(town.id)}).json()["items"]] == [
            "Centre"
        ]


def test_a_batch_of_tablets_is_processed_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        enrollments = enroll_tablets(work, 2)
    enqueue_for(runtime, [enrollment.id for enrollment in enrollments], SecurityInfo())
    batcher = Batcher(runtime, TrustStore(runtime))
    with provoke_conflicts(runtime.engine, "command", 2):
        responses = batcher.process_batch([build_request(enrollment) for enrollment in enrollments])
    asyncio.run(batcher.stop())
    assert [response.status for response in responses] == [200, 200]
    assert all(b"SecurityInfo" in response.body for response in responses)
