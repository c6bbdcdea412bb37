"""Applies the results of commands to what is stored of a tablet. A result that cannot be read changes nothing and never raises.

Results about apps are applied in `app_results`, those about the policy profile in `profile_delivery`.
"""

from __future__ import annotations

from typing import Any

from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.service import TabletDetails
from mdm.devices import service as devices
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.actions import DeclarativeManagement, DeviceConfigured, SettingsCommand
from mdm.protocol.commands.apps import InstallApplication, RemoveApplication
from mdm.protocol.commands.profiles import InstallProfile, RemoveProfile
from mdm.protocol.commands.queries import (
    DeviceInformation,
    InstalledApplicationList,
    ManagedApplicationConfiguration,
    ManagedApplicationList,
    ProfileList,
)
from mdm.protocol.commands.security import EraseDevice
from mdm.queue.results import CommandWithResult, HandlerTable
from mdm.reconcile import app_configuration, app_results, profile_delivery
from mdm.reconcile.declarations import record_declarations_refused
from mdm.reconcile.service import forget_reported_state

#: More than any iPad has: a larger number is an error.
MAX_GIGABYTES = 100_000


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
    """Record that the tablet erases itself: nothing that it had is proved any more."""
    if outcome.succeeded:
        tablets.record_wipe(work, outcome.tablet_id)
        devices.record_erase(work, outcome.enrollment_id)
        forget_reported_state(work, outcome.tablet_id)


def parse_device_information(response: dict[str, Any]) -> TabletDetails:
    """Return what a DeviceInformation response contains. A value of an unexpected type counts as absent."""

    def text(name: str, length: int) -> str | None:
        value = response.get(name)
        return value[:length] if isinstance(value, str) and value else None

    supervised, battery = response.get("IsSupervised"), response.get("BatteryLevel")
    available = response.get("AvailableDeviceCapacity")
    return TabletDetails(
        product_name=text("ProductName", 40),
        model_name=text("ModelName", 80),
        os_version=text("OSVersion", 24),
        build_version=text("BuildVersion", 24),
        supervised=supervised if isinstance(supervised, bool) else None,
        battery_level=float(battery) if isinstance(battery, int | float) and 0 <= battery <= 1 else None,
        available_gigabytes=float(available) if isinstance(available, int | float) and 0 <= available < MAX_GIGABYTES else None,
    )


HANDLERS: HandlerTable = {
    DeviceInformation: (handle_device_information,),
    ProfileList: (profile_delivery.handle_profile_list,),
    InstallProfile: (profile_delivery.handle_install_profile,),
    RemoveProfile: (profile_delivery.handle_remove_profile,),
    DeclarativeManagement: (handle_declarative_management,),
    DeviceConfigured: (handle_device_configured,),
    EraseDevice: (handle_erase_device,),
    InstallApplication: (app_results.handle_install_application,),
    RemoveApplication: (app_results.handle_remove_application,),
    ManagedApplicationList: (app_results.handle_managed_list,),
    InstalledApplicationList: (app_results.handle_installed_list,),
    SettingsCommand: (app_configuration.handle_settings,),
    ManagedApplicationConfiguration: (app_configuration.handle_managed_configuration,),
}
