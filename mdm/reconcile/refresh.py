"""Queries for what tablets know of themselves: when a person asks, and daily for tablets in contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ProfileList
from mdm.queue import service as queue
from mdm.reconcile.repository import ReconcileRepository

#: What DeviceInformation asks for.
DEVICE_QUERIES = (
    "UDID", "DeviceName", "OSVersion", "BuildVersion", "ModelName", "ProductName", "SerialNumber", "IsSupervised", "BatteryLevel",
    "IsMDMLostModeEnabled", "AvailableDeviceCapacity",
)  # fmt: skip
APP_ITEMS = ("Identifier", "Installing", "DownloadFailed", "DownloadWaiting")
#: Age after which device information is asked for again.
REFRESH_AFTER = timedelta(hours=20)


def enqueue_refresh(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Enqueue queries for device information, profiles and apps. Each tablet has one open query of each kind at most."""
    enrollment_ids = [channel.id for channel in DeviceRepository(work.session).load_enrolled_channels(tablet_ids).values()]
    for command in (build_device_query(), ProfileList(managed_only=True), build_app_query()):
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids)


def refresh_stale_tablets(work: UnitOfWork, limit: int = 500) -> None:
    """Enqueue a daily query for tablets that are in contact, in the background lane, where it delays nothing."""
    command = build_device_query()
    repository = ReconcileRepository(work.session)
    stale_ids = repository.list_stale_enrollments(
        work.now - REFRESH_AFTER, work.now - timedelta(days=2), command.dedupe_key() or "", limit
    )
    if stale_ids:
        queue.enqueue_command(work, SYSTEM, command, stale_ids)
        queue.enqueue_command(work, SYSTEM, build_app_query(), stale_ids)


def build_device_query() -> DeviceInformation:
    """Return the query for what a tablet says of itself."""
    return DeviceInformation(queries=DEVICE_QUERIES)


def build_app_query() -> InstalledApplicationList:
    """Return the query for the managed apps of a tablet."""
    return InstalledApplicationList(managed_apps_only=True, items=APP_ITEMS)
