"""Draining: lanes, leases that are lost or given back, and a job that fails among others."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event
from structlog.testing import capture_logs

from cartable.clock import ManualClock
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import (
    LEASE,
    MAX_ATTEMPTS,
    WORKER_LOST,
    Claimant,
    JobLeaseLost,
    claim_jobs,
    complete_jobs,
    give_back_jobs,
    renew_leases,
)
from cartable.unit_of_work import Runtime
from enrollment.joining.ade.syncing import NOTHING_TO_DO, AdeSyncResult
from mdm.worker.drains import BATCH_SIZES, drain
from mdm.worker.handlers import EXTERNAL_HANDLERS, HANDLERS, sync
from mdm.worker.kinds import PLANS
from tests.support.leases import take_over_after_claim, take_over_job


def _enqueue(runtime: Runtime, *keys: object, topic: Topic = Topic.RECONCILE, lane: JobLane = JobLane.NORMAL) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(topic, *keys, lane=lane)


def _claim(runtime: Runtime, worker: str, *lanes: JobLane, limit: int = 10, topic: Topic = Topic.RECONCILE) -> list[OutboxRow]:
    with runtime.open_unit_of_work() as work:
        return claim_jobs(work.session, work.now, topic, limit, Claimant(worker, lanes or tuple(JobLane)))


def _rows(runtime: Runtime) -> list[OutboxRow]:
    with runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).order_by(OutboxRow.id).all()


def test_an_urgent_job_is_claimed_before_those_that_wait_longer(runtime: Runtime, clock: ManualClock) -> None:
    """Failure table: thousands of pushes wait, a tablet is lost."""
    _enqueue(runtime, "fleet 1", "fleet 2", lane=JobLane.BACKGROUND)
    clock.advance(timedelta(minutes=1))
    _enqueue(runtime, "one tablet")
    clock.advance(timedelta(minutes=1))
    _enqueue(runtime, "lost", lane=JobLane.URGENT)
    assert [row.key for row in _claim(runtime, "b", JobLane.URGENT)] == ["lost"]
    assert [row.key for row in _claim(runtime, "a", limit=2)] == ["one tablet", "fleet 1"]


def test_a_waiting_job_takes_the_more_urgent_lane_of_an_equal_one(runtime: Runtime) -> None:
    _enqueue(runtime, "a", lane=JobLane.BACKGROUND)
    _enqueue(runtime, "a", lane=JobLane.URGENT)
    _enqueue(runtime, "a", lane=JobLane.NORMAL)
    assert [(row.key, row.lane) for row in _rows(runtime)] == [("a", JobLane.URGENT)]


def test_another_worker_takes_over_after_the_lease(runtime: Runtime, clock: ManualClock) -> None:
    _enqueue(runtime, uuid4())
    assert len(_claim(runtime, "dies")) == 1
    assert drain(runtime, Topic.RECONCILE) == 0
    clock.advance(LEASE + timedelta(seconds=1))
    assert drain(runtime, Topic.RECONCILE) == 1
    assert _rows(runtime) == []


def test_a_worker_that_lives_keeps_its_jobs(runtime: Runtime, clock: ManualClock) -> None:
    _enqueue(runtime, "a")
    _claim(runtime, "slow")
    for _ in range(3):
        clock.advance(LEASE * 0.8)
        with runtime.open_unit_of_work() as work:
            renew_leases(work.session, ["slow"], work.now + LEASE)
        assert _claim(runtime, "other") == []


def test_the_effects_of_a_job_whose_lease_was_lost_are_rolled_back(runtime: Runtime, clock: ManualClock) -> None:
    _enqueue(runtime, "a")
    slow = _claim(runtime, "slow")
    clock.advance(LEASE + timedelta(seconds=1))
    fast = _claim(runtime, "fast")
    with pytest.raises(JobLeaseLost), runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
        complete_jobs(work.session, slow)
    assert [row.topic for row in _rows(runtime)] == [Topic.RECONCILE], "nothing is done twice"
    with runtime.open_unit_of_work() as work:
        complete_jobs(work.session, fast)
    assert _rows(runtime) == []


def test_a_synchronization_that_outlasts_its_lease_leaves_the_job_to_the_next_worker(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_key, next_key = uuid4(), uuid4()
    _enqueue(runtime, slow_key, next_key, topic=Topic.ADE_SYNC)

    def outlast_lease(runtime: Runtime, key: UUID) -> AdeSyncResult:
        if key == slow_key:
            take_over_job(runtime, Topic.ADE_SYNC)
        return NOTHING_TO_DO

    monkeypatch.setitem(EXTERNAL_HANDLERS, Topic.ADE_SYNC, lambda runtime, row: sync(runtime, outlast_lease, row))
    with capture_logs() as logs:
        assert drain(runtime, Topic.ADE_SYNC, Claimant("slow")) == 2
    [row] = _rows(runtime)
    assert (row.key, row.leased_by) == (str(slow_key), "fast")
    assert logs == [{"event": "worker.lease_lost", "log_level": "warning", "topic": "ade_sync", "jobs": [row.id]}]


def test_a_batch_goes_on_without_the_job_that_another_worker_has_taken_over(runtime: Runtime, engine: Engine) -> None:
    _enqueue(runtime, *(uuid4() for _ in range(5)))
    taken = take_over_after_claim(engine, runtime, Topic.RECONCILE)
    assert drain(runtime, Topic.RECONCILE, Claimant("slow")) == 5
    assert [(row.id, row.leased_by) for row in _rows(runtime)] == [(taken[0].id, "fast")]


def test_a_failure_after_the_lease_is_lost_is_not_recorded_on_the_job(runtime: Runtime, engine: Engine) -> None:
    _enqueue(runtime, "not a uuid", "nor this")
    take_over_after_claim(engine, runtime, Topic.RECONCILE)
    drain(runtime, Topic.RECONCILE, Claimant("slow"))
    taken, failed = _rows(runtime)
    assert (taken.leased_by, taken.last_error) == ("fast", None)
    assert (failed.leased_by, failed.attempts, "ValueError" in (failed.last_error or "")) == (None, 1, True)


@pytest.mark.parametrize("topic", [Topic.NOTICE, Topic.ACCOUNT_LINK, Topic.APP_REQUEST_MAIL])
def test_a_job_for_an_external_service_that_fails_blocks_no_other(runtime: Runtime, clock: ManualClock, topic: Topic) -> None:
    _enqueue(runtime, "not a uuid", topic=topic)
    clock.advance(timedelta(seconds=1))
    _enqueue(runtime, uuid4().hex * 2 if topic is Topic.APP_REQUEST_MAIL else uuid4(), topic=topic)
    assert drain(runtime, topic) == 2
    [failed] = _rows(runtime)
    assert (failed.key, failed.attempts, "ValueError" in (failed.last_error or "")) == ("not a uuid", 1, True)
    assert failed.not_before > clock.now(), "it is tried again later"


def test_a_worker_that_ends_gives_its_jobs_back(runtime: Runtime, clock: ManualClock) -> None:
    _enqueue(runtime, "a", "b")
    _claim(runtime, "ends")
    clock.advance(timedelta(seconds=1))
    with runtime.open_unit_of_work() as work:  # "b" is wanted again meanwhile, more urgently and later
        work.enqueue_job(Topic.RECONCILE, "b", lane=JobLane.URGENT, not_before=work.now + timedelta(hours=1))
        assert give_back_jobs(work.session, "ends") == 2
    rows = _rows(runtime)
    assert [(row.key, row.lane, row.not_before) for row in rows] == [
        ("a", JobLane.NORMAL, clock.now() - timedelta(seconds=1)),
        ("b", JobLane.URGENT, clock.now() - timedelta(seconds=1)),
    ]
    assert [row.attempts for row in rows] == [0, 0], "a job that was given back has not been tried"


def test_a_job_that_kills_its_workers_is_parked(runtime: Runtime, clock: ManualClock) -> None:
    _enqueue(runtime, "deadly")
    for _ in range(MAX_ATTEMPTS):
        assert len(_claim(runtime, "dies")) == 1
        clock.advance(LEASE + timedelta(seconds=1))
    assert _claim(runtime, "next") == []
    [row] = _rows(runtime)
    assert (row.parked_at, row.last_error) == (clock.now(), WORKER_LOST)


def test_a_failing_job_blocks_no_other_and_halves_its_batch(runtime: Runtime, engine: Engine) -> None:
    _enqueue(runtime, "not a uuid", *(uuid4() for _ in range(127)))
    transactions = 0

    def count(_connection: object) -> None:
        nonlocal transactions
        transactions += 1

    event.listen(engine, "begin", count)
    drain(runtime, Topic.RECONCILE)
    event.remove(engine, "begin", count)
    [remaining] = _rows(runtime)
    assert remaining.key == "not a uuid"
    assert "ValueError" in (remaining.last_error or "")
    assert transactions < 25, "128 jobs are halved seven times, not tried one by one"


def test_a_drain_ends_when_its_budget_is_used(runtime: Runtime) -> None:
    _enqueue(runtime, *(uuid4() for _ in range(BATCH_SIZES[Topic.RECONCILE] + 1)))
    assert drain(runtime, Topic.RECONCILE, budget=timedelta(0)) == BATCH_SIZES[Topic.RECONCILE]
    assert drain(runtime, Topic.RECONCILE, budget=timedelta(0)) == 1


def test_each_topic_is_drained_by_a_kind_of_work_and_has_a_handler() -> None:
    assert {topic for plan in PLANS.values() for topic in plan.topics} == set(Topic)
    assert HANDLERS.keys() | EXTERNAL_HANDLERS.keys() | {Topic.PUSH} == set(Topic)
    assert HANDLERS.keys() == BATCH_SIZES.keys()
