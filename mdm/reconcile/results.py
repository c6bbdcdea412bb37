"""Applies the results of commands to what is stored of a tablet. A result that cannot be read changes nothing and never raises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.profiles import IDENTIFIER as ENROLLMENT_PROFILE
from enrollment.tablets import service as tablets
from enrollment.tablets.service import TabletDetails
from mdm.protocol.commands.actions import DeclarativeManagement, DeviceConfigured
from mdm.protocol.commands.apps import InstallApplication, InstallApplicationResponse, RemoveApplication
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ManagedApplicationList, ProfileList
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.service import CommandWithResult, DeliveryOptions
from mdm.reconcile.declarations import record_declarations_refused
from mdm.reconcile.models import AppReason, AppState, ProfileState, TabletApp
from mdm.reconcile.renewals import record_renewal_result
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.service import MAX_ATTEMPTS
from profiles.apps import licences
from profiles.apps.models import App

_REASON_BY_REJECTION = {
    "AppStoreDisabled": AppReason.REMOVED_FROM_STORE,
    "CouldNotVerifyAppID": AppReason.REMOVED_FROM_STORE,
    "NotSupported": AppReason.OS_TOO_OLD,
    "PurchaseMethodNotSupported": AppReason.NO_LICENCE,
    "NotAnApp": AppReason.REMOVED_FROM_STORE,
}
_INSTALLED_STATUSES = {"Managed", "UserInstalledApp"}
_FAILED_STATUSES = {"Failed", "Unknown"}
_REFUSED_STATUSES = {"UserRejected", "ManagementRejected", "UpdateRejected"}
POLL_DELAYS = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))


def apply_result(work: UnitOfWork, command_id: int) -> None:
    """Apply the stored result of one command. A result of an earlier enrollment generation is ignored."""
    outcome = queue.load_command_with_result(work, command_id)
    if outcome is None:
        return
    repository = ReconcileRepository(work.session)
    channel = repository.get_enrollment(outcome.enrollment_id)
    if channel is None or channel.generation != outcome.generation:
        return
    command = outcome.command
    succeeded = outcome.state is CommandState.ACKNOWLEDGED
    if isinstance(command, InstallProfile):
        _apply_profile_result(work, repository, outcome, command)
    elif isinstance(command, InstallApplication | RemoveApplication):
        _apply_app_result(work, repository, outcome, command)
    elif isinstance(command, DeclarativeManagement) and not succeeded:
        record_declarations_refused(work, repository, outcome)
    elif isinstance(command, DeviceConfigured) and succeeded:
        channel.awaiting_configuration = False
    elif isinstance(command, EraseDevice) and succeeded:
        tablets.record_wipe(work, outcome.tablet_id)
    elif succeeded and outcome.result is not None:
        _apply_report(work, repository, outcome)


def _apply_report(work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult) -> None:
    match outcome.command:
        case DeviceInformation():
            tablets.update_details(work, outcome.tablet_id, parse_device_information(outcome.result))
        case ProfileList():
            _apply_profile_list(work, repository, outcome)
        case ManagedApplicationList():
            _apply_app_list(
                work, repository, outcome, {name: _read_managed_status(item) for name, item in outcome.result.items()}
            )
        case InstalledApplicationList():
            reported = {str(app.get("Identifier")): _read_installed_status(app) for app in outcome.result}
            _apply_app_list(work, repository, outcome, reported)
        case _:
            pass


def parse_device_information(response: dict[str, Any]) -> TabletDetails:
    """Return what a DeviceInformation response contains. A value of an unexpected type counts as absent."""

    def text(name: str, length: int) -> str | None:
        value = response.get(name)
        return value[:length] if isinstance(value, str) and value else None

    supervised, battery = response.get("IsSupervised"), response.get("BatteryLevel")
    return TabletDetails(
        product_name=text("ProductName", 40),
        model_name=text("ModelName", 80),
        os_version=text("OSVersion", 24),
        build_version=text("BuildVersion", 24),
        supervised=supervised if isinstance(supervised, bool) else None,
        battery_level=float(battery) if isinstance(battery, int | float) and 0 <= battery <= 1 else None,
    )


def _apply_profile_result(
    work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult, command: InstallProfile
) -> None:
    """Record the result of an installation. An acknowledgement proves nothing: the list of profiles is asked for to verify it."""
    if command.identifier == ENROLLMENT_PROFILE:
        record_renewal_result(work, outcome)
        return
    row = repository.load_tablet_profiles([outcome.tablet_id]).get(outcome.tablet_id)
    if row is None:
        return
    if outcome.state is CommandState.ACKNOWLEDGED:
        if row.state is not ProfileState.VERIFIED:
            row.state, row.problem, row.changed_at = ProfileState.ACKNOWLEDGED, None, work.now
        queue.enqueue_command(work, SYSTEM, ProfileList(managed_only=True), [outcome.enrollment_id])
    else:
        row.state, row.problem, row.changed_at = ProfileState.FAILED, outcome.error, work.now


def _apply_profile_list(work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult) -> None:
    row = repository.load_tablet_profiles([outcome.tablet_id]).get(outcome.tablet_id)
    if row is None:
        return
    rendered = repository.load_rendered_profiles([row.desired_sha256]).get(row.desired_sha256)
    uuids = {str(p.get("PayloadIdentifier")): str(p.get("PayloadUUID", "")).upper() for p in outcome.result}
    row.reported_uuid = uuids.get(rendered.identifier)[:64] if rendered and uuids.get(rendered.identifier) else None  # type: ignore[index]
    if rendered is not None and row.reported_uuid == rendered.uuid:
        row.state, row.problem, row.changed_at = ProfileState.VERIFIED, None, work.now
    elif row.state in (ProfileState.VERIFIED, ProfileState.ACKNOWLEDGED) and rendered is not None:
        # It was verified or acknowledged, and is missing: send it again.
        row.state, row.problem, row.changed_at = ProfileState.WAITING, "not on the tablet", work.now
        install = InstallProfile(payload_data=rendered.signed, identifier=rendered.identifier)
        queue.enqueue_command(work, SYSTEM, install, [outcome.enrollment_id])


def _list_tablet_apps(repository: ReconcileRepository, outcome: CommandWithResult) -> list[tuple[TabletApp, App]]:
    return [(row, app) for row, app in repository.list_tablet_apps(outcome.tablet_id)]


def _apply_app_result(
    work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult, command: InstallApplication | RemoveApplication
) -> None:
    for row, app in _list_tablet_apps(repository, outcome):
        if isinstance(command, RemoveApplication):
            if app.bundle_identifier == command.identifier and row.state is AppState.REMOVING:
                work.session.delete(row)  # removed, or was not installed: the device reports the latter as an Error
                _release_licence(work, repository, app.id, outcome.tablet_id)
        elif (command.itunes_store_id, command.manifest_url) == (app.app_store_id, app.manifest_url):
            _apply_install_result(work, outcome, row)


def _apply_install_result(work: UnitOfWork, outcome: CommandWithResult, row: TabletApp) -> None:
    response = outcome.result if isinstance(outcome.result, InstallApplicationResponse) else None
    rejection = response.rejection if response else None
    if row.state is AppState.REMOVING or row.state is AppState.INSTALLED:
        return
    if outcome.state is CommandState.ACKNOWLEDGED and rejection in (None, "AppAlreadyQueued", "AppAlreadyInstalled"):
        row.state, row.reason, row.detail, row.changed_at = AppState.INSTALLING, AppReason.INSTALLING, None, work.now
        _enqueue_status_poll(work, outcome, row.attempts)
        return
    row.reason = _REASON_BY_REJECTION.get(rejection or "", AppReason.DOWNLOAD_FAILED)
    row.detail, row.changed_at = (rejection or outcome.error or "")[:300] or None, work.now
    _retry_install(work, outcome, row)


def _retry_install(work: UnitOfWork, outcome: CommandWithResult, row: TabletApp) -> None:
    """Schedule the next attempt with a growing delay; after `MAX_ATTEMPTS` the app is failed, until a person acts."""
    row.attempts += 1
    if row.attempts >= MAX_ATTEMPTS:
        row.state = AppState.FAILED
        return
    row.state = AppState.WAITING
    work.enqueue_job(
        Topic.RECONCILE, outcome.tablet_id, not_before=work.now + POLL_DELAYS[min(row.attempts, len(POLL_DELAYS) - 1)]
    )


def _enqueue_status_poll(work: UnitOfWork, outcome: CommandWithResult, attempts: int) -> None:
    delay = POLL_DELAYS[min(attempts, len(POLL_DELAYS) - 1)]
    queue.enqueue_command(
        work, SYSTEM, ManagedApplicationList(), [outcome.enrollment_id], timing=DeliveryOptions(not_before=work.now + delay)
    )


def _apply_app_list(
    work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult, reported: dict[str, AppState]
) -> None:
    rows = _list_tablet_apps(repository, outcome)
    for row, app in rows:
        _apply_app_report(work, repository, outcome, row, reported.get(app.bundle_identifier))
    pending = [row.attempts for row, _ in rows if row.state is AppState.INSTALLING]
    if pending and isinstance(outcome.command, ManagedApplicationList):
        _enqueue_status_poll(work, outcome, min(pending))


def _release_licence(work: UnitOfWork, repository: ReconcileRepository, app_id: UUID, tablet_id: UUID) -> None:
    """Release the licence of a removed app, and enqueue the tablet that has waited for one longest."""
    licences.release_licence(work, app_id, tablet_id)
    work.enqueue_job(Topic.RECONCILE, *repository.list_waiting_for_licence({app_id: 1}))


def _apply_app_report(
    work: UnitOfWork, repository: ReconcileRepository, outcome: CommandWithResult, row: TabletApp, state: AppState | None
) -> None:
    if row.state is AppState.REMOVING:
        if state is None and isinstance(outcome.command, ManagedApplicationList):
            work.session.delete(row)
            _release_licence(work, repository, row.app_id, row.tablet_id)
    elif state is AppState.INSTALLED:
        row.state, row.reason, row.detail, row.changed_at = state, AppReason.INSTALLED, None, work.now
        licences.mark_assigned(work, row.app_id, row.tablet_id)
    elif state is AppState.FAILED:
        row.reason = AppReason.DOWNLOAD_FAILED
        _retry_install(work, outcome, row)
    elif row.state is AppState.INSTALLED and state is None:
        row.state, row.reason, row.attempts, row.changed_at = AppState.WAITING, AppReason.WAITING_CONTACT, 0, work.now
        work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)
    elif row.state is AppState.INSTALLING:
        row.attempts += 1
        if row.attempts > MAX_ATTEMPTS:
            row.state, row.reason, row.changed_at = AppState.FAILED, AppReason.DOWNLOAD_FAILED, work.now


def _read_managed_status(item: dict[str, Any]) -> AppState:
    status = item.get("Status")
    if status in _INSTALLED_STATUSES:
        return AppState.INSTALLED
    return AppState.FAILED if status in _FAILED_STATUSES | _REFUSED_STATUSES else AppState.INSTALLING


def _read_installed_status(app: dict[str, Any]) -> AppState:
    if app.get("DownloadFailed") is True:
        return AppState.FAILED
    return AppState.INSTALLING if app.get("Installing") is True or app.get("DownloadWaiting") is True else AppState.INSTALLED
