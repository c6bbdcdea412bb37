"""The schedule: each job runs once whatever the number of workers, never twice at a time, and once for all that was missed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable.clock import ManualClock
from cartable.outbox_leases import LEASE
from cartable.scheduled_jobs import (
    ScheduledJob,
    add_missing_jobs,
    claim_due_job,
    finish_job,
    give_back_scheduled_jobs,
    list_failing_jobs,
)
from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch
from mdm.worker.schedule import HOUSEKEEPING, INTERVALS
from mdm.worker.scheduler import prepare_schedule, run_due_job

_INTERVALS = {"tick": timedelta(minutes=1)}


def _claim(runtime: Runtime, worker: str) -> str | None:
    with runtime.open_unit_of_work() as work:
        job = claim_due_job(work.session, _INTERVALS, work.now, LEASE, worker)
        return job.name if job is not None else None


def _finish(runtime: Runtime, worker: str, error: str | None = None) -> None:
    with runtime.open_unit_of_work() as work:
        finish_job(work.session, "tick", worker, work.now, error)


@pytest.fixture
def prepared(runtime: Runtime) -> Runtime:
    with runtime.open_unit_of_work() as work:
        for _ in range(2):
            add_missing_jobs(work.session, ["tick"], work.now)
    return runtime


def test_each_job_has_an_interval() -> None:
    assert HOUSEKEEPING.keys() == INTERVALS.keys()


def test_a_job_runs_once_whatever_the_number_of_workers(prepared: Runtime) -> None:
    assert [_claim(prepared, name) for name in "ab"] == ["tick", None]


def test_a_long_run_is_not_overlapped_and_what_was_missed_runs_once(prepared: Runtime, clock: ManualClock) -> None:
    assert _claim(prepared, "a") == "tick"
    for _ in range(5):
        clock.advance(LEASE * 0.9)
        with prepared.open_unit_of_work() as work:
            work.session.query(ScheduledJob).update({"lease_until": work.now + LEASE})  # the heartbeat of "a"
        assert _claim(prepared, "b") is None
    _finish(prepared, "a")
    assert [_claim(prepared, "b"), _claim(prepared, "a")] == ["tick", None]


def test_another_worker_takes_over_when_one_dies_or_ends(prepared: Runtime, clock: ManualClock) -> None:
    assert _claim(prepared, "dies") == "tick"
    clock.advance(timedelta(minutes=1))
    assert _claim(prepared, "ends") == "tick"
    _finish(prepared, "dies")  # its answer comes too late and changes nothing
    assert _claim(prepared, "third") is None
    with prepared.open_unit_of_work() as work:
        give_back_scheduled_jobs(work.session, ["ends"], work.now)
    assert _claim(prepared, "third") == "tick"


def test_a_failing_job_is_shown_until_it_succeeds(prepared: Runtime, clock: ManualClock) -> None:
    _claim(prepared, "a")
    _finish(prepared, "a", "ValueError: odd")
    with prepared.open_unit_of_work() as work:
        assert [(job.failures, job.last_error) for job in list_failing_jobs(work.session)] == [(1, "ValueError: odd")]
    clock.advance(timedelta(minutes=1))
    _claim(prepared, "a")
    _finish(prepared, "a")
    with prepared.open_unit_of_work() as work:
        assert list_failing_jobs(work.session) == []


def test_every_job_of_the_schedule_runs(runtime: Runtime) -> None:
    prepare_schedule(runtime)
    runs = 0
    watch = TimelineWatch(runtime)
    while run_due_job(runtime, watch, "a"):
        runs += 1
    assert runs == len(HOUSEKEEPING)
    with runtime.open_unit_of_work() as work:
        assert list_failing_jobs(work.session) == []
