"""Bulk erase of returned tablets: an open return campaign, two people, and a delay in which it can be cancelled. Never commits.

See docs/domain/custody.md#destructive-commands.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Invalid
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.rollover.returns import find_bulk_erasable_tablets
from enrollment.safeguards.stop_switch import check_not_stopped, is_stopped
from enrollment.tablets.models import Tablet
from enrollment.tablets.rules import MISSING
from mdm.care.erasing.bulk_repository import BulkEraseRepository
from mdm.care.erasing.errors import BulkEraseEnded, BulkEraseNotFound, NotInReturnCampaign
from mdm.care.erasing.models import BulkErase, BulkEraseTablet, SkipReason
from mdm.care.erasing.rules import STAGE_INTERVAL, count_next_stage
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue

#: Time from the approval to the commands, in which anybody who cares for tablets may cancel.
DELAY = timedelta(minutes=30)
MAX_TABLETS = 2000


def request_bulk_erase(
    work: UnitOfWork, actor: Actor, town_id: UUID, tablet_ids: Collection[UUID], reason: str, ticket: str
) -> BulkErase:
    """Request the erase of tablets that are back in an open return campaign. No command is enqueued before the approval.

    Raises `NotInReturnCampaign` with the tags, `DestructiveCommandsStopped`, `Invalid`, `Forbidden`.
    """
    actor.require_permission(Permission.DESTROY, town_id)
    actor.require_trust(work.now)
    actor.require_reauthentication()
    unique_ids = set(tablet_ids)
    if not 1 <= len(unique_ids) <= MAX_TABLETS:
        raise Invalid(field="tablet_ids", maximum=MAX_TABLETS)
    locks.lock_town(work, town_id)
    check_not_stopped(work, town_id, actor)
    not_returned = unique_ids - find_bulk_erasable_tablets(work, town_id, unique_ids)
    if not_returned:
        raise NotInReturnCampaign(
            tags=BulkEraseRepository(work.session).list_tags(actor, not_returned)[:20], count=len(not_returned)
        )
    bulk = BulkErase(town_id=town_id, ticket=ticket, reason=reason, requested_by=actor.account_id, requested_at=work.now)
    work.session.add(bulk)
    work.session.flush()
    audit.record_event(
        work, actor, "bulk_erase.request", "bulk_erase", bulk.id, town_id=town_id, ticket=ticket, tablets=len(unique_ids)
    )
    raise_alarm(
        work, town_id, AlarmKind.BULK_ERASE_REQUESTED, actor=actor, bulk_id=str(bulk.id), ticket=ticket, tablets=len(unique_ids)
    )
    work.session.add_all(
        BulkEraseTablet(town_id=town_id, bulk_id=bulk.id, tablet_id=tablet_id) for tablet_id in sorted(unique_ids, key=str)
    )
    work.session.flush()
    return bulk


def list_erasable_tablets(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Tablet]:
    """List the tablets that are back in an open campaign and were not erased since, by tag. Raises `Forbidden`."""
    actor.require_permission(Permission.DESTROY, town_id)
    return BulkEraseRepository(work.session).list_erasable_tablets(town_id)


def approve_bulk_erase(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    """Approve a bulk erase, which is sent after `DELAY`.

    Raises `SamePerson`, `NotTrustedYet`, `ReauthenticationRequired`, `BulkEraseEnded`, `DestructiveCommandsStopped`, `BulkEraseNotFound`, `Forbidden`.
    """
    bulk = _get_for_update(work, actor, bulk_id)
    actor.require_permission(Permission.DESTROY, bulk.town_id)
    actor.require_second_person(work.now, bulk.requested_by)
    if bulk.cancelled_at or bulk.sent_at:
        raise BulkEraseEnded
    check_not_stopped(work, bulk.town_id, actor)
    if bulk.approved_at is None:
        audit.record_event(work, actor, "bulk_erase.approve", "bulk_erase", bulk.id, town_id=bulk.town_id)
        bulk.approved_by, bulk.approved_at, bulk.due_at = actor.account_id, work.now, work.now + DELAY
        raise_alarm(
            work, bulk.town_id, AlarmKind.BULK_ERASE_APPROVED, actor=actor, bulk_id=str(bulk.id), due_at=bulk.due_at.isoformat()
        )
    return bulk


def cancel_bulk_erase(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    """Cancel a bulk erase, or what remains of it between two stages. Raises `BulkEraseEnded`, `BulkEraseNotFound`, `Forbidden`."""
    bulk = _get_for_update(work, actor, bulk_id)
    actor.require_permission(Permission.CARE, bulk.town_id)
    if bulk.sent_at is not None:
        raise BulkEraseEnded
    if bulk.cancelled_at is None:
        audit.record_event(work, actor, "bulk_erase.cancel", "bulk_erase", bulk.id, town_id=bulk.town_id)
        bulk.cancelled_by, bulk.cancelled_at = actor.account_id, work.now
    return bulk


def list_bulk_erases(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[BulkErase]:
    """List the bulk erases of a town, newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.CARE, town_id)
    return BulkEraseRepository(work.session).list_newest(town_id, page)


def get_bulk_erase(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> tuple[BulkErase, Sequence[Row[BulkEraseTablet, Tablet]]]:
    """Return a bulk erase and its lines with their tablets, by tag. Raises `BulkEraseNotFound`, `Forbidden`."""
    bulk = BulkEraseRepository(work.session).get_visible(actor, bulk_id)
    if bulk is None:
        raise BulkEraseNotFound
    actor.require_permission(Permission.CARE, bulk.town_id)
    return bulk, BulkEraseRepository(work.session).list_lines(bulk.id)


def send_due_bulk_erases(work: UnitOfWork) -> int:
    """Send the next stage of the bulk erases that are due, checking each tablet again. Returns how many commands were enqueued.

    A bulk erase waits while the town is stopped.
    """
    sent = 0
    for bulk in BulkEraseRepository(work.session).list_due(work.now):
        locks.lock_town(work, bulk.town_id)
        work.session.refresh(bulk)
        if _is_due(bulk, work.now) and not is_stopped(work, bulk.town_id):
            sent += _send_stage(work, bulk)
    return sent


def _is_due(bulk: BulkErase, now: datetime) -> bool:
    """Return whether the next stage is still to be sent: another worker may have sent it before this one got the lock."""
    return bulk.cancelled_at is None and bulk.sent_at is None and bulk.due_at is not None and bulk.due_at <= now


def _send_stage(work: UnitOfWork, bulk: BulkErase) -> int:
    lines = BulkEraseRepository(work.session).list_lines(bulk.id)
    waiting = [row for row in lines if row[0].decided_at is None]
    rows = waiting[: count_next_stage(len(lines) - len(waiting), len(waiting))]
    tablet_ids = [tablet.id for _, tablet in rows]
    erasable = find_bulk_erasable_tablets(work, bulk.town_id, tablet_ids)
    channels = DeviceRepository(work.session).load_enrolled_channels(tablet_ids)
    erased_ids: list[UUID] = []
    for line, tablet in rows:
        line.decided_at = work.now
        if tablet.evidence_hold:
            line.skip_reason = SkipReason.EVIDENCE_HOLD
        elif tablet.state in MISSING:
            line.skip_reason = SkipReason.MISSING
        elif tablet.id not in erasable:
            line.skip_reason = SkipReason.NOT_RETURNED
        elif tablet.id not in channels:
            line.skip_reason = SkipReason.NOT_ENROLLED
        else:
            erased_ids.append(tablet.id)
    for tablet_id in erased_ids:
        audit.record_event(
            work,
            SYSTEM,
            "tablet.erase_in_bulk",
            "tablet",
            tablet_id,
            town_id=bulk.town_id,
            bulk_id=str(bulk.id),
            ticket=bulk.ticket,
        )
    if erased_ids:
        queue.enqueue_command(
            work, SYSTEM, EraseDevice(), [channels[tablet_id].id for tablet_id in erased_ids], reason=bulk.ticket
        )
    if len(rows) < len(waiting):
        bulk.due_at = work.now + STAGE_INTERVAL
    else:
        bulk.sent_at = work.now
    return len(erased_ids)


def _get_for_update(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    bulk = BulkEraseRepository(work.session).get_visible(actor, bulk_id)
    if bulk is None:
        raise BulkEraseNotFound
    locks.lock_town(work, bulk.town_id)
    work.session.refresh(bulk)
    return bulk
