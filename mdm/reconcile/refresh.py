"""Queries for what tablets know of themselves: when a person asks, and daily for tablets in contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ProfileList
from mdm.queue import service as queue
from mdm.queue.models import Lane
from mdm.queue.service import DeliveryOptions

#: What DeviceInformation asks for.
DEVICE_QUERIES = (
    "UDID", "DeviceName", "OSVersion", "BuildVersion", "ModelName", "ProductName", "SerialNumber", "IsSupervised", "BatteryLevel",
    "IsMDMLostModeEnabled", "AvailableDeviceCapacity",
)  # fmt: skip
APP_ITEMS = ("Identifier", "Installing", "DownloadFailed", "DownloadWaiting")
#: Age after which device information is asked for again.
REFRESH_AFTER = timedelta(hours=20)
#: Only tablets that were in contact lately are asked; the others are woken.
IN_CONTACT_WITHIN = timedelta(days=2)
SILENT_AFTER = timedelta(days=1)
#: The schedule runs these jobs every ten minutes.
RUNS_IN_A_DAY = 144
MINIMUM_SHARE = 100


def enqueue_refresh(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Enqueue queries for device information, profiles and apps. Each tablet has one open query of each kind at most."""
    enrollment_ids = [channel.id for channel in DeviceRepository(work.session).load_enrolled_channels(tablet_ids).values()]
    for command in (build_device_query(), ProfileList(managed_only=True), build_app_query()):
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids)


def refresh_stale_tablets(work: UnitOfWork) -> None:
    """Enqueue a daily query for tablets that are in contact, in the background lane, where it delays nothing.

    Those asked longest ago come first, and one run takes a share of the fleet, so that everybody is asked in a day.
    """
    devices = DeviceRepository(work.session)
    stale_ids = devices.take_stale_channels(
        work.now, work.now - REFRESH_AFTER, work.now - IN_CONTACT_WITHIN, _compute_share(devices)
    )
    if stale_ids:
        background = DeliveryOptions(lane=Lane.BACKGROUND)
        queue.enqueue_command(work, SYSTEM, build_device_query(), stale_ids, timing=background)
        queue.enqueue_command(work, SYSTEM, build_app_query(), stale_ids, timing=background)


def wake_silent_tablets(work: UnitOfWork) -> None:
    """Push the tablets that have been silent for a day, once a day: a push that was lost would leave them out of contact for ever."""
    devices = DeviceRepository(work.session)
    silent_ids = devices.list_silent_channels(work.now - SILENT_AFTER, _compute_share(devices))
    work.enqueue_job(Topic.PUSH, *silent_ids, lane=JobLane.BACKGROUND)


def _compute_share(devices: DeviceRepository) -> int:
    """Return how many tablets one of the runs of a day takes: twice what an even spread over the day needs."""
    return max(MINIMUM_SHARE, devices.count_enrolled_channels() // (RUNS_IN_A_DAY // 2))


def build_device_query() -> DeviceInformation:
    """Return the query for what a tablet says of itself."""
    return DeviceInformation(queries=DEVICE_QUERIES)


def build_app_query() -> InstalledApplicationList:
    """Return the query for the managed apps of a tablet."""
    return InstalledApplicationList(managed_apps_only=True, items=APP_ITEMS)
