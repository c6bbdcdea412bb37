"""What an answer changes in our picture of a tablet. An answer that cannot be read changes nothing and never raises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.profiles import IDENTIFIER as ENROLMENT
from enrollment.tablets import service as tablets
from enrollment.tablets.service import TabletDetails
from mdm.protocol.commands.actions import DeclarativeManagement, DeviceConfigured
from mdm.protocol.commands.apps import InstallAnswer, InstallApplication, RemoveApplication
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ManagedApplicationList, ProfileList
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.service import AnsweredCommand, Timing
from mdm.reconcile.declarations import refused
from mdm.reconcile.models import AppReason, AppState, ProfileState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.service import MAX_ATTEMPTS
from profiles.apps import licences
from profiles.apps.models import App

_REASONS = {
    "AppStoreDisabled": AppReason.REMOVED_FROM_STORE,
    "CouldNotVerifyAppID": AppReason.REMOVED_FROM_STORE,
    "NotSupported": AppReason.OS_TOO_OLD,
    "PurchaseMethodNotSupported": AppReason.NO_LICENCE,
    "NotAnApp": AppReason.REMOVED_FROM_STORE,
}
_PRESENT = {"Managed", "UserInstalledApp"}
_GONE_WRONG = {"Failed", "Unknown"}
_REFUSED = {"UserRejected", "ManagementRejected", "UpdateRejected"}
POLL_AFTER = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))


def apply(work: UnitOfWork, command_id: int) -> None:
    """Apply one stored answer."""
    answered = queue.load_answer(work, command_id)
    if answered is None:
        return
    repository = ReconcileRepository(work.session)
    channel = repository.enrollment(answered.enrollment_id)
    if channel is None or channel.generation != answered.generation:
        return  # it speaks of a former life
    order = answered.order
    good = answered.state is CommandState.ACKNOWLEDGED
    if isinstance(order, InstallProfile):
        _profile_answered(work, repository, answered, order)
    elif isinstance(order, InstallApplication | RemoveApplication):
        _app_answered(work, repository, answered, order)
    elif isinstance(order, DeclarativeManagement) and not good:
        refused(work, repository, answered)
    elif isinstance(order, DeviceConfigured) and good:
        channel.awaiting_configuration = False
    elif isinstance(order, EraseDevice) and good:
        tablets.wiped(work, answered.tablet_id)
    elif good and answered.result is not None:
        _report(work, repository, answered)


def _report(work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand) -> None:
    match answered.order:
        case DeviceInformation():
            tablets.update_details(work, answered.tablet_id, details_of(answered.result))
        case ProfileList():
            _profiles_reported(work, repository, answered)
        case ManagedApplicationList():
            _apps_reported(work, repository, answered, {n: _state(f) for n, f in answered.result.items()})
        case InstalledApplicationList():
            present = {str(app.get("Identifier")): _installed(app) for app in answered.result}
            _apps_reported(work, repository, answered, present)
        case _:
            pass


def details_of(said: dict[str, Any]) -> TabletDetails:
    """Read the answer of DeviceInformation; a value of another type was not said."""

    def text(name: str, length: int) -> str | None:
        value = said.get(name)
        return value[:length] if isinstance(value, str) and value else None

    supervised, battery = said.get("IsSupervised"), said.get("BatteryLevel")
    return TabletDetails(
        product_name=text("ProductName", 40),
        model_name=text("ModelName", 80),
        os_version=text("OSVersion", 24),
        build_version=text("BuildVersion", 24),
        supervised=supervised if isinstance(supervised, bool) else None,
        battery_level=float(battery) if isinstance(battery, int | float) and 0 <= battery <= 1 else None,
    )


def _profile_answered(
    work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand, order: InstallProfile
) -> None:
    """An acknowledgement is a promise: only the list of profiles proves it."""
    if order.identifier == ENROLMENT:
        return
    row = repository.profiles([answered.tablet_id]).get(answered.tablet_id)
    if row is None:
        return
    if answered.state is CommandState.ACKNOWLEDGED:
        if row.state is not ProfileState.VERIFIED:
            row.state, row.why, row.changed_at = ProfileState.ACKNOWLEDGED, None, work.now
        queue.enqueue(work, SYSTEM, ProfileList(managed_only=True), [answered.enrollment_id])
    else:
        row.state, row.why, row.changed_at = ProfileState.FAILED, answered.error, work.now


def _profiles_reported(work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand) -> None:
    row = repository.profiles([answered.tablet_id]).get(answered.tablet_id)
    if row is None:
        return
    artefact = repository.artefacts([row.wanted_sha256]).get(row.wanted_sha256)
    seen = {str(p.get("PayloadIdentifier")): str(p.get("PayloadUUID", "")).upper() for p in answered.result}
    row.seen_uuid = seen.get(artefact.identifier)[:64] if artefact and seen.get(artefact.identifier) else None  # type: ignore[index]
    if artefact is not None and row.seen_uuid == artefact.uuid:
        row.state, row.why, row.changed_at = ProfileState.VERIFIED, None, work.now
    elif row.state in (ProfileState.VERIFIED, ProfileState.ACKNOWLEDGED) and artefact is not None:
        # It was there, or was promised, and is not: send it again.
        row.state, row.why, row.changed_at = ProfileState.WAITING, "not on the tablet", work.now
        again = InstallProfile(payload_data=artefact.signed, identifier=artefact.identifier)
        queue.enqueue(work, SYSTEM, again, [answered.enrollment_id])


def _find(repository: ReconcileRepository, answered: AnsweredCommand) -> list[tuple[TabletApp, App]]:
    return [(row, app) for row, app in repository.apps_of_tablet(answered.tablet_id)]


def _app_answered(
    work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand, order: InstallApplication | RemoveApplication
) -> None:
    for row, app in _find(repository, answered):
        if isinstance(order, RemoveApplication):
            if app.bundle_identifier == order.identifier and row.state is AppState.REMOVING:
                work.session.delete(row)  # gone, or never there: an Error says just that
                _give_back(work, repository, app.id, answered.tablet_id)
        elif (order.itunes_store_id, order.manifest_url) == (app.app_store_id, app.manifest_url):
            _install_answered(work, answered, row)


def _install_answered(work: UnitOfWork, answered: AnsweredCommand, row: TabletApp) -> None:
    said = answered.result if isinstance(answered.result, InstallAnswer) else None
    rejected = said.rejection if said else None
    if row.state is AppState.REMOVING or row.state is AppState.INSTALLED:
        return
    if answered.state is CommandState.ACKNOWLEDGED and rejected in (None, "AppAlreadyQueued", "AppAlreadyInstalled"):
        row.state, row.reason, row.detail, row.changed_at = AppState.INSTALLING, AppReason.INSTALLING, None, work.now
        _poll(work, answered, row.attempts)
        return
    row.reason = _REASONS.get(rejected or "", AppReason.DOWNLOAD_FAILED)
    row.detail, row.changed_at = (rejected or answered.error or "")[:300] or None, work.now
    _try_again(work, answered, row)


def _try_again(work: UnitOfWork, answered: AnsweredCommand, row: TabletApp) -> None:
    """A failed install is tried again, less and less often, then left to a person: it never blocks anything else."""
    row.attempts += 1
    if row.attempts >= MAX_ATTEMPTS:
        row.state = AppState.FAILED
        return
    row.state = AppState.WAITING
    work.enqueue_job(Topic.DECIDE, answered.tablet_id, not_before=work.now + POLL_AFTER[min(row.attempts, len(POLL_AFTER) - 1)])


def _poll(work: UnitOfWork, answered: AnsweredCommand, attempts: int) -> None:
    wait = POLL_AFTER[min(attempts, len(POLL_AFTER) - 1)]
    queue.enqueue(work, SYSTEM, ManagedApplicationList(), [answered.enrollment_id], timing=Timing(not_before=work.now + wait))


def _apps_reported(
    work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand, present: dict[str, AppState]
) -> None:
    rows = _find(repository, answered)
    for row, app in rows:
        _app_reported(work, repository, answered, row, present.get(app.bundle_identifier))
    still = [row.attempts for row, _ in rows if row.state is AppState.INSTALLING]
    if still and isinstance(answered.order, ManagedApplicationList):
        _poll(work, answered, min(still))


def _give_back(work: UnitOfWork, repository: ReconcileRepository, app_id: UUID, tablet_id: UUID) -> None:
    """The app is gone: its licence is free, and the tablet that has waited for it longest is decided again."""
    licences.release(work, app_id, tablet_id)
    work.enqueue_job(Topic.DECIDE, *repository.waiting_for({app_id: 1}))


def _app_reported(
    work: UnitOfWork, repository: ReconcileRepository, answered: AnsweredCommand, row: TabletApp, state: AppState | None
) -> None:
    if row.state is AppState.REMOVING:
        if state is None and isinstance(answered.order, ManagedApplicationList):
            work.session.delete(row)
            _give_back(work, repository, row.app_id, row.tablet_id)
    elif state is AppState.INSTALLED:
        row.state, row.reason, row.detail, row.changed_at = state, AppReason.INSTALLED, None, work.now
        licences.installed(work, row.app_id, row.tablet_id)
    elif state is AppState.FAILED:
        row.reason = AppReason.DOWNLOAD_FAILED
        _try_again(work, answered, row)
    elif row.state is AppState.INSTALLED and state is None:
        row.state, row.reason, row.attempts, row.changed_at = AppState.WAITING, AppReason.WAITING_CONTACT, 0, work.now
        work.enqueue_job(Topic.DECIDE, answered.tablet_id)
    elif row.state is AppState.INSTALLING:
        row.attempts += 1
        if row.attempts > MAX_ATTEMPTS:
            row.state, row.reason, row.changed_at = AppState.FAILED, AppReason.DOWNLOAD_FAILED, work.now


def _state(facts: dict[str, Any]) -> AppState:
    status = facts.get("Status")
    if status in _PRESENT:
        return AppState.INSTALLED
    return AppState.FAILED if status in _GONE_WRONG | _REFUSED else AppState.INSTALLING


def _installed(app: dict[str, Any]) -> AppState:
    if app.get("DownloadFailed") is True:
        return AppState.FAILED
    return AppState.INSTALLING if app.get("Installing") is True or app.get("DownloadWaiting") is True else AppState.INSTALLED
