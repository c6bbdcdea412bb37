"""Applies the results of commands to what is stored of a tablet. A result that cannot be read changes nothing and never raises.

Results about apps are applied in `app_results`.
"""

from __future__ import annotations

from typing import Any

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.profiles import IDENTIFIER as ENROLLMENT_PROFILE
from enrollment.tablets import service as tablets
from enrollment.tablets.service import TabletDetails
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.actions import DeclarativeManagement, DeviceConfigured
from mdm.protocol.commands.apps import InstallApplication, RemoveApplication
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ManagedApplicationList, ProfileList
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult, HandlerTable
from mdm.reconcile import app_results
from mdm.reconcile.declarations import record_declarations_refused
from mdm.reconcile.models import ProfileState
from mdm.reconcile.renewals import record_renewal_result
from mdm.reconcile.repository import ReconcileRepository


def handle_device_information(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Store what the tablet reports of itself."""
    if outcome.succeeded and isinstance(outcome.result, dict):
        tablets.update_details(work, outcome.tablet_id, parse_device_information(outcome.result))


def handle_declarative_management(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """After a refusal, manage the tablet by profiles."""
    if not outcome.succeeded:
        record_declarations_refused(work, outcome)


def handle_device_configured(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that the tablet has left the Setup Assistant."""
    channel = DeviceRepository(work.session).get_enrollment(outcome.enrollment_id)
    if outcome.succeeded and channel is not None:
        channel.awaiting_configuration = False


def handle_erase_device(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that the tablet erases itself."""
    if outcome.succeeded:
        tablets.record_wipe(work, outcome.tablet_id)


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


def handle_install_profile(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record the result of an installation. An acknowledgement proves nothing: the list of profiles is asked for to verify it."""
    if not isinstance(outcome.command, InstallProfile):
        return
    if outcome.command.identifier == ENROLLMENT_PROFILE:
        record_renewal_result(work, outcome)
        return
    row = ReconcileRepository(work.session).load_tablet_profiles([outcome.tablet_id]).get(outcome.tablet_id)
    if row is None:
        return
    if outcome.succeeded:
        if row.state is not ProfileState.VERIFIED:
            row.state, row.problem, row.changed_at = ProfileState.ACKNOWLEDGED, None, work.now
        queue.enqueue_command(work, SYSTEM, ProfileList(managed_only=True), [outcome.enrollment_id])
    else:
        row.state, row.problem, row.changed_at = ProfileState.FAILED, outcome.error, work.now


def handle_profile_list(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Compare the desired profile with those on the tablet, and send it again if it is missing."""
    if not outcome.succeeded or outcome.result is None:
        return
    repository = ReconcileRepository(work.session)
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


HANDLERS: HandlerTable = {
    DeviceInformation: (handle_device_information,),
    ProfileList: (handle_profile_list,),
    InstallProfile: (handle_install_profile,),
    DeclarativeManagement: (handle_declarative_management,),
    DeviceConfigured: (handle_device_configured,),
    EraseDevice: (handle_erase_device,),
    InstallApplication: (app_results.handle_install_application,),
    RemoveApplication: (app_results.handle_remove_application,),
    ManagedApplicationList: (app_results.handle_managed_list,),
    InstalledApplicationList: (app_results.handle_installed_list,),
}
