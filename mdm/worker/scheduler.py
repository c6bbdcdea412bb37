"""Runs the due jobs of the schedule. When each is due stands in the database, so any number of processes may run this."""

from __future__ import annotations

import structlog

from cartable.conflicts import run_with_retries
from cartable.outbox_leases import LEASE
from cartable.scheduled_jobs import add_missing_jobs, claim_due_job, finish_job
from cartable.tracing import start_span
from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch
from mdm.worker.schedule import DECIDED_BY_CLOCK, HOUSEKEEPING, INTERVALS

log = structlog.get_logger()


def prepare_schedule(runtime: Runtime) -> None:
    """Make sure that each job of the schedule has its row."""
    with runtime.open_unit_of_work() as work:
        add_missing_jobs(work.session, list(HOUSEKEEPING), work.now)


def run_due_job(runtime: Runtime, watch: TimelineWatch, worker: str) -> bool:
    """Run the job of the schedule that has been due longest. Returns False when none is due."""
    with runtime.open_unit_of_work() as work:
        job = claim_due_job(work.session, INTERVALS, work.now, LEASE, worker)
    if job is None:
        return False
    failure = None
    try:
        with start_span(f"schedule.{job.name}"):
            run_with_retries(lambda: run_housekeeping(runtime, watch, job.name), job.name)
    except Exception as error:
        log.exception("worker.housekeeping_failed", name=job.name)
        failure = f"{type(error).__name__}: {error}"
    with runtime.open_unit_of_work() as work:
        finish_job(work.session, job.name, worker, work.now, failure)
    return True


def run_housekeeping(runtime: Runtime, watch: TimelineWatch, name: str) -> bool:
    """Run one job of the schedule and return True; a job that the clock decides waits while the clock is not trusted."""
    if name in DECIDED_BY_CLOCK:
        with runtime.open_unit_of_work() as work:
            trusted = watch.may_trust_clock(work)
        if not trusted:
            log.warning("worker.housekeeping_waits_for_clock", name=name)
            return False
    with runtime.open_unit_of_work() as work:
        HOUSEKEEPING[name](work)
    log.debug("worker.housekeeping_done", name=name)
    return True
