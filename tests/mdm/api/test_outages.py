"""A read-only or full database: tablets and programs are asked to come later, nothing is half written, and all goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial

import httpx
import pytest
from sqlalchemy import Engine, func, select, text

from cartable.outages import Outage, find_outage
from cartable.outbox import OutboxRow, Topic
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from enrollment.places.models import School
from mdm.api.system.health import find_problems
from mdm.channel.batcher import Batcher
from mdm.channel.messages import BUSY
from mdm.protocol.commands.queries import SecurityInfo
from mdm.worker.drains import drain
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets
from tests.support.outages import fill_disk, make_read_only
from tests.support.server import LiveServer
from tests.support.world import TownFactory, make_school_code

pytestmark = pytest.mark.each_database


class _LivingBatcher(Batcher):
    def is_alive(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def fresh_connections(engine: Engine) -> Iterator[None]:
    """Later tests get connections that were not opened while the database was read-only."""
    yield
    engine.dispose()


def test_tablets_of_a_read_only_database_come_later(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        enrollments = enroll_tablets(work, 2)
    enqueue_for(runtime, [enrollment.id for enrollment in enrollments], SecurityInfo())
    requests = [build_request(enrollment) for enrollment in enrollments]
    with make_read_only(runtime.engine):
        batcher = _LivingBatcher(runtime, TrustStore(runtime))
        assert batcher.process_batch(requests) == [BUSY, BUSY]
        assert find_problems(runtime, batcher) == [Outage.READ_ONLY.value]
    responses = batcher.process_batch(requests)
    assert [(response.status, b"SecurityInfo" in response.body) for response in responses] == [(200, True)] * 2
    assert find_problems(runtime, batcher) == []
    asyncio.run(batcher.stop())


def test_an_unknown_tablet_of_a_read_only_database_is_not_refused(runtime: Runtime) -> None:
    """A refusal could make it unenroll, and nothing is known of it while the database stores nothing."""
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
        request = build_request(enrollment)
        work.session.rollback()
    with make_read_only(runtime.engine):
        batcher = Batcher(runtime, TrustStore(runtime))
        assert batcher.process_batch([request]) == [BUSY]
    asyncio.run(batcher.stop())


def test_a_large_answer_comes_again_when_the_disk_has_room(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], SecurityInfo())
    batcher = Batcher(runtime, TrustStore(runtime))
    [response] = batcher.process_batch([build_request(enrollment)])
    uuid = response.body.split(b"<key>CommandUUID</key>")[1].split(b"<string>")[1].split(b"</string>")[0].decode()
    answer = build_request(enrollment, "Acknowledged", uuid, SecurityInfo={"Filler": "".join(map(str, range(200_000)))})
    with fill_disk(runtime.engine, "command"):
        assert batcher.process_batch([answer]) == [BUSY]
    assert batcher.process_batch([answer])[0].status == 200
    asyncio.run(batcher.stop())


@pytest.mark.parametrize("fault", [make_read_only, partial(fill_disk, table="school")])
def test_a_program_gets_a_problem_and_writes_once_afterwards(
    server: LiveServer, fault: Callable[[Engine], AbstractContextManager[None]]
) -> None:
    engine = server.runtime.engine
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    accepted = 0
    with closing(server.sign_in(town.id, Role.TOWN_ADMIN, "directrice")) as client:
        with fault(engine):
            # A full SQLite file still has room for some rows on pages that it has.
            for number in range(1, 200):
                body = {"town_id": str(town.id), "uai": make_school_code(number), "name": "Centre " + "x" * 100}
                answer = client.post("/schools", json=body)
                if answer.status_code != 201:
                    break
                accepted += 1
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert client.post("/schools", json=body).status_code == 201
    assert accepted == 0 or engine.dialect.name == "sqlite"
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(School)) == accepted + 1


def test_what_watches_the_server_reads_that_it_stores_nothing(server: LiveServer) -> None:
    with make_read_only(server.runtime.engine), httpx.Client(base_url=server.url, verify=False, timeout=20) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["database_read_only"])


def test_no_job_is_parked_because_of_an_outage(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id)
    with make_read_only(runtime.engine), pytest.raises(Exception) as caught:
        drain(runtime, Topic.RECONCILE)
    assert find_outage(caught.value) is Outage.READ_ONLY
    with runtime.open_unit_of_work() as work:
        rows = work.session.scalars(select(OutboxRow).where(OutboxRow.topic == Topic.RECONCILE)).all()
    assert [(row.attempts, row.parked_at) for row in rows] == [(0, None)]


def test_an_error_of_a_statement_is_no_outage(runtime: Runtime) -> None:
    with pytest.raises(Exception) as caught, runtime.open_unit_of_work() as work:
        work.session.execute(text("SELECT nothing FROM nowhere"))
    assert find_outage(caught.value) is None
