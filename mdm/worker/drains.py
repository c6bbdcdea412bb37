"""Draining of outbox topics: claims due jobs in small batches and runs their handlers, each batch in one unit of work.

A batch that fails is halved until the job that fails stands alone: the others are done, and only it is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from cartable.alarms import AlarmKind, raise_alarm
from cartable.conflicts import run_with_retries
from cartable.outages import find_outage
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import ANY_LANE, Claimant, JobLeaseLost, claim_jobs, complete_jobs, record_failure
from cartable.tracing import start_caused_span
from cartable.unit_of_work import Runtime
from mdm.worker.handlers import EXTERNAL_HANDLERS, FALLBACKS, HANDLERS, Handler

log = structlog.get_logger()
#: Jobs of one unit of work. Tablets are reconciled in sets, so that each situation is compiled once.
BATCH_SIZES = {
    Topic.MODES: 1,
    Topic.RECONCILE: 500,
    Topic.COMMAND_RESULT: 50,
    Topic.ENROLLED: 20,
    Topic.RENEW_CERTIFICATE: 20,
    Topic.ALARM: 20,
    Topic.APP_REQUEST: 20,
}


def drain(
    runtime: Runtime,
    topic: Topic,
    claimant: Claimant = ANY_LANE,
    *,
    budget: timedelta | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Process the due jobs of a topic until there are none or `budget` is used up. Returns how many were processed."""
    handle = EXTERNAL_HANDLERS.get(topic) or (lambda runtime, claimant: drain_batch(runtime, topic, claimant))
    ends_at = None if budget is None else time.monotonic() + budget.total_seconds()
    processed = 0
    while True:
        count = handle(runtime, claimant)
        processed += count
        if count == 0 or is_stopping() or (ends_at is not None and time.monotonic() >= ends_at):
            return processed


def drain_batch(runtime: Runtime, topic: Topic, claimant: Claimant) -> int:
    """Process one batch of due jobs. Returns how many were claimed."""
    with runtime.open_unit_of_work() as work:
        rows = claim_jobs(work.session, work.now, topic, BATCH_SIZES[topic], claimant)
    if rows:
        with start_caused_span(f"job.{topic}", [row.traceparent for row in rows], {"job.count": len(rows)}):
            _process(runtime, topic, rows)
    return len(rows)


def _process(runtime: Runtime, topic: Topic, rows: Sequence[OutboxRow], handler: Handler | None = None) -> None:
    try:
        run_with_retries(lambda: _run_handler(runtime, handler or HANDLERS[topic], rows), topic.value)
    except JobLeaseLost:
        log.warning("worker.lease_lost", topic=topic.value, jobs=len(rows))  # rolled back: another worker has the jobs
    except Exception as error:
        if find_outage(error) is not None:
            raise  # the database stores nothing, and nothing is wrong with the jobs
        if len(rows) > 1:
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                _process(runtime, topic, half)
            return
        if handler is None and topic in FALLBACKS:
            log.exception("worker.fallback", topic=topic.value, key=rows[0].key)
            _process(runtime, topic, rows, FALLBACKS[topic])
            return
        with runtime.open_unit_of_work() as work:
            parked = record_failure(work.session, rows[0], work.now, f"{type(error).__name__}: {error}")
            if parked and topic is not Topic.ALARM:
                raise_alarm(work, None, AlarmKind.JOB_PARKED, repeat_after=timedelta(days=1), topic=topic.value)
        log.exception("worker.job_parked" if parked else "worker.job_failed", topic=topic.value, key=rows[0].key)


def _run_handler(runtime: Runtime, handler: Handler, rows: Sequence[OutboxRow]) -> None:
    """Run the handler of a batch and complete its jobs in one transaction."""
    with runtime.open_unit_of_work() as work:
        handler(work, [row.key for row in rows])
        complete_jobs(work.session, rows)
