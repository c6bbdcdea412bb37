"""Applies the results of commands about apps: what was ordered, refused, installed, declined or removed on a tablet.

What a tablet's answers and reports mean is in `app_outcomes`. The reason of a failure stays until the tablet reports something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.protocol.commands.apps import MANAGED, InstallApplication, InstallApplicationResponse, RemoveApplication
from mdm.protocol.commands.queries import InstalledApplicationList, ManagedApplicationList
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.app_outcomes import (
    KEEPS_INSTALLED,
    AppReport,
    InstallOutcome,
    InstallVerdict,
    Presence,
    get_retry_delay,
    judge_installation,
    read_installed_app,
    read_managed_status,
)
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences

#: How often the installation of an app is tried.
MAX_ATTEMPTS = 5
POLL_DELAYS = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))
#: After this time it is tried again to manage an app that a person had installed.
RECHECK_UNMANAGED_AFTER = timedelta(days=7)


def handle_install_application(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Apply the result of an InstallApplication command. An acknowledgement means that it was accepted, not that the app is installed."""
    command = outcome.command
    if not isinstance(command, InstallApplication):
        return
    for row, app in ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id):
        is_ordered = (command.itunes_store_id, command.manifest_url) == (app.app_store_id, app.manifest_url)
        if is_ordered and row.state not in (AppState.REMOVING, AppState.INSTALLED):
            _apply_order_result(work, outcome, command, row)


def _apply_order_result(work: UnitOfWork, outcome: CommandWithResult, command: InstallApplication, row: TabletApp) -> None:
    response = outcome.result if isinstance(outcome.result, InstallApplicationResponse) else None
    rejection = response.rejection if response is not None else None
    if outcome.succeeded and rejection is None:
        if row.reason is AppReason.NO_LICENCE:
            row.attempts = 0  # the licence has arrived; the attempts without it say nothing about the installation
        _set_state(work, row, AppState.INSTALLING, AppReason.INSTALLING)
        _enqueue_status_poll(work, outcome, row.attempts)
        return
    verdict = judge_installation(rejection, outcome.error_chain)
    row.detail = _describe(outcome, rejection)
    match verdict.outcome:
        case InstallOutcome.ALREADY_INSTALLED if command.change_management_state is None:
            _set_state(work, row, AppState.INSTALLING, verdict.reason)
            takeover = replace(command, change_management_state=MANAGED)
            queue.enqueue_command(work, SYSTEM, takeover, [outcome.enrollment_id], reason="the app was installed by a person")
        case InstallOutcome.ALREADY_INSTALLED | InstallOutcome.NOT_MANAGEABLE:
            _set_installed(work, row, AppReason.NOT_MANAGED)
        case InstallOutcome.PENDING:
            _set_state(work, row, AppState.INSTALLING, verdict.reason)
            _enqueue_status_poll(work, outcome, row.attempts)
        case InstallOutcome.POSTPONED:
            _set_state(work, row, AppState.WAITING, verdict.reason)
            work.enqueue_job(Topic.RECONCILE, outcome.tablet_id, not_before=work.now + POLL_DELAYS[-1])
        case InstallOutcome.REJECTED:
            _set_state(work, row, AppState.FAILED, verdict.reason)
        case InstallOutcome.FAILED:
            _retry_install(work, outcome, row, verdict)


def _describe(outcome: CommandWithResult, rejection: str | None) -> str | None:
    """Return what the tablet reported, for the people who look into it."""
    parts = [rejection, *(f"{error.code} {error.description}".strip() for error in outcome.error_chain[-1:])]
    return " · ".join(part for part in parts if part)[:300] or (outcome.error or "")[:300] or None


def _retry_install(work: UnitOfWork, outcome: CommandWithResult, row: TabletApp, verdict: InstallVerdict) -> None:
    """Schedule the next command with a growing delay; after the last attempt the app is failed.

    Where a licence is missing, those of the town are compared with Apple's before the next command.
    """
    if verdict.reason is AppReason.NO_LICENCE:
        licences.enqueue_licence_sync(work, row.app_id, row.tablet_id)
    row.attempts += 1
    delay = get_retry_delay(verdict.reason, row.attempts)
    if delay is None:
        _set_state(work, row, AppState.FAILED, verdict.reason)
        return
    _set_state(work, row, AppState.WAITING, verdict.reason)
    work.enqueue_job(Topic.RECONCILE, outcome.tablet_id, not_before=work.now + delay)


def handle_remove_application(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Forget a removed app. An app that was not installed is reported as an Error, which has the same effect."""
    command = outcome.command
    if not isinstance(command, RemoveApplication):
        return
    for row, app in ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id):
        if app.bundle_identifier == command.identifier and row.state is AppState.REMOVING:
            _forget_app(work, row)


def handle_managed_list(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Apply the status of each managed app; while apps are being installed, ask again later."""
    if not outcome.succeeded or not isinstance(outcome.result, dict):
        return
    statuses = {name: str(item.get("Status")) for name, item in outcome.result.items()}
    reports = {name: read_managed_status(item) for name, item in outcome.result.items()}
    _apply_reports(work, outcome, reports, {name for name, status in statuses.items() if status in KEEPS_INSTALLED})
    rows = ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id)
    pending = [row.attempts for row, _ in rows if row.state is AppState.INSTALLING]
    if pending:
        _enqueue_status_poll(work, outcome, min(pending))


def handle_installed_list(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Apply the list of managed apps. A list of all apps, which a person asked for, does not say how far an installation is."""
    command = outcome.command
    if not isinstance(command, InstalledApplicationList) or not command.managed_apps_only:
        return
    if outcome.succeeded and isinstance(outcome.result, list):
        _apply_reports(work, outcome, {str(app.get("Identifier")): read_installed_app(app) for app in outcome.result}, set())


def _apply_reports(
    work: UnitOfWork, outcome: CommandWithResult, reports: Mapping[str, AppReport], updates_declined: set[str]
) -> None:
    rows = ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id)
    _record_unknown_apps(work, outcome, reports, {app.bundle_identifier for _, app in rows})
    for row, app in rows:
        if app.bundle_identifier in updates_declined and row.state is AppState.INSTALLED:
            continue
        report = reports.get(app.bundle_identifier)
        if row.state is AppState.REMOVING:
            is_gone = report is None or report.presence is Presence.UNINSTALLED
            if is_gone and isinstance(outcome.command, ManagedApplicationList):
                _forget_app(work, row)
        elif report is None:
            _apply_absence(work, outcome, row)
        else:
            _apply_report(work, outcome, row, report)


def _record_unknown_apps(
    work: UnitOfWork, outcome: CommandWithResult, reports: Mapping[str, AppReport], known: Collection[str]
) -> None:
    """Record managed apps of the town that the tablet has and nothing is known of, so that the next decision removes or keeps them.

    An installation that was ordered before its app was taken away may end after the removal.
    """
    installed = {name for name, report in reports.items() if report.presence is Presence.INSTALLED}
    unknown = installed.difference(known)
    if unknown and ReconcileRepository(work.session).add_installed_apps(outcome.tablet_id, unknown, work.now):
        work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)


def _apply_report(work: UnitOfWork, outcome: CommandWithResult, row: TabletApp, report: AppReport) -> None:
    match report.presence:
        case Presence.INSTALLED:
            _set_installed(work, row, report.reason)
        case Presence.REJECTED:
            _set_state(work, row, AppState.FAILED, report.reason)
        case Presence.FAILED if row.state is not AppState.FAILED:
            reason = row.reason if row.reason in _KNOWN_FAILURES else report.reason
            _retry_install(work, outcome, row, InstallVerdict(InstallOutcome.FAILED, reason))
        case Presence.UNINSTALLED if row.state in (AppState.INSTALLED, AppState.INSTALLING):
            _retry_install(work, outcome, row, InstallVerdict(InstallOutcome.FAILED, report.reason))
        case Presence.INSTALLING if row.state is AppState.INSTALLING:
            row.reason = report.reason
            _count_poll(work, row)
        case _:
            pass  # what waits or has failed is not changed by this


#: Reasons that a later "failed" without a reason does not replace.
_KNOWN_FAILURES = {
    AppReason.NO_LICENCE, AppReason.STORAGE_FULL, AppReason.OS_TOO_OLD, AppReason.NOT_IN_REGION, AppReason.REMOVED_FROM_STORE,
}  # fmt: skip


def _apply_absence(work: UnitOfWork, outcome: CommandWithResult, row: TabletApp) -> None:
    """Apply that a list does not name an app: an installed one is ordered again, one being installed is waited for."""
    if row.state is AppState.INSTALLED:
        if row.reason is AppReason.NOT_MANAGED and work.now - row.changed_at < RECHECK_UNMANAGED_AFTER:
            return  # lists of managed apps do not name it
        row.attempts = 0
        _set_state(work, row, AppState.WAITING, AppReason.WAITING_CONTACT)
        work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)
    elif row.state is AppState.INSTALLING:
        _count_poll(work, row)


def _count_poll(work: UnitOfWork, row: TabletApp) -> None:
    """Count one more look at an app being installed; after the last one it has failed. A prompt stays the reason."""
    row.attempts += 1
    if row.attempts > MAX_ATTEMPTS:
        reason = row.reason if row.reason is AppReason.USER_PROMPTED else AppReason.DOWNLOAD_FAILED
        _set_state(work, row, AppState.FAILED, reason)


def _set_installed(work: UnitOfWork, row: TabletApp, reason: AppReason) -> None:
    if (row.state, row.reason) != (AppState.INSTALLED, reason):
        _set_state(work, row, AppState.INSTALLED, reason)
        app = ReconcileRepository(work.session).get_app(row.app_id)
        if app is not None and app.configuration is not None:
            work.enqueue_job(Topic.RECONCILE, row.tablet_id)  # which sends the configuration again, and asks for it
    row.attempts = 0
    if reason is AppReason.INSTALLED:
        row.detail = None
    licences.mark_assigned(work, row.app_id, row.tablet_id)


def _set_state(work: UnitOfWork, row: TabletApp, state: AppState, reason: AppReason) -> None:
    row.state, row.reason, row.changed_at = state, reason, work.now


def _forget_app(work: UnitOfWork, row: TabletApp) -> None:
    """Delete the row of a removed app, release its licence, and enqueue the tablet that has waited for one longest."""
    app_id: UUID = row.app_id
    work.session.delete(row)
    freed = licences.release_licence(work, app_id, row.tablet_id)
    if freed:
        work.enqueue_job(Topic.RECONCILE, *ReconcileRepository(work.session).list_waiting_for_licence(freed))


def _enqueue_status_poll(work: UnitOfWork, outcome: CommandWithResult, attempts: int) -> None:
    delay = POLL_DELAYS[min(attempts, len(POLL_DELAYS) - 1)]
    queue.enqueue_command(
        work, SYSTEM, ManagedApplicationList(), [outcome.enrollment_id], timing=DeliveryOptions(not_before=work.now + delay)
    )
