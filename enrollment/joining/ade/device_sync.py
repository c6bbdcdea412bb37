"""Fetching the devices assigned to an ADE server: each page is stored with its cursor in one transaction.

After a crash the next run continues from the stored cursor. See docs/domain/apple-services.md#synchronisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from cartable import locks
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade import rules
from enrollment.joining.ade.models import AdeDevice, AdeServer, SyncPhase
from enrollment.joining.ade.parsing import DESCRIPTION_FIELDS, DEVICE_FIELDS
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
from enrollment.places.models import School
from enrollment.tablets import inventory

log = structlog.get_logger()
#: More pages than any town has: protects from a service whose list has no end.
MAX_PAGES = 10_000
#: Errors after which the cursor cannot be used: a full fetch is started.
_UNUSABLE_CURSOR = frozenset({AdeErrorKind.CURSOR_EXPIRED, AdeErrorKind.CURSOR_INVALID, AdeErrorKind.CURSOR_REQUIRED})


@dataclass(slots=True)
class DeviceSyncCounts:
    """What a run has fetched and changed. `cursor_unusable`: the list did not end, so a full fetch is due at the next run."""

    pages: int = 0
    devices: int = 0
    registered: int = 0
    removed: int = 0
    cursor_unusable: bool = False


def sync_devices(lease: SyncLease, service: AdeService, account: AdeAccount) -> DeviceSyncCounts:
    """Fetch the changes, or all devices when a full fetch is due or the cursor is lost; return the counts. Raises `AdeError`.

    A page that announces more and brings no cursor, or one of this run, is kept and ends the list, which would never end. What may
    follow is read by the full fetch of the next run.
    """
    done, restarts = DeviceSyncCounts(), 0
    used_cursors: set[str | None] = set()
    while done.pages < MAX_PAGES:
        with lease.open_unit_of_work() as work:
            server = lease.get_server(work)
            if server.phase is SyncPhase.SYNC and rules.is_full_fetch_due(work.now, server.full_fetch_at):
                restart_full_fetch(server)
            if server.phase is SyncPhase.FETCH and server.cursor is None:
                server.generation += 1
            phase, cursor = server.phase, server.cursor
        used_cursors.add(cursor)
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
        with lease.open_unit_of_work() as work:
            server = lease.get_server(work)
            finished = store_page(work, server, page, done)
            done.cursor_unusable = server.cursor is None or (page.has_more and server.cursor in used_cursors)
            if done.cursor_unusable:
                log.warning("ade.cursor_unusable", server=str(lease.server_id), phase=phase.value)
                restart_full_fetch(server)
                server.synced_at = work.now
        if done.cursor_unusable:
            return done
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
    assigned_serials = _store_devices(work, server, rules.group_by_serial(page.devices))
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


def _store_devices(work: UnitOfWork, server: AdeServer, records: Mapping[str, Sequence[DeviceRecord]]) -> list[str]:
    """Store the devices of a page, each with its records in order, and return the serial numbers of the assigned tablets among them."""
    repository = AdeRepository(work.session)
    known = repository.get_devices_by_serial(server.id, list(records))
    rows = {
        serial: known.get(serial)
        or AdeDevice(server_id=server.id, town_id=server.town_id, serial=serial, generation=0, attempts=0)
        for serial in records
    }
    work.session.add_all(rows.values())
    for serial, row in rows.items():
        for record in records[serial]:
            _apply_record(row, record, work.now)
    work.session.flush()
    if server.phase is SyncPhase.FETCH:
        repository.mark_seen(server.id, list(records), server.generation)
    return [
        serial
        for serial, row in rows.items()
        if row.removed_at is None
        and rules.is_tablet(row.family, row.model, only_modified=_is_only_modified(row, records[serial]))
    ]


def _is_only_modified(row: AdeDevice, records: Sequence[DeviceRecord]) -> bool:
    """Return whether all that is known of a device are changes; its first record, which describes it, has not been read."""
    return row.generation == 0 and all(record.op is DeviceOperation.MODIFIED for record in records)


def _apply_record(row: AdeDevice, record: DeviceRecord, now: datetime) -> None:
    """Update a device with a record; values that the record does not contain stay. An older record only adds what is missing."""
    if not rules.is_newer(record, row.op_date):
        if record.op is not DeviceOperation.DELETED and row.removed_at is None:
            _copy_fields(row, record, [name for name in DESCRIPTION_FIELDS if getattr(row, name) is None])
        return
    if record.op_date is not None:
        row.op_date = record.op_date
    if record.op is DeviceOperation.DELETED:
        row.removed_at = row.removed_at or now
        return
    if row.removed_at is not None:  # assigned again, perhaps after a repair: its profile was lost with the former assignment
        row.removed_at, row.result, row.attempts, row.retry_at = None, None, 0, None
        row.profile_status = row.profile_uuid = row.profile_assigned_at = row.profile_pushed_at = None
    _copy_fields(row, record, DEVICE_FIELDS)
    if record.profile_status in (ProfileStatus.EMPTY, ProfileStatus.REMOVED):
        row.profile_uuid = None


def _copy_fields(row: AdeDevice, record: DeviceRecord, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(record, name)
        if value is not None:
            setattr(row, name, value)


def _register_new_tablets(work: UnitOfWork, server: AdeServer, serials: list[str]) -> int:
    """Register the tablets that are in no inventory as ordered, and return their number. Known ones stay as they are."""
    locks.lock_town(work, server.town_id)  # a purchase order may be registered at the same time
    known = AdeRepository(work.session).get_town_ids_by_serial(serials)
    new = [serial for serial in serials if serial not in known]
    foreign = sum(town_id != server.town_id for town_id in known.values())
    if foreign:
        log.warning("ade.tablets_of_another_town", server=str(server.id), count=foreign)
    if new:
        school = work.session.get(School, server.school_id) if server.school_id is not None else None
        school_id = school.id if school is not None and school.closed_on is None else None
        inventory.register_purchase_order(work, SYSTEM, server.town_id, new, f"ADE {server.id}", school_id=school_id)
    return len(new)
