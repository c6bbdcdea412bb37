"""The sender of pushes against a real HTTP/2 server: errors of ours stop it and cost no token, and it goes on by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import Claimant
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import PushTarget
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.push.models import PushSenderState
from mdm.push.repository import PushRepository
from mdm.push.rules import (
    LONGEST_TEST_WAIT,
    MIN_PUSH_INTERVAL,
    TRUST_AFTER_RESUME,
    PushOutcome,
    PushWindow,
    StopReason,
    are_refusals_trusted,
    compute_test_wait,
    decide_stop,
    get_next_push_time,
    is_test_due,
    is_window_over,
)
from mdm.push.sender_state import resume_by_person, revive_tokens
from mdm.push.service import TEST_SIZE, get_active_topic, send_due_pushes
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import enroll_tablets
from tests.support.server import LiveServer, start_live_server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


def _enroll(server: LiveServer, count: int) -> list[int]:
    with server.runtime.open_unit_of_work() as work:
        ids = []
        for row in enroll_tablets(work, count):
            save_token(work, row.id, get_active_topic(work))
            ids.append(row.id)
    return ids


def save_token(work: UnitOfWork, enrollment_id: int, topic: str) -> None:
    token = enrollment_id.to_bytes(32, "big")
    PushTargetRepository(work.session).save_push_token(enrollment_id, token, f"magic {enrollment_id}", topic, work.now)


def _enqueue(server: LiveServer, ids: list[int], lane: JobLane = JobLane.NORMAL) -> None:
    with server.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, *ids, lane=lane)


def _refuse(server: LiveServer, status: int, reason: str, times: int) -> None:
    server.hub.scripted_responses["*"] = [(status, reason, {})] * times


def _count_dead(server: LiveServer) -> int:
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(PushTarget).filter(PushTarget.invalid_since.is_not(None)).count()


def _count_waiting(server: LiveServer) -> int:
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).filter_by(topic=Topic.PUSH).count()


def _read_state(server: LiveServer) -> PushSenderState:
    with server.runtime.open_unit_of_work() as work:
        return PushRepository(work.session).get_sender_state()


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "TopicDisallowed"), (400, "BadTopic"), (403, "BadCertificate"), (403, "BadCertificateEnvironment"),
        (400, "MissingTopic"),
    ],
)  # fmt: skip
def test_an_error_of_ours_stops_the_sender_and_kills_no_token(
    server: LiveServer, clock: ManualClock, status: int, reason: str
) -> None:
    """Failure table: APNs refuses for our own mistake."""
    ids = _enroll(server, 8)
    _enqueue(server, ids)
    _refuse(server, status, reason, 100)
    assert send_due_pushes(server.runtime) == 8
    assert _count_dead(server) == 0
    state = _read_state(server)
    assert (state.stop_reason, state.stop_detail) == (StopReason.SENDER_REFUSED, f"{reason} (8)")
    assert send_due_pushes(server.runtime) == 0, "nothing is sent while it is stopped"
    clock.advance(timedelta(seconds=31))
    assert send_due_pushes(server.runtime) == 8, "it tests itself"
    server.hub.scripted_responses.clear()  # the mistake is mended
    assert send_due_pushes(server.runtime) == 0, "the second wait is longer"
    clock.advance(timedelta(minutes=2))
    assert send_due_pushes(server.runtime) == 8
    assert len(server.hub.received) == 8, "nothing was lost"
    assert _read_state(server).stopped_at is None
    assert _count_waiting(server) == 0


@pytest.mark.parametrize(("status", "reason"), [(410, "Unregistered"), (400, "BadDeviceToken")])
def test_a_mass_of_refused_tokens_stops_the_sender_instead_of_killing_them(
    server: LiveServer, clock: ManualClock, status: int, reason: str
) -> None:
    ids = _enroll(server, 12)
    _enqueue(server, ids[:2])
    _refuse(server, status, reason, 2)
    send_due_pushes(server.runtime)
    assert _count_dead(server) == 2, "two may be dead"
    _enqueue(server, ids[2:])
    _refuse(server, status, reason, 100)
    send_due_pushes(server.runtime)
    assert _count_dead(server) == 0, "twelve of twelve are not: those two are taken back as well"
    assert _read_state(server).stop_reason is StopReason.TOKENS_REFUSED
    server.hub.scripted_responses.clear()
    clock.advance(timedelta(hours=1))
    while send_due_pushes(server.runtime):
        clock.advance(timedelta(minutes=1))
    assert {push.token for push in server.hub.received} == {i.to_bytes(32, "big").hex() for i in ids}


def test_after_a_test_that_delivers_refused_tokens_are_believed(server: LiveServer, clock: ManualClock) -> None:
    ids = _enroll(server, TEST_SIZE)
    _enqueue(server, ids)
    for dead in ids[1:]:
        server.hub.scripted_responses[dead.to_bytes(32, "big").hex()] = [(410, "Unregistered", {})] * 5
    server.hub.scripted_responses[ids[0].to_bytes(32, "big").hex()] = [(410, "Unregistered", {})]
    send_due_pushes(server.runtime)
    assert _count_dead(server) == 0
    clock.advance(timedelta(hours=1))
    send_due_pushes(server.runtime)
    assert _count_dead(server) == TEST_SIZE - 1, "one arrived, so certificate and topic are right"
    assert _read_state(server).stopped_at is None


def test_a_person_who_knows_why_lets_the_sender_go_on(server: LiveServer) -> None:
    ids = _enroll(server, 6)
    _enqueue(server, ids)
    _refuse(server, 410, "Unregistered", 12)
    send_due_pushes(server.runtime)
    assert _count_dead(server) == 0
    with server.runtime.open_unit_of_work() as work:
        resume_by_person(work, SYSTEM)
    _enqueue(server, ids)
    send_due_pushes(server.runtime)
    assert _count_dead(server) == 6, "a school's tablets were erased in summer, for example"
    assert _read_state(server).stopped_at is None


def test_tokens_come_back_by_command(server: LiveServer, clock: ManualClock) -> None:
    ids = _enroll(server, 3)
    with server.runtime.open_unit_of_work() as work:
        for enrollment_id in ids:
            PushTargetRepository(work.session).mark_token_invalid(enrollment_id, work.now, "400 TopicDisallowed", work.now)
    with server.runtime.open_unit_of_work() as work:
        assert revive_tokens(work, SYSTEM, clock.now() + timedelta(hours=1)) == 0
        assert revive_tokens(work, SYSTEM, clock.now() - timedelta(hours=1)) == 3
    assert send_due_pushes(server.runtime) == 3
    assert len(server.hub.received) == 3


def test_a_new_certificate_is_tested_at_once(server: LiveServer, clock: ManualClock) -> None:
    _enqueue(server, _enroll(server, 1))
    with server.runtime.open_unit_of_work() as work:
        certificate = PushRepository(work.session).get_active_certificate()
        assert certificate is not None
        valid_until, certificate.not_after = certificate.not_after, work.now
    assert send_due_pushes(server.runtime) == 0
    assert _read_state(server).stop_reason is StopReason.CERTIFICATE_EXPIRED
    with server.runtime.open_unit_of_work() as work:
        certificate = PushRepository(work.session).get_active_certificate()
        assert certificate is not None
        certificate.not_after = valid_until
        _read = PushRepository(work.session).lock_sender_state()
        _read.certificate_id = None  # as if another certificate had been active then
    assert send_due_pushes(server.runtime) == 1
    assert len(server.hub.received) == 1
    assert _read_state(server).stopped_at is None


def test_an_unreachable_service_costs_no_attempt(server: LiveServer, clock: ManualClock) -> None:
    ids = _enroll(server, 5)
    _enqueue(server, ids)
    reachable = server.runtime.settings
    server.runtime.settings = reachable.model_copy(update={"apns_url": "https://localhost:1"})
    send_due_pushes(server.runtime)
    assert _read_state(server).stop_reason is StopReason.UNREACHABLE
    with server.runtime.open_unit_of_work() as work:
        assert {row.attempts for row in work.session.query(OutboxRow)} == {0}
    server.runtime.settings = reachable
    clock.advance(timedelta(seconds=6))
    assert send_due_pushes(server.runtime) == 5
    assert len(server.hub.received) == 5


def test_a_server_that_closes_the_connection_costs_no_push(server: LiveServer) -> None:
    [first, second] = _enroll(server, 2)
    _enqueue(server, [first])
    server.hub.scripted_responses["*"] = [(503, "Shutdown", {"goaway": True})]
    send_due_pushes(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        resume_by_person(work, SYSTEM)
    _enqueue(server, [second])
    send_due_pushes(server.runtime)
    assert {push.token for push in server.hub.received} == {i.to_bytes(32, "big").hex() for i in (first, second)}


def test_a_tablet_enrolled_under_another_topic_stops_nobody(server: LiveServer) -> None:
    ids = _enroll(server, 2)
    with server.runtime.open_unit_of_work() as work:
        save_token(work, ids[0], "com.apple.mgmt.External.another")
    _enqueue(server, ids)
    send_due_pushes(server.runtime)
    assert [push.token for push in server.hub.received] == [ids[1].to_bytes(32, "big").hex()]
    assert _read_state(server).stopped_at is None


def test_urgent_pushes_overtake_a_wave_and_its_pace(server: LiveServer) -> None:
    """Failure table: thousands of pushes wait, a tablet is lost."""
    server.runtime.settings = server.runtime.settings.model_copy(update={"push_per_second": 20})
    ids = _enroll(server, 41)
    _enqueue(server, ids[:40], JobLane.BACKGROUND)
    _enqueue(server, ids[40:], JobLane.URGENT)
    assert send_due_pushes(server.runtime, Claimant("urgent", (JobLane.URGENT,))) == 1
    assert [push.token for push in server.hub.received] == [ids[40].to_bytes(32, "big").hex()]


def test_responses_are_counted_by_reason(server: LiveServer) -> None:
    ids = _enroll(server, 3)
    _enqueue(server, ids)
    _refuse(server, 429, "TooManyRequests", 1)
    send_due_pushes(server.runtime)
    with server.runtime.open_unit_of_work() as work:
        assert PushRepository(work.session).load_response_counts() == {"Delivered": 2, "TooManyRequests": 1}


def test_a_delivered_push_proves_that_the_sender_is_right() -> None:
    mixed = Counter({PushOutcome.DELIVERED: 1, PushOutcome.SENDER_REFUSED: 3, PushOutcome.UNREACHABLE: 3})
    assert decide_stop(mixed, PushWindow().add(mixed), trusts_refusals=False) is None
    few = Counter({PushOutcome.TOKEN_INVALID: 4})
    assert decide_stop(few, PushWindow().add(few), trusts_refusals=False) is None
    mass = Counter({PushOutcome.TOKEN_INVALID: 50, PushOutcome.DELIVERED: 50})
    assert decide_stop(mass, PushWindow().add(mass), trusts_refusals=False) is StopReason.TOKENS_REFUSED
    assert decide_stop(mass, PushWindow().add(mass), trusts_refusals=True) is None
    share = Counter({PushOutcome.TOKEN_INVALID: 49, PushOutcome.DELIVERED: 51})
    assert decide_stop(share, PushWindow().add(share), trusts_refusals=False) is None


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_stopped_sender_waits_longer_after_each_failed_test(reason: StopReason) -> None:
    waits = [compute_test_wait(reason, failed) for failed in range(20)]
    assert waits == sorted(waits)
    assert timedelta(seconds=5) <= waits[0] < waits[-1] <= timedelta(minutes=15)


def test_a_wait_stored_by_a_clock_that_was_ahead_is_over(server: LiveServer, clock: ManualClock) -> None:
    """The clock was ahead for so short a time that nothing has noticed it."""
    ids = _enroll(server, 3)
    clock.jump(timedelta(days=400))
    with server.runtime.open_unit_of_work() as work:
        state = PushRepository(work.session).lock_sender_state()
        state.stopped_at, state.stop_reason, state.certificate_id = work.now, StopReason.UNREACHABLE, _get_certificate_id(work)
        state.test_at = work.now + LONGEST_TEST_WAIT
    clock.jump(timedelta(days=-400))
    _enqueue(server, ids)
    assert send_due_pushes(server.runtime) == 3
    assert _read_state(server).stopped_at is None


def _get_certificate_id(work: UnitOfWork) -> UUID:
    certificate = PushRepository(work.session).get_active_certificate()
    assert certificate is not None
    return certificate.id


def test_an_instant_later_than_any_that_is_ever_stored_lets_nothing_wait() -> None:
    now, moment, year = datetime(2026, 11, 23, 8, tzinfo=UTC), timedelta(seconds=1), timedelta(days=365)
    assert not is_test_due(now + LONGEST_TEST_WAIT, now)
    assert is_test_due(now + LONGEST_TEST_WAIT + moment, now)
    assert not is_window_over(now, now)
    assert is_window_over(now + year, now)
    assert are_refusals_trusted(now + TRUST_AFTER_RESUME, now)
    assert not are_refusals_trusted(now + year, now)
    assert get_next_push_time(now - moment, now) == now - moment + MIN_PUSH_INTERVAL
    assert get_next_push_time(now - MIN_PUSH_INTERVAL, now) is None
    assert get_next_push_time(now + year, now) is None
