"""Handlers of the outbox topics: each batch of jobs in its own unit of work. They call services and hold no rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from cartable import outbox
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade import service as ade
from enrollment.joining.apple_school_manager import service as apple_school_manager
from mdm.care.lost_mode import service as lost_mode
from mdm.care.restores.service import advance_timeline, notice_restore_by_certificates
from mdm.push.service import send_due_pushes
from mdm.queue.service import CERTIFICATE_EVIDENCE
from mdm.reconcile import renewals
from mdm.reconcile import service as reconcile
from mdm.worker.results import apply_results
from profiles.apps.apps_and_books.service import sync_licences as synchronise_licences

log = structlog.get_logger()
#: How long a claimed job is reserved for this worker.
LEASE = timedelta(minutes=2)
LONG_LEASE = timedelta(minutes=30)
#: The longest pause that is granted to an external service that asks for one.
MAX_WAIT = timedelta(days=1)
#: Jobs of one unit of work. Tablets are reconciled in sets, so that each situation is compiled once.
BATCH_SIZES = {
    Topic.RECONCILE: 200,
    Topic.COMMAND_RESULT: 50,
    Topic.ENROLLED: 50,
    Topic.RENEW_CERTIFICATE: 50,
    Topic.ALARM: 50,
}


def handle_results(work: UnitOfWork, keys: list[str]) -> None:
    """Apply the stored results of commands."""
    apply_results(work, [int(key) for key in keys])


def handle_decisions(work: UnitOfWork, keys: list[str]) -> None:
    """Reconcile tablets with their desired state."""
    reconcile.reconcile_tablets(work, [UUID(key) for key in keys])


def handle_enrollments(work: UnitOfWork, keys: list[str]) -> None:
    """Enqueue the first commands of new enrollments, and lost mode again where a case is open."""
    for key in keys:
        tablet_id = reconcile.on_enrolled(work, int(key))
        if tablet_id is not None:
            lost_mode.reapply_lost_mode(work, tablet_id)


def handle_renewals(work: UnitOfWork, keys: list[str]) -> None:
    """Renew certificates that are due."""
    for key in keys:
        renewals.renew_identity(work, int(key))


def leave_alarms_in_the_log(_work: UnitOfWork, _keys: list[str]) -> None:
    """Send nothing: alarms are in the log, the API and the console, and no address outside is known."""


HANDLERS: dict[Topic, Callable[[UnitOfWork, list[str]], None]] = {
    Topic.ALARM: leave_alarms_in_the_log,
    Topic.COMMAND_RESULT: handle_results,
    Topic.RECONCILE: handle_decisions,
    Topic.ENROLLED: handle_enrollments,
    Topic.RENEW_CERTIFICATE: handle_renewals,
}


class SyncOutcome(Protocol):
    """Result of a synchronization with an external service: what failed, and how many seconds the service asks to wait."""

    @property
    def error(self) -> str | None: ...

    @property
    def retry_after(self) -> float | None: ...


def sync_due(runtime: Runtime, topic: Topic, synchronise: Callable[[Runtime, UUID], SyncOutcome], lease: timedelta) -> int:
    """Synchronize the due towns or servers with an external service. A failed one is retried later and delays no other.

    Returns how many were due.
    """
    with runtime.open_unit_of_work() as work:
        rows = outbox.claim_jobs(work.session, work.now, topic, 20, lease)
    for row in rows:
        failure, retry_after = _sync_once(runtime, synchronise, row)
        with runtime.open_unit_of_work() as work:
            if failure is None:
                outbox.complete_jobs(work.session, [row])
            else:
                wait = max(timedelta(seconds=min(2**row.attempts, 3600)), timedelta(seconds=retry_after or 0))
                outbox.postpone_job(work.session, row.id, work.now + min(wait, MAX_WAIT), failure)
    return len(rows)


def _sync_once(
    runtime: Runtime, synchronise: Callable[[Runtime, UUID], SyncOutcome], row: OutboxRow
) -> tuple[str | None, float | None]:
    try:
        outcome = synchronise(runtime, UUID(row.key))
    except Exception as error:
        log.exception("worker.job_failed", topic=row.topic.value, key=row.key)
        return f"{type(error).__name__}: {error}", None
    return outcome.error, outcome.retry_after


class _LicenceSyncOutcome(NamedTuple):
    error: str | None
    retry_after: float | None


def _sync_licences(runtime: Runtime, town_id: UUID) -> _LicenceSyncOutcome:
    result = synchronise_licences(runtime, town_id)
    return _LicenceSyncOutcome(result.problem, result.retry_after)


def sync_due_licences(runtime: Runtime) -> int:
    """Synchronize licences with Apps and Books. Returns how many towns were due."""
    return sync_due(runtime, Topic.LICENCE_SYNC, _sync_licences, LEASE)


def sync_due_assignments(runtime: Runtime) -> int:
    """Synchronize the devices that Apple assigns to ADE servers; the first one takes minutes. Returns how many were due."""
    return sync_due(runtime, Topic.ADE_SYNC, ade.sync_server, LONG_LEASE)


def sync_due_organisations(runtime: Runtime) -> int:
    """Synchronize the devices that organisations own in Apple School Manager. Returns how many were due."""
    return sync_due(runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC, apple_school_manager.sync_organisation, LONG_LEASE)


def advance_timeline_once(runtime: Runtime) -> int:
    """Advance the timeline after orders that cannot be taken back, once for all of them. Returns how many jobs there were."""
    with runtime.open_unit_of_work() as work:
        rows = outbox.claim_jobs(work.session, work.now, Topic.TIMELINE, 20, LEASE)
    if rows:
        advance_timeline(runtime)
        if any(row.key == CERTIFICATE_EVIDENCE for row in rows):
            notice_restore_by_certificates(runtime)
        with runtime.open_unit_of_work() as work:
            outbox.complete_jobs(work.session, rows)
    return len(rows)


#: Handlers that open their own units of work: those that call external services, and never during a call.
_EXTERNAL_HANDLERS: dict[Topic, Callable[[Runtime], int]] = {
    Topic.PUSH: send_due_pushes,
    Topic.LICENCE_SYNC: sync_due_licences,
    Topic.ADE_SYNC: sync_due_assignments,
    Topic.APPLE_SCHOOL_MANAGER_SYNC: sync_due_organisations,
    Topic.TIMELINE: advance_timeline_once,
}


def drain(runtime: Runtime, topic: Topic) -> int:
    """Process the due jobs of a topic until there are none. Returns how many were processed."""
    processed = 0
    while True:
        count = _EXTERNAL_HANDLERS[topic](runtime) if topic in _EXTERNAL_HANDLERS else _drain_batch(runtime, topic)
        processed += count
        if count == 0:
            return processed


def _drain_batch(runtime: Runtime, topic: Topic) -> int:
    with runtime.open_unit_of_work() as work:
        rows = outbox.claim_jobs(work.session, work.now, topic, BATCH_SIZES[topic], LEASE)
    if rows and not _attempt(runtime, topic, rows) and len(rows) > 1:
        for row in rows:  # a failing job must not block the others
            _attempt(runtime, topic, [row])
    return len(rows)


def _attempt(runtime: Runtime, topic: Topic, rows: list[OutboxRow]) -> bool:
    try:
        with runtime.open_unit_of_work() as work:
            HANDLERS[topic](work, [row.key for row in rows])
            outbox.complete_jobs(work.session, rows)
    except Exception as error:
        if len(rows) == 1:
            with runtime.open_unit_of_work() as work:
                parked = outbox.record_failure(work.session, rows[0].id, work.now, f"{type(error).__name__}: {error}")
            log.exception("worker.job_parked" if parked else "worker.job_failed", topic=topic.value, key=rows[0].key)
        return False
    return True
