"""Pushes over real HTTP/2 with a client certificate: what each answer of APNs leads to, pace, and one push per tablet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import PushTarget
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.push.service import active_topic, push_due
from mdm.queue import service as queue
from tests.conftest import KEYRING
from tests.mdm.queue.talking import enrol
from tests.support.server import LiveServer, live_server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


def _aimed(work: UnitOfWork, count: int) -> list[int]:
    ids = []
    for row in enrol(work, count):
        ChannelRepository(work.session).aim_push(
            row.id, row.id.to_bytes(32, "big"), f"magic {row.id}", active_topic(work), work.now
        )
        ids.append(row.id)
    return ids


def _token(enrollment_id: int) -> str:
    return enrollment_id.to_bytes(32, "big").hex()


def _waiting(server: LiveServer) -> int:
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.PUSH).count()


def test_many_commands_are_one_push_with_magic_and_topic(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        queue.enqueue(work, SYSTEM, SecurityInfo(), [one])
        queue.enqueue(work, SYSTEM, ProfileList(), [one])
        topic = active_topic(work)
    assert push_due(server.runtime) == 1
    [push] = server.hub.received
    assert (push.token, push.magic, push.topic) == (_token(one), f"magic {one}", topic)
    assert push.headers["apns-priority"] == "10"
    assert _waiting(server) == 0


def test_a_second_push_within_seconds_waits_and_is_not_lost(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        work.enqueue_job(Topic.PUSH, one)
    push_due(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, one)
    push_due(server.runtime)
    assert len(server.hub.received) == 1
    clock.advance(timedelta(seconds=4))
    push_due(server.runtime)
    assert len(server.hub.received) == 2


@pytest.mark.parametrize(
    ("status", "reason", "dead", "kept"),
    [
        (410, "Unregistered", True, False),
        (400, "BadDeviceToken", True, False),
        (400, "DeviceTokenNotForTopic", True, False),
        (429, "TooManyRequests", False, True),
        (500, "InternalServerError", False, True),
        (503, "ServiceUnavailable", False, True),
        (403, "BadCertificate", False, True),
        (413, "PayloadTooLarge", False, False),
    ],
)
def test_each_reason_of_apns(server: LiveServer, status: int, reason: str, dead: bool, kept: bool) -> None:
    with server.runtime.open_unit_of_work() as work:
        one, other = _aimed(work, 2)
        work.enqueue_job(Topic.PUSH, one, other)
    server.hub.scripted[_token(one)] = [(status, reason, {})]
    push_due(server.runtime)
    assert [push.token for push in server.hub.received] == [_token(other)], "the others are not touched"
    with server.runtime.open_unit_of_work() as work:
        target = work.session.get_one(PushTarget, one)
        assert (target.invalid_since is not None) is dead
    assert _waiting(server) == int(kept)


def test_a_token_that_apns_calls_dead_before_it_was_given_is_tried_again(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        work.enqueue_job(Topic.PUSH, one)
    stamp = int((clock.now() - timedelta(hours=1)).timestamp() * 1000)
    server.hub.scripted[_token(one)] = [(410, "Unregistered", {"timestamp": stamp})]
    push_due(server.runtime)
    clock.advance(timedelta(hours=1, seconds=1))
    push_due(server.runtime)
    assert len(server.hub.received) == 1


def test_retry_after_is_obeyed(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        work.enqueue_job(Topic.PUSH, one)
    server.hub.scripted[_token(one)] = [(429, "TooManyRequests", {"retry-after": 120})]
    push_due(server.runtime)
    clock.advance(timedelta(seconds=100))
    assert push_due(server.runtime) == 0
    clock.advance(timedelta(seconds=21))
    assert push_due(server.runtime) == 1
    assert len(server.hub.received) == 1


def test_a_dead_token_lives_again_with_the_next_token_update(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        work.enqueue_job(Topic.PUSH, one)
    server.hub.scripted[_token(one)] = [(410, "Unregistered", {})]
    push_due(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, one)
    push_due(server.runtime)
    assert server.hub.received == []
    with server.runtime.open_unit_of_work() as work:
        ChannelRepository(work.session).aim_push(one, b"n" * 32, "new", active_topic(work), work.now)
        work.enqueue_job(Topic.PUSH, one)
    push_due(server.runtime)
    assert [push.magic for push in server.hub.received] == ["new"]


def test_a_mode_change_for_everybody_is_paced(server: LiveServer) -> None:
    """Failure table: no thundering herd at 08:20, and no change lost."""
    server.runtime.settings = server.runtime.settings.model_copy(update={"push_per_second": 40})
    with server.runtime.open_unit_of_work() as work:
        ids = _aimed(work, 40)
        work.enqueue_job(Topic.PUSH, *ids)
    started = time.monotonic()
    assert push_due(server.runtime) == 40
    assert time.monotonic() - started >= 0.9
    assert len(server.hub.received) == 40


def test_an_unreachable_apns_loses_nothing(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [one] = _aimed(work, 1)
        work.enqueue_job(Topic.PUSH, one)
    reachable = server.runtime.settings
    server.runtime.settings = reachable.model_copy(update={"apns_url": "https://localhost:1"})
    push_due(server.runtime)
    assert _waiting(server) == 1
