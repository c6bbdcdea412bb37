"""Fetching the devices assigned to an ADE server: each page is stored with its cursor in one transaction.

After a crash the next run continues from the stored cursor. See docs/domain/apple-services.md#synchronisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from cartable import locks
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade import rules
from enrollment.joining.ade.models import AdeDevice, AdeServer, SyncPhase
from enrollment.joining.ade.parsing import DEVICE_FIELDS
from enrollment.joining.ade.ports import (
    AdeAccount,
    AdeError,
    AdeErrorKind,
    AdeService,
    DeviceOperation,
    DevicePage,
    DeviceRecord,
    ProfileStatus,
)
from enrollment.joining.ade.repository import AdeRepository
from enrollment.joining.ade.sync_lease import SyncLease
from enrollment.tablets import inventory

log = structlog.get_logger()
#: More pages than any town has: protects from a service whose list has no end.
MAX_PAGES = 10_000
_IPAD_FAMILIES = (None, "iPad")
#: Errors after which the cursor cannot be used: a full fetch is started.
_UNUSABLE_CURSOR = frozenset({AdeErrorKind.CURSOR_EXPIRED, AdeErrorKind.CURSOR_INVALID, AdeErrorKind.CURSOR_REQUIRED})


@dataclass(slots=True)
class DeviceSyncCounts:
    """What a run has fetched and changed."""

    pages: int = 0
    devices: int = 0
    registered: int = 0
    removed: int = 0


def sync_devices(lease: SyncLease, service: AdeService, account: AdeAccount) -> DeviceSyncCounts:
    """Fetch the changes, or all devices when a full fetch is due or the cursor is lost; return the counts. Raises `AdeError`."""
    done, restarts = DeviceSyncCounts(), 0
    while done.pages < MAX_PAGES:
        with lease.open_unit_of_work() as work:
            server = lease.get_server(work)
            if server.phase is SyncPhase.SYNC and rules.is_full_fetch_due(work.now, server.full_fetch_at):
                restart_full_fetch(server)
            if server.phase is SyncPhase.FETCH and server.cursor is None:
                server.generation += 1
            phase, cursor = server.phase, server.cursor
        try:
            page = _request_page(service, account, phase, cursor)
        except AdeError as error:
            if error.kind is AdeErrorKind.CURSOR_EXHAUSTED:
                page = DevicePage((), cursor or "", has_more=False)  # nothing follows this cursor
            elif error.kind in _UNUSABLE_CURSOR and restarts == 0:
                log.warning("ade.cursor_lost", server=str(lease.server_id), why=error.kind.value)
                restarts += 1
                with lease.open_unit_of_work() as work:
                    restart_full_fetch(lease.get_server(work))
                continue
            else:
                raise
        if page.has_more and page.cursor == cursor:
            raise AdeError(AdeErrorKind.RETRY, "the service repeats a cursor")
        with lease.open_unit_of_work() as work:
            finished = store_page(work, lease.get_server(work), page, done)
        if finished and phase is SyncPhase.SYNC:
            return done
    raise AdeError(AdeErrorKind.RETRY, "the list has no end")


def _request_page(service: AdeService, account: AdeAccount, phase: SyncPhase, cursor: str | None) -> DevicePage:
    if phase is SyncPhase.FETCH:
        return service.fetch_devices(cursor, account.fetch_limit)
    if cursor is None:
        raise AdeError(AdeErrorKind.CURSOR_REQUIRED, "no cursor is stored")
    return service.sync_devices(cursor, account.sync_limit)


def restart_full_fetch(server: AdeServer) -> None:
    """Let the next page be the first of a full fetch."""
    server.phase, server.cursor = SyncPhase.FETCH, None


def store_page(work: UnitOfWork, server: AdeServer, page: DevicePage, counts: DeviceSyncCounts) -> bool:
    """Store a page with its cursor and return whether it was the last page of its phase."""
    if page.unreadable:
        log.warning("ade.unreadable_devices", server=str(server.id), count=page.unreadable)
    records = rules.latest_by_serial(page.devices)
    assigned_serials = _store_devices(work, server, records)
    counts.pages += 1
    counts.devices += len(page.devices)
    counts.registered += _register_new_tablets(work, server, assigned_serials)
    server.cursor = page.cursor or server.cursor
    if page.has_more:
        return False
    if server.phase is SyncPhase.FETCH:
        work.session.flush()
        counts.removed += AdeRepository(work.session).mark_unseen_removed(server.id, server.generation, work.now)
        server.phase, server.full_fetch_at = SyncPhase.SYNC, work.now
    server.synced_at = work.now
    return True


def _store_devices(work: UnitOfWork, server: AdeServer, records: Mapping[str, DeviceRecord]) -> list[str]:
    """Store the devices of a page and return the serial numbers of the iPads among them that are assigned now."""
    repository = AdeRepository(work.session)
    assigned_serials = []
    known = repository.get_devices_by_serial(server.id, list(records))
    for serial, device in records.items():
        row = known.get(serial)
        if row is None:
            row = AdeDevice(server_id=server.id, town_id=server.town_id, serial=serial, generation=0, attempts=0)
            work.session.add(row)
        if rules.is_newer(device, row.op_date):
            _update_device(row, device, work.now)
        if row.removed_at is None and row.family in _IPAD_FAMILIES:
            assigned_serials.append(serial)
    work.session.flush()
    if server.phase is SyncPhase.FETCH:
        repository.mark_seen(server.id, list(records), server.generation)
    return assigned_serials


def _update_device(row: AdeDevice, device: DeviceRecord, now: datetime) -> None:
    """Update a device with a record; values that the record does not contain stay."""
    if device.op_date is not None:
        row.op_date = device.op_date
    if device.op is DeviceOperation.DELETED:
        row.removed_at = row.removed_at or now
        return
    if row.removed_at is not None:  # assigned again, perhaps after a repair
        row.removed_at, row.result, row.attempts, row.retry_at = None, None, 0, None
    for name in DEVICE_FIELDS:
        value = getattr(device, name)
        if value is not None:
            setattr(row, name, value)
    if device.profile_status in (ProfileStatus.EMPTY, ProfileStatus.REMOVED):
        row.profile_uuid = None


def _register_new_tablets(work: UnitOfWork, server: AdeServer, serials: list[str]) -> int:
    """Register the tablets that are in no inventory as ordered, and return their number. Known ones stay as they are."""
    locks.lock_town(work, server.town_id)  # a purchase order may be registered at the same time
    known = AdeRepository(work.session).get_town_ids_by_serial(serials)
    new = [serial for serial in serials if serial not in known]
    foreign = sum(town_id != server.town_id for town_id in known.values())
    if foreign:
        log.warning("ade.tablets_of_another_town", server=str(server.id), count=foreign)
    if new:
        inventory.register_purchase_order(work, SYSTEM, server.town_id, new, f"ADE {server.id}")
    return len(new)
