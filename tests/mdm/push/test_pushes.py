"""Pushes over real HTTP/2 with a client certificate: handling of each APNs response, pacing, one push per tablet."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import Claimant
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import PushTarget
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.push.service import get_active_topic, send_due_pushes
from mdm.queue import service as queue
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import enroll_tablets
from tests.support.leases import take_over_after_claim
from tests.support.server import LiveServer, start_live_server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


def _enroll_with_tokens(work: UnitOfWork, count: int) -> list[int]:
    enrollment_ids = []
    for row in enroll_tablets(work, count):
        PushTargetRepository(work.session).save_push_token(
            row.id, row.id.to_bytes(32, "big"), f"magic {row.id}", get_active_topic(work), work.now
        )
        enrollment_ids.append(row.id)
    return enrollment_ids


def _token_hex(enrollment_id: int) -> str:
    return enrollment_id.to_bytes(32, "big").hex()


def _count_waiting_pushes(server: LiveServer) -> int:
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.PUSH).count()


def test_many_commands_cause_one_push_with_magic_and_topic(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        queue.enqueue_command(work, SYSTEM, SecurityInfo(), [enrollment_id])
        queue.enqueue_command(work, SYSTEM, ProfileList(), [enrollment_id])
        topic = get_active_topic(work)
    assert send_due_pushes(server.runtime) == 1
    [push] = server.hub.received
    assert (push.token, push.magic, push.topic) == (_token_hex(enrollment_id), f"magic {enrollment_id}", topic)
    assert push.headers["apns-priority"] == "10"
    assert _count_waiting_pushes(server) == 0


def test_a_second_push_within_seconds_is_delayed_not_lost(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    send_due_pushes(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, enrollment_id)
    send_due_pushes(server.runtime)
    assert len(server.hub.received) == 1
    clock.advance(timedelta(seconds=4))
    send_due_pushes(server.runtime)
    assert len(server.hub.received) == 2


@pytest.mark.parametrize(
    ("status", "reason", "token_invalid", "is_retried"),
    [
        (410, "Unregistered", True, False),
        (400, "BadDeviceToken", True, False),
        (400, "DeviceTokenNotForTopic", False, True),
        (400, "TopicDisallowed", False, True),
        (429, "TooManyRequests", False, True),
        (500, "InternalServerError", False, True),
        (503, "ServiceUnavailable", False, True),
        (403, "BadCertificate", False, True),
        (413, "PayloadTooLarge", False, False),
    ],
)
def test_each_error_of_apns(server: LiveServer, status: int, reason: str, token_invalid: bool, is_retried: bool) -> None:
    with server.runtime.open_unit_of_work() as work:
        enrollment_id, other_id = _enroll_with_tokens(work, 2)
        work.enqueue_job(Topic.PUSH, enrollment_id, other_id)
    server.hub.scripted_responses[_token_hex(enrollment_id)] = [(status, reason, {})]
    send_due_pushes(server.runtime)
    assert [push.token for push in server.hub.received] == [_token_hex(other_id)], "the others are not touched"
    with server.runtime.open_unit_of_work() as work:
        target = work.session.get_one(PushTarget, enrollment_id)
        assert (target.invalid_since is not None) is token_invalid
    assert _count_waiting_pushes(server) == int(is_retried)


def test_the_responses_of_a_batch_are_stored_but_for_the_push_that_another_worker_has_taken_over(
    server: LiveServer, engine: Engine
) -> None:
    with server.runtime.open_unit_of_work() as work:
        taken_id, refused_id, sent_id = _enroll_with_tokens(work, 3)
        work.enqueue_job(Topic.PUSH, taken_id, refused_id, sent_id)
    server.hub.scripted_responses[_token_hex(refused_id)] = [(500, "InternalServerError", {})]
    take_over_after_claim(engine, server.runtime, Topic.PUSH)
    assert send_due_pushes(server.runtime, Claimant("slow")) == 3
    with server.runtime.open_unit_of_work() as work:
        rows = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.PUSH).order_by(OutboxRow.id).all()
        assert [(int(row.key), row.leased_by) for row in rows] == [(taken_id, "fast"), (refused_id, None)]
        pushed = {key: work.session.get_one(PushTarget, key).pushed_at is not None for key in (taken_id, sent_id)}
    assert pushed == {taken_id: False, sent_id: True}


def test_a_token_newer_than_the_error_timestamp_is_tried_again(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    timestamp = int((clock.now() - timedelta(hours=1)).timestamp() * 1000)
    server.hub.scripted_responses[_token_hex(enrollment_id)] = [(410, "Unregistered", {"timestamp": timestamp})]
    send_due_pushes(server.runtime)
    clock.advance(timedelta(hours=1, seconds=1))
    send_due_pushes(server.runtime)
    assert len(server.hub.received) == 1


def test_retry_after_is_obeyed(server: LiveServer, clock: ManualClock) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    server.hub.scripted_responses[_token_hex(enrollment_id)] = [(429, "TooManyRequests", {"retry-after": 120})]
    send_due_pushes(server.runtime)
    clock.advance(timedelta(seconds=100))
    assert send_due_pushes(server.runtime) == 0
    clock.advance(timedelta(seconds=21))
    assert send_due_pushes(server.runtime) == 1
    assert len(server.hub.received) == 1


def test_the_next_token_update_makes_the_token_valid_again(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    server.hub.scripted_responses[_token_hex(enrollment_id)] = [(410, "Unregistered", {})]
    send_due_pushes(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, enrollment_id)
    send_due_pushes(server.runtime)
    assert server.hub.received == []
    with server.runtime.open_unit_of_work() as work:
        PushTargetRepository(work.session).save_push_token(enrollment_id, b"n" * 32, "new", get_active_topic(work), work.now)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    send_due_pushes(server.runtime)
    assert [push.magic for push in server.hub.received] == ["new"]


def test_pushes_to_many_tablets_are_paced(server: LiveServer) -> None:
    """Failure table: no thundering herd at 08:20, and no change lost."""
    server.runtime.settings = server.runtime.settings.model_copy(update={"push_per_second": 40})
    with server.runtime.open_unit_of_work() as work:
        enrollment_ids = _enroll_with_tokens(work, 40)
        work.enqueue_job(Topic.PUSH, *enrollment_ids)
    started = time.monotonic()
    assert send_due_pushes(server.runtime) + send_due_pushes(server.runtime) == 40, "a batch takes half a second"
    assert time.monotonic() - started >= 0.9
    assert len(server.hub.received) == 40


def test_no_push_is_lost_when_apns_is_unreachable(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        [enrollment_id] = _enroll_with_tokens(work, 1)
        work.enqueue_job(Topic.PUSH, enrollment_id)
    reachable = server.runtime.settings
    server.runtime.settings = reachable.model_copy(update={"apns_url": "https://localhost:1"})
    send_due_pushes(server.runtime)
    assert _count_waiting_pushes(server) == 1


def test_the_stand_in_ends_with_its_parent(server: LiveServer) -> None:
    """A parent that is killed cannot end its children: the pipe to them breaks instead."""
    secrets = server.runtime.settings.secrets_dir
    command = [
        sys.executable, "-m", "mdm.push.testserver", "--port", "0", "--listen-port", "0", "--cert", str(secrets / "tls.pem"),
        "--key", str(secrets / "tls.key"), "--client-ca", str(secrets / "push-test-ca.pem"), "--end-with-stdin",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(15) == 0
