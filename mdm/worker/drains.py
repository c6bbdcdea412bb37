"""Draining of outbox topics: claims due jobs and runs their handlers, in small batches of one unit of work, or one by one for what calls
external services.

A batch that fails is halved until the job that fails stands alone: the others are done, and only it is tried again later. A job whose
lease was lost is left to its new owner, and no other waits for it.
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
from cartable.outbox_leases import (
    ANY_LANE,
    Claimant,
    JobLeaseLost,
    claim_jobs,
    complete_jobs,
    process_while_leased,
    record_failure,
)
from cartable.tracing import start_caused_span
from cartable.unit_of_work import Runtime
from mdm.push.service import send_due_pushes
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
    ends_at = None if budget is None else time.monotonic() + budget.total_seconds()
    processed = 0
    while True:
        count = _drain_once(runtime, topic, claimant)
        processed += count
        if count == 0 or is_stopping() or (ends_at is not None and time.monotonic() >= ends_at):
            return processed


def _drain_once(runtime: Runtime, topic: Topic, claimant: Claimant) -> int:
    """Process one batch of due jobs, or one job that calls an external service. Returns how many were claimed."""
    if topic is Topic.PUSH:
        return send_due_pushes(runtime, claimant)  # claims as many as its pace allows
    process = _call_external if topic in EXTERNAL_HANDLERS else _process
    with runtime.open_unit_of_work() as work:
        rows = claim_jobs(work.session, work.now, topic, BATCH_SIZES.get(topic, 1), claimant)
    if rows:
        with start_caused_span(f"job.{topic}", [row.traceparent for row in rows], {"job.count": len(rows)}):
            process_while_leased(rows, lambda leased: process(runtime, topic, leased))
    return len(rows)


def _call_external(runtime: Runtime, topic: Topic, rows: Sequence[OutboxRow]) -> None:
    """Run the handler of a job, which ends it. Raises `JobLeaseLost`."""
    [row] = rows
    try:
        EXTERNAL_HANDLERS[topic](runtime, row)
    except JobLeaseLost:
        raise
    except Exception as error:
        if find_outage(error) is not None:
            raise
        _record_failure(runtime, row, error)


def _process(runtime: Runtime, topic: Topic, rows: Sequence[OutboxRow], handler: Handler | None = None) -> None:
    """Run the handler of a batch, and of its halves where that fails. Raises `JobLeaseLost`."""
    try:
        run_with_retries(lambda: _run_handler(runtime, handler or HANDLERS[topic], rows), topic.value)
    except JobLeaseLost:
        raise
    except Exception as error:
        if find_outage(error) is not None:
            raise  # the database stores nothing, and nothing is wrong with the jobs
        if len(rows) > 1:
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                process_while_leased(half, lambda leased: _process(runtime, topic, leased))
        elif handler is None and topic in FALLBACKS:
            log.exception("worker.fallback", topic=topic.value, key=rows[0].key)
            _process(runtime, topic, rows, FALLBACKS[topic])
        else:
            _record_failure(runtime, rows[0], error)


def _record_failure(runtime: Runtime, row: OutboxRow, error: Exception) -> None:
    """Let a job that failed be tried again later, or park it. Raises `JobLeaseLost`."""
    with runtime.open_unit_of_work() as work:
        is_parked = record_failure(work.session, row, work.now, f"{type(error).__name__}: {error}")
        if is_parked and row.topic is not Topic.ALARM:
            raise_alarm(work, None, AlarmKind.JOB_PARKED, repeat_after=timedelta(days=1), topic=row.topic.value)
    log.error("worker.job_parked" if is_parked else "worker.job_failed", topic=row.topic.value, key=row.key, exc_info=error)


def _run_handler(runtime: Runtime, handler: Handler, rows: Sequence[OutboxRow]) -> None:
    """Run the handler of a batch and complete its jobs in one transaction."""
    with runtime.open_unit_of_work() as work:
        handler(work, [row.key for row in rows])
        complete_jobs(work.session, rows)
