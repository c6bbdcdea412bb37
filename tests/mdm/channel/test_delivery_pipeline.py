"""The usual batch in the driver's pipeline stores and answers what the transaction of `connect_batch` does, and leaves the rest to it."""

from __future__ import annotations

import asyncio
import plistlib
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from enrollment.tablets.models import Tablet
from mdm.channel.batcher import Batcher
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.connect_batch import ConnectBatch
from mdm.channel.delivery_pipeline import DeliveryPipeline
from mdm.channel.messages import ChannelRequest, ChannelResponse
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets
from tests.support.statements import count_statements

COMMANDS = (DeviceInformation(queries=("OSVersion",)), SecurityInfo(), ProfileList())
STATUSES = ("Acknowledged", "Acknowledged", "Error", "NotNow", "CommandFormatError", "Idle")


@pytest.fixture
def batcher(runtime: Runtime, engine: Engine) -> Iterator[Batcher]:
    """A batcher without its thread."""
    if engine.dialect.name != "postgresql":
        pytest.skip("on SQLite every batch is processed by connect_batch")
    made = Batcher(runtime, TrustStore(runtime))
    yield made
    asyncio.run(made.stop())


@pytest.fixture
def outcomes(batcher: Batcher, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each batch that was offered to the pipeline, whether it has processed it."""
    processed: list[bool] = []
    process = DeliveryPipeline.process

    def observe(pipeline: DeliveryPipeline, *arguments: Any) -> object:
        batch = process(pipeline, *arguments)
        processed.append(batch is not None)
        return batch

    monkeypatch.setattr(DeliveryPipeline, "process", observe)
    return processed


def read_uuid(response: ChannelResponse) -> str | None:
    """Return the CommandUUID of a delivered command."""
    return plistlib.loads(response.body)["CommandUUID"] if response.body else None


def read_type(response: ChannelResponse) -> str | None:
    return plistlib.loads(response.body)["Command"]["RequestType"] if response.body else None


def enroll(runtime: Runtime, count: int) -> list[DeviceEnrollment]:
    with runtime.open_unit_of_work() as work:
        enrollments = enroll_tablets(work, count)
        work.session.expunge_all()
    enqueue_for(runtime, [each.id for each in enrollments], *COMMANDS)
    return enrollments


def describe(runtime: Runtime, enrollments: list[DeviceEnrollment]) -> list[Any]:
    """Return what is stored of each tablet: its contact, its commands in order with their results, and their jobs."""
    described = []
    with runtime.open_unit_of_work() as work:
        handled = set(work.session.scalars(select(OutboxRow.key).where(OutboxRow.topic == Topic.COMMAND_RESULT)))
        for each in enrollments:
            rows = work.session.execute(
                select(QueuedCommand, CommandResult)
                .outerjoin(CommandResult, CommandResult.command_id == QueuedCommand.id)
                .where(QueuedCommand.enrollment_id == each.id)
                .order_by(QueuedCommand.id)
            )
            commands = [
                (
                    command.state, command.sent_at, command.finished_at, command.delivery_count, command.state_reason,
                    result and (result.status, result.received_at, result.error_chain, result.body is None),
                    str(command.id) in handled,
                )
                for command, result in rows
            ]  # fmt: skip
            described.append((work.session.get_one(LastSeen, each.id).last_seen_at, commands))
    return described


def _build_answer(row: DeviceEnrollment, status: str, uuid: str | None, *, is_spoiled: bool) -> ChannelRequest:
    """Return the tablet's answer to what was delivered to it: Idle where nothing was, and one to no known command when it is spoiled."""
    if uuid is None or status == "Idle":
        return build_request(row)
    spoiled = ("1" if uuid[0] == "0" else "0") + uuid[1:]
    return build_request(row, status, spoiled if is_spoiled else uuid)


@pytest.mark.parametrize("seed", range(3))
def test_random_conversations_are_stored_as_by_the_transaction_alone(
    runtime: Runtime, batcher: Batcher, outcomes: list[bool], clock: ManualClock, seed: int
) -> None:
    chance = random.Random(seed)
    piped, plain = enroll(runtime, 4), enroll(runtime, 4)
    uuids: list[list[str | None]] = [[None] * 4, [None] * 4]
    for turn in range(14):
        clock.advance(timedelta(seconds=30))
        if turn % 4 == 3:
            index, command = chance.randrange(4), chance.choice(COMMANDS)
            enqueue_for(runtime, [piped[index].id, plain[index].id], command)
        chosen = sorted(chance.sample(range(4), chance.randint(1, 4)))
        statuses = {index: chance.choice(STATUSES) for index in chosen}
        is_spoiled = chance.random() < 0.1
        requests = [
            [_build_answer(fleet[index], statuses[index], of_fleet[index], is_spoiled=is_spoiled) for index in chosen]
            for fleet, of_fleet in zip((piped, plain), uuids, strict=True)
        ]
        with runtime.open_unit_of_work() as work:
            expected = ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process(requests[1])
        responses = batcher.process_batch(requests[0])
        assert [(each.status, read_type(each)) for each in responses] == [(each.status, read_type(each)) for each in expected]
        for index, response, other in zip(chosen, responses, expected, strict=True):
            uuids[0][index], uuids[1][index] = read_uuid(response), read_uuid(other)
        assert describe(runtime, piped) == describe(runtime, plain)
    assert outcomes.count(True) > 3


def test_a_usual_batch_takes_no_session(runtime: Runtime, engine: Engine, batcher: Batcher, outcomes: list[bool]) -> None:
    first, second, third = enroll(runtime, 3)
    delivered = batcher.process_batch([build_request(first), build_request(second)])
    batcher.process_batch([build_request(second, "Acknowledged", read_uuid(delivered[1]))])
    notified: list[Topic] = []
    runtime.notify_worker = notified.append
    requests = [build_request(first, "Acknowledged", read_uuid(delivered[0]), QueryResponses={}), build_request(third)]
    with count_statements(engine) as statements:
        responses = batcher.process_batch(requests)
    assert [read_type(each) for each in responses] == ["SecurityInfo", "DeviceInformation"]
    assert (len(statements), outcomes) == (0, [False, True, True]), "the driver's own are not counted"
    assert notified == [Topic.COMMAND_RESULT]


def _lower_system(runtime: Runtime, row: DeviceEnrollment) -> None:
    """Let the tablet have a system for which its next command is too new."""
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(Tablet).where(Tablet.id == row.tablet_id).values(os_version="3.0"))


def _check_out(runtime: Runtime, row: DeviceEnrollment) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.execute(
            update(DeviceEnrollment).where(DeviceEnrollment.id == row.id).values(state=EnrollmentState.CHECKED_OUT)
        )


def _change_certificate(runtime: Runtime, row: DeviceEnrollment) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(DeviceEnrollment).where(DeviceEnrollment.id == row.id).values(fingerprint="another"))


def _end_sent(runtime: Runtime, row: DeviceEnrollment) -> None:
    with runtime.open_unit_of_work() as work:
        sent = (QueuedCommand.enrollment_id == row.id) & (QueuedCommand.state == CommandState.SENT)
        work.session.execute(update(QueuedCommand).where(sent).values(state=CommandState.EXPIRED, finished_at=work.now))


@pytest.mark.parametrize("change", [_lower_system, _check_out, _change_certificate, _end_sent])
def test_an_unusual_batch_is_left_to_the_transaction(
    runtime: Runtime, batcher: Batcher, outcomes: list[bool], change: Callable[[Runtime, DeviceEnrollment], None]
) -> None:
    piped, plain = enroll(runtime, 2), enroll(runtime, 2)
    answers: list[list[ChannelRequest]] = []
    for fleet in (piped, plain):
        with runtime.open_unit_of_work() as work:
            delivered = ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process(
                [build_request(each) for each in fleet]
            )
        change(runtime, fleet[0])
        pairs = zip(fleet, delivered, strict=True)
        answers.append([build_request(each, "Acknowledged", read_uuid(response)) for each, response in pairs])
    responses = batcher.process_batch(answers[0])
    with runtime.open_unit_of_work() as work:
        expected = ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process(answers[1])
    assert outcomes[-1] is False
    assert [(each.status, read_type(each)) for each in responses] == [(each.status, read_type(each)) for each in expected]
    assert describe(runtime, piped) == describe(runtime, plain)


def test_two_requests_of_one_tablet_in_a_batch_are_left_to_the_transaction(
    runtime: Runtime, batcher: Batcher, outcomes: list[bool]
) -> None:
    [row] = enroll(runtime, 1)
    [delivered] = batcher.process_batch([build_request(row)])
    answer = build_request(row, "Acknowledged", read_uuid(delivered))
    assert [read_type(each) for each in batcher.process_batch([answer, answer])] == ["SecurityInfo", "SecurityInfo"]
    assert outcomes == [False, False]


def test_a_lost_connection_stores_the_result_all_the_same(
    runtime: Runtime, engine: Engine, batcher: Batcher, outcomes: list[bool]
) -> None:
    [row] = enroll(runtime, 1)
    [first] = batcher.process_batch([build_request(row)])
    [second] = batcher.process_batch([build_request(row, "Acknowledged", read_uuid(first))])
    backend = batcher._connection.open().info.backend_pid
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    [third] = batcher.process_batch([build_request(row, "Acknowledged", read_uuid(second))])
    assert (read_type(third), outcomes) == ("ProfileList", [False, True, False])
    [last] = batcher.process_batch([build_request(row, "Acknowledged", read_uuid(third))])
    assert (last.body, outcomes[-1]) == (b"", True)
    _, commands = describe(runtime, [row])[0]
    assert [command[0] for command in commands] == [CommandState.ACKNOWLEDGED] * 3
