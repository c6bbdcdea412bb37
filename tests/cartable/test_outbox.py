"""The outbox merges equal waiting jobs, leases running ones, and gives the jobs of a crashed worker to the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from cartable import outbox_figures, outbox_leases
from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet
from mdm.cli import jobs
from tests.support import concurrency
from tests.support.world import TownFactory

LEASE = timedelta(minutes=1)


def test_equal_waiting_jobs_coalesce(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1, 2, 1)
        work.enqueue_job(Topic.PUSH, 2)
    with runtime.open_unit_of_work() as work:
        claimed = outbox_leases.claim_jobs(work.session, work.now, Topic.PUSH, 10)
        assert [row.key for row in claimed] == ["1", "2"]


def test_a_job_that_is_enqueued_while_it_runs_is_run_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
    with runtime.open_unit_of_work() as work:
        outbox_leases.claim_jobs(work.session, work.now, Topic.PUSH, 10)
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, 1)
        assert len(outbox_leases.claim_jobs(work.session, work.now, Topic.PUSH, 10)) == 1


def test_a_job_with_an_expired_lease_is_claimed_again(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a")
    with runtime.open_unit_of_work() as work:
        assert outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)
        assert not outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)
    clock.advance(LEASE * 2)
    with runtime.open_unit_of_work() as work:
        claimed = outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)
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


def _fail(runtime: Runtime, clock: ManualClock, times: int) -> None:
    """Let the one waiting job fail so many times."""
    for _ in range(times):
        clock.advance(outbox_leases.LONGEST_DELAY)
        with runtime.open_unit_of_work() as work:
            (row,) = outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)
        with runtime.open_unit_of_work() as work:
            outbox_leases.record_failure(work.session, row, work.now, "the reason")


def _rows(runtime: Runtime) -> list[OutboxRow]:
    with runtime.open_unit_of_work() as work:
        return list(work.session.scalars(select(OutboxRow)))


def test_of_two_times_the_earlier_is_kept_whichever_comes_first(runtime: Runtime, clock: ManualClock) -> None:
    now = clock.now()
    with runtime.open_unit_of_work() as work:
        tablet_id = TownFactory(work).create_tablet(TownFactory(work).create_town()).id
        work.session.execute(delete(OutboxRow))
        work.enqueue_job(Topic.RECONCILE, tablet_id, not_before=now + timedelta(hours=3))
    with runtime.open_unit_of_work() as work:
        work.enqueue_selected_jobs(Topic.RECONCILE, select(Tablet.id))
    assert [row.not_before for row in _rows(runtime)] == [now]
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, tablet_id, not_before=now + timedelta(hours=3))
    assert [(row.key, row.not_before) for row in _rows(runtime)] == [(str(tablet_id), now)]


def test_a_selected_key_is_spelled_like_a_given_one(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        ids = {TownFactory(work).create_tablet(town).id for _ in range(3)}
        work.session.execute(delete(OutboxRow))
        work.enqueue_selected_jobs(Topic.RECONCILE, select(Tablet.id))
        work.enqueue_job(Topic.RECONCILE, *ids)
    assert {row.key for row in _rows(runtime)} == {str(tablet_id) for tablet_id in ids}
    assert len(_rows(runtime)) == 3


def test_a_job_that_fails_too_often_is_parked_counted_and_released_by_a_person(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a")
    _fail(runtime, clock, outbox_leases.MAX_ATTEMPTS)
    clock.advance(timedelta(days=30))
    with runtime.open_unit_of_work() as work:
        assert outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10) == []
        assert outbox_figures.count_parked_jobs(work.session) == {Topic.RECONCILE: 1}
        assert [row.last_error for row in outbox_figures.list_parked_jobs(work.session)] == ["the reason"]
        assert outbox_figures.get_oldest_due(work.session, work.now) is None
        assert outbox_figures.release_parked_jobs(work.session, work.now, Topic.PUSH) == {}
        assert outbox_figures.release_parked_jobs(work.session, work.now) == {Topic.RECONCILE: 1}
        assert len(outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)) == 1


@pytest.mark.parametrize("selected", [False, True])
def test_a_new_reason_releases_a_parked_job_with_all_its_attempts(
    runtime: Runtime, clock: ManualClock, *, selected: bool
) -> None:
    with runtime.open_unit_of_work() as work:
        tablet_id = TownFactory(work).create_tablet(TownFactory(work).create_town()).id
        work.session.execute(delete(OutboxRow))
        work.enqueue_job(Topic.RECONCILE, tablet_id)
    _fail(runtime, clock, outbox_leases.MAX_ATTEMPTS)
    with runtime.open_unit_of_work() as work:
        if selected:
            work.enqueue_selected_jobs(Topic.RECONCILE, select(Tablet.id))
        else:
            work.enqueue_job(Topic.RECONCILE, tablet_id)
    with runtime.open_unit_of_work() as work:
        assert [row.attempts for row in outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)] == [1]
        assert outbox_figures.count_parked_jobs(work.session) == {}


def test_a_job_that_failed_gives_its_earlier_time_to_the_one_that_waits(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a")
    with runtime.open_unit_of_work() as work:
        (running,) = outbox_leases.claim_jobs(work.session, work.now, Topic.RECONCILE, 10)
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a", not_before=work.now + timedelta(hours=3))
        outbox_leases.record_failure(work.session, running, work.now, "the reason")
    (waiting,) = _rows(runtime)
    assert waiting.not_before == clock.now() + timedelta(seconds=2)


def test_a_job_is_given_back_while_another_transaction_adds_the_same(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.PUSH, "7")
    with runtime.open_unit_of_work() as work:
        claimed = outbox_leases.claim_jobs(work.session, work.now, Topic.PUSH, 1)

    concurrency.run_overlapping(
        runtime,
        lambda work: work.enqueue_job(Topic.PUSH, "7"),
        lambda work: outbox_leases.return_jobs(work.session, claimed),
    )

    with runtime.open_unit_of_work() as work:
        assert [row.lease_until for row in work.session.scalars(select(OutboxRow))] == [None]


def test_a_job_that_waits_for_a_service_outside_is_never_parked(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.LICENCE_SYNC, "a")
    for _ in range(outbox_leases.MAX_ATTEMPTS + 3):
        with runtime.open_unit_of_work() as work:
            (row,) = outbox_leases.claim_jobs(work.session, work.now, Topic.LICENCE_SYNC, 10)
            outbox_leases.postpone_job(work.session, row, work.now + timedelta(hours=1), "unreachable")
        clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        assert outbox_figures.count_parked_jobs(work.session) == {}


def test_the_operator_lists_and_retries_parked_jobs(
    runtime: Runtime, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "a")
    _fail(runtime, clock, outbox_leases.MAX_ATTEMPTS)
    assert jobs.list_parked(runtime) == 3
    assert "reconcile  a  the reason" in capsys.readouterr().out
    assert jobs.retry_parked(runtime, None) == 0
    assert "reconcile: 1" in capsys.readouterr().out
    assert jobs.list_parked(runtime) == 0
