"""What waits for connecting tablets is looked up before the transaction; the batcher answers as the transaction alone would."""

from __future__ import annotations

import asyncio
import plistlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from enrollment.places.models import Town
from enrollment.places.towns import create_town
from mdm.channel.batcher import Batcher
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.connect_batch import ConnectBatch
from mdm.channel.connect_lookup import ConnectLookup, answer_idle_requests
from mdm.channel.messages import EMPTY_RESPONSE, ChannelResponse
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import QueuedCommand
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets
from tests.support.statements import count_statements


@pytest.fixture
def lookup(engine: Engine) -> Iterator[ConnectLookup]:
    made = ConnectLookup(engine, is_pooled=False)
    yield made
    made.close()


@pytest.fixture
def batcher(runtime: Runtime) -> Iterator[Batcher]:
    """A batcher without its thread, for batches that a test makes."""
    made = Batcher(runtime, TrustStore(runtime))
    yield made
    asyncio.run(made.stop())


@pytest.fixture
def enrollments(runtime: Runtime) -> list[DeviceEnrollment]:
    with runtime.open_unit_of_work() as work:
        enrolled = enroll_tablets(work, 4)
        work.session.expunge_all()
    return enrolled


def test_the_batcher_answers_those_with_and_without_commands(
    runtime: Runtime, batcher: Batcher, clock: ManualClock, enrollments: list[DeviceEnrollment]
) -> None:
    idle, waiting, gone, other = enrollments
    enqueue_for(runtime, [waiting.id], SecurityInfo())
    with runtime.open_unit_of_work() as work:
        work.session.get_one(DeviceEnrollment, gone.id).state = EnrollmentState.CHECKED_OUT
    clock.advance(timedelta(minutes=1))
    stranger = build_request(other)
    stranger = type(stranger)(stranger.message, "of another certificate", stranger.raw)
    requests = [build_request(idle), build_request(waiting), build_request(gone), stranger]
    responses = batcher.process_batch(requests)
    assert [response.status for response in responses] == [200, 200, 400, 400]
    assert responses[0].body == b""
    assert plistlib.loads(responses[1].body)["Command"]["RequestType"] == "SecurityInfo"
    with runtime.open_unit_of_work() as work:
        seen = [work.session.get_one(LastSeen, each.id).last_seen_at for each in (idle, waiting, other)]
    assert seen == [clock.now(), clock.now(), clock.now() - timedelta(minutes=1)]


def test_tablets_for_which_nothing_waits_open_no_transaction(
    engine: Engine, batcher: Batcher, enrollments: list[DeviceEnrollment]
) -> None:
    requests = [build_request(each) for each in enrollments]
    batcher.process_batch(requests)
    with count_statements(engine) as statements:
        responses = batcher.process_batch(requests)
    assert [(response.status, response.body) for response in responses] == [(200, b"")] * 4
    assert len(statements) == (0 if engine.dialect.name == "postgresql" else 3), "the driver's own are not counted"


def test_requests_to_the_host_of_another_town_are_answered_and_counted(
    runtime: Runtime, batcher: Batcher, enrollments: list[DeviceEnrollment]
) -> None:
    idle, waiting, *_ = enrollments
    enqueue_for(runtime, [waiting.id], SecurityInfo())
    with runtime.open_unit_of_work() as work:
        create_town(work, SYSTEM, name="Ailleurs", host="tablets.ailleurs.example")
        work.session.get_one(Town, idle.town_id).host = "tablets.ici.example"
    hosts = (b"mdm.test:8443", b"tablets.ici.example:8443", b"192.0.2.1", b"[", b"")
    at_home = [replace(build_request(each), host=host) for host in hosts for each in (idle, waiting)]
    assert {response.status for each in at_home for response in batcher.process_batch([each])} == {200}
    assert batcher.counters["foreign_hosts"] == 0
    elsewhere = [replace(build_request(each), host=b"Tablets.Ailleurs.Example:8443") for each in (idle, waiting)]
    responses = batcher.process_batch(elsewhere)
    assert [(response.status, response.body != b"") for response in responses] == [(200, False), (200, True)]
    assert batcher.counters["foreign_hosts"] == 2


def test_a_lost_connection_is_replaced_and_the_batch_looks_by_itself(
    runtime: Runtime, engine: Engine, lookup: ConnectLookup, enrollments: list[DeviceEnrollment]
) -> None:
    request = build_request(enrollments[0])
    loaded = lookup.load([request], runtime.clock.now())
    if engine.dialect.name != "postgresql":
        assert loaded == {}, "SQLite has no round trip to save"
        return
    assert answer_idle_requests([request], loaded).keys() == {0}
    assert lookup._connection is not None
    backend = lookup._connection.info.backend_pid
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
        connection.commit()
    assert lookup.load([request], runtime.clock.now()) == {}
    assert lookup.load([request], runtime.clock.now()) == loaded


def test_a_batch_is_processed_although_the_database_has_closed_every_connection(
    runtime: Runtime, engine: Engine, batcher: Batcher, enrollments: list[DeviceEnrollment]
) -> None:
    if engine.dialect.name != "postgresql":
        return
    enqueue_for(runtime, [each.id for each in enrollments[:2]], SecurityInfo())
    assert batcher.process_batch([build_request(enrollments[0])])[0].body
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = ''"
            )
        )
        connection.commit()
    [response] = batcher.process_batch([build_request(enrollments[1])])
    assert plistlib.loads(response.body)["Command"]["RequestType"] == "SecurityInfo"


def test_a_command_that_was_cancelled_after_the_lookup_is_not_delivered(
    runtime: Runtime, engine: Engine, lookup: ConnectLookup, enrollments: list[DeviceEnrollment]
) -> None:
    tablet = enrollments[0]
    enqueue_for(runtime, [tablet.id], SecurityInfo())
    request = build_request(tablet)
    loaded = lookup.load([request], runtime.clock.now())
    assert (loaded == {}) is (engine.dialect.name != "postgresql")
    with runtime.open_unit_of_work() as work:
        [command_id] = work.session.scalars(select(QueuedCommand.id))
        queue.cancel_command(work, SYSTEM, command_id)
    with runtime.open_unit_of_work() as work:
        [response] = ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process([request], loaded)
    assert response.body == b""


def test_behind_a_pooler_nothing_is_prepared(runtime: Runtime, engine: Engine, enrollments: list[DeviceEnrollment]) -> None:
    assert ConnectLookup(engine, is_pooled=True).load([build_request(enrollments[0])], runtime.clock.now()) == {}


def test_a_batcher_that_was_stopped_can_be_started_again(
    runtime: Runtime, batcher: Batcher, enrollments: list[DeviceEnrollment]
) -> None:
    async def ask() -> ChannelResponse:
        answered: asyncio.Future[ChannelResponse] = asyncio.get_running_loop().create_future()
        batcher.start()
        batcher.submit(build_request(enrollments[0]), answered.set_result)
        response = await asyncio.wait_for(answered, 30)
        await batcher.stop()
        return response

    assert [asyncio.run(ask()) for _ in range(2)] == [EMPTY_RESPONSE, EMPTY_RESPONSE]
