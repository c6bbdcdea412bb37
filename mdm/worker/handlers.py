"""The handlers of the outbox topics. They call services and hold no rules; `drains` gives them their jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import complete_jobs, postpone_job
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade import syncing
from enrollment.joining.apple_school_manager import service as apple_school_manager
from mdm.care.lost_mode import service as lost_mode
from mdm.care.restores.service import advance_timeline, notice_restore_by_certificates
from mdm.notices.app_request_mails import plan_request_mails, send_request_mail
from mdm.notices.audit_roots import post_root
from mdm.notices.link_mails import send_link_mail
from mdm.notices.sending import send_notice
from mdm.notices.service import plan_notices
from mdm.queue.service import CERTIFICATE_EVIDENCE
from mdm.reconcile import mode_switch, renewals
from mdm.reconcile import service as reconcile
from mdm.worker.results import apply_results
from profiles.apps.apps_and_books.sync import sync_licences as synchronise_licences
from profiles.filters.list_updates import update_lists

log = structlog.get_logger()
#: The longest pause that is granted to an external service that asks for one.
MAX_WAIT = timedelta(days=1)


def handle_results(work: UnitOfWork, keys: list[str]) -> None:
    """Apply the stored results of commands."""
    apply_results(work, [int(key) for key in keys])


def handle_decisions(work: UnitOfWork, keys: list[str]) -> None:
    """Reconcile tablets with their desired state."""
    reconcile.reconcile_tablets(work, [UUID(key) for key in keys])


def handle_due_modes(work: UnitOfWork, keys: list[str]) -> None:
    """Bring the tablets of towns into their next mode."""
    for key in keys:
        mode_switch.switch_modes(work, UUID(key))


def handle_enrollments(work: UnitOfWork, keys: list[str]) -> None:
    """Enqueue the first commands of new enrollments, and lost mode again where a case is open."""
    for key in keys:
        tablet_id = reconcile.on_enrolled(work, int(key))
        if tablet_id is not None:
            lost_mode.reapply_lost_mode(work, tablet_id)
            work.enqueue_job(Topic.PUSH, key, lane=JobLane.URGENT)  # somebody holds the tablet in their hands


def handle_renewals(work: UnitOfWork, keys: list[str]) -> None:
    """Renew certificates that are due."""
    for key in keys:
        renewals.renew_identity(work, int(key))


def handle_alarms(work: UnitOfWork, keys: list[str]) -> None:
    """Plan the notices of alarms."""
    plan_notices(work, [UUID(key) for key in keys])


def handle_app_requests(work: UnitOfWork, keys: list[str]) -> None:
    """Plan the mails about requests for apps."""
    plan_request_mails(work, [UUID(key) for key in keys])


def decide_due_modes(work: UnitOfWork, keys: list[str]) -> None:
    """Have every tablet of towns whose mode is due decided in full, each by a job of its own."""
    for key in keys:
        mode_switch.decide_due_tablets(work, UUID(key))


Handler = Callable[[UnitOfWork, list[str]], None]
HANDLERS: dict[Topic, Handler] = {
    Topic.ALARM: handle_alarms,
    Topic.APP_REQUEST: handle_app_requests,
    Topic.COMMAND_RESULT: handle_results,
    Topic.MODES: handle_due_modes,
    Topic.RECONCILE: handle_decisions,
    Topic.ENROLLED: handle_enrollments,
    Topic.RENEW_CERTIFICATE: handle_renewals,
}


#: Handlers that take a job over that its own one failed at: one tablet must not keep a town in its mode.
FALLBACKS: dict[Topic, Handler] = {Topic.MODES: decide_due_modes}


class SyncOutcome(Protocol):
    """Result of a synchronization with an external service: what failed, and how many seconds the service asks to wait."""

    @property
    def error(self) -> str | None: ...

    @property
    def retry_after(self) -> float | None: ...


def sync(runtime: Runtime, synchronise: Callable[[Runtime, UUID], SyncOutcome], row: OutboxRow) -> None:
    """Synchronize a town or server with an external service, then complete its job, or postpone it when that failed."""
    failure, retry_after = _sync_once(runtime, synchronise, row)
    with runtime.open_unit_of_work() as work:
        if failure is None:
            complete_jobs(work.session, [row])
        else:
            wait = max(timedelta(seconds=min(2**row.attempts, 3600)), timedelta(seconds=retry_after or 0))
            postpone_job(work.session, row, work.now + min(wait, MAX_WAIT), failure)


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


def _sync_licences(runtime: Runtime, token_id: UUID) -> _LicenceSyncOutcome:
    result = synchronise_licences(runtime, token_id)
    return _LicenceSyncOutcome(result.error, result.retry_after)


def _handle_licence_sync(runtime: Runtime, row: OutboxRow) -> None:
    sync(runtime, _sync_licences, row)


def _handle_ade_sync(runtime: Runtime, row: OutboxRow) -> None:
    sync(runtime, syncing.sync_server, row)


def _handle_organisation_sync(runtime: Runtime, row: OutboxRow) -> None:
    sync(runtime, apple_school_manager.sync_organisation, row)


def _handle_filter_lists(runtime: Runtime, row: OutboxRow) -> None:
    sync(runtime, update_lists, row)


def _handle_timeline(runtime: Runtime, row: OutboxRow) -> None:
    """Advance the timeline after acts that cannot be taken back: one job stands for all that were done until it began."""
    advance_timeline(runtime)
    if row.key == CERTIFICATE_EVIDENCE:
        notice_restore_by_certificates(runtime)
    with runtime.open_unit_of_work() as work:
        complete_jobs(work.session, [row])


#: Handlers of one job each that open their own units of work, none during a call to an external service. They complete or postpone
#: their job, or raise `JobLeaseLost`; what they raise else counts as a failure of the job.
ExternalHandler = Callable[[Runtime, OutboxRow], None]
EXTERNAL_HANDLERS: dict[Topic, ExternalHandler] = {
    Topic.LICENCE_SYNC: _handle_licence_sync,
    Topic.ADE_SYNC: _handle_ade_sync,
    Topic.APPLE_SCHOOL_MANAGER_SYNC: _handle_organisation_sync,
    Topic.FILTER_LISTS: _handle_filter_lists,
    Topic.TIMELINE: _handle_timeline,
    Topic.NOTICE: send_notice,
    Topic.ACCOUNT_LINK: send_link_mail,
    Topic.APP_REQUEST_MAIL: send_request_mail,
    Topic.AUDIT_ROOT: post_root,
}
