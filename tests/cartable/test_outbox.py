"""The outbox merges equal waiting jobs, leases running ones, and gives the jobs of a crashed worker to the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable import outbox
from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.unit_of_work import Runtime

LEASE = timedelta(minutes=1)


def test_equal_waiting_jobs_coalesce(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1, 2, 1)
        work.enqueue_job(Topic.PUSH, 2)
    with runtime.open_unit_of_work() as work:
        claimed = outbox.claim_jobs(work.session, work.now, Topic.PUSH, 10, LEASE)
        assert [row.key for row in claimed] == ["1", "2"]


def test_a_job_that_is_enqueued_while_it_runs_is_run_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
    with runtime.open_unit_of_work() as work:
        outbox.claim_jobs(work.session, work.now, Topic.PUSH, 10, LEASE)
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
        assert len(outbox.claim_jobs(work.session, work.now, Topic.PUSH, 10, LEASE)) == 1


def test_a_job_with_an_expired_lease_is_claimed_again(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a")
    with runtime.open_unit_of_work() as work:
        assert outbox.claim_jobs(work.session, work.now, Topic.RECONCILE, 10, LEASE)
        assert not outbox.claim_jobs(work.session, work.now, Topic.RECONCILE, 10, LEASE)
    clock.advance(LEASE * 2)
    with runtime.open_unit_of_work() as work:
        claimed = outbox.claim_jobs(work.session, work.now, Topic.RECONCILE, 10, LEASE)
        assert [row.attempts for row in claimed] == [2]


def test_the_worker_is_notified_only_after_the_commit(runtime: Runtime) -> None:
    notified: list[Topic] = []
    runtime.notify_worker = notified.append
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
        assert notified == []
    assert notified == [Topic.PUSH]
    with pytest.raises(LookupError), runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, 1)
        raise LookupError
    assert notified == [Topic.PUSH]
