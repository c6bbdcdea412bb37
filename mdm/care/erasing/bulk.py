"""Erasing many tablets that were given back: two people, an open campaign, half an hour (schools.md section 20, ADR 20). Never commits.

Whoever calls `ask` or `approve` has just given the password again; that is the face's to check.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.rollover.returns import may_be_wiped_in_bulk
from enrollment.tablets.errors import SamePerson
from enrollment.tablets.models import Tablet
from enrollment.tablets.rules import MISSING
from mdm.care.erasing.bulk_repository import BulkRepository
from mdm.care.erasing.service import is_stopped
from mdm.care.errors import BulkNotFound, BulkOver, NotInCampaign, Stopped
from mdm.care.models import BulkErase, BulkEraseTablet, LeftOut
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.reconcile.repository import ReconcileRepository

DELAY = timedelta(minutes=30)
MOST_TABLETS = 2000


def ask(work: UnitOfWork, actor: Actor, town_id: UUID, tablet_ids: Collection[UUID], reason: str, ticket: str) -> BulkErase:
    """Ask for the erase of tablets of an open return campaign that are back. Nothing is ordered yet.

    Raises `NotInCampaign` with the tags, `Stopped`, `Invalid`, `Forbidden`.
    """
    actor.require_permission(Permission.DESTROY, town_id)
    wanted = set(tablet_ids)
    if not 1 <= len(wanted) <= MOST_TABLETS:
        raise Invalid(field="tablet_ids", maximum=MOST_TABLETS)
    locks.lock_town(work, town_id)
    _check_switch(work, town_id)
    others = wanted - may_be_wiped_in_bulk(work, town_id, wanted)
    if others:
        raise NotInCampaign(tags=BulkRepository(work.session).tags(actor, others)[:20], count=len(others))
    bulk = BulkErase(town_id=town_id, ticket=ticket, reason=reason, asked_by=actor.account_id, asked_at=work.now)
    work.session.add(bulk)
    work.session.flush()
    audit.record_event(work, actor, "bulk_erase.ask", "bulk_erase", bulk.id, town_id=town_id, ticket=ticket, tablets=len(wanted))
    work.session.add_all(BulkEraseTablet(town_id=town_id, bulk_id=bulk.id, tablet_id=each) for each in sorted(wanted, key=str))
    work.session.flush()
    return bulk


def waiting(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Tablet]:
    """The tablets that are back in an open campaign and were not erased since, by tag. Raises `Forbidden`."""
    actor.require_permission(Permission.DESTROY, town_id)
    return BulkRepository(work.session).waiting(town_id)


def approve(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    """Let it happen, in half an hour. Raises `SamePerson`, `BulkOver`, `Stopped`, `BulkNotFound`, `Forbidden`."""
    bulk = _held(work, actor, bulk_id)
    actor.require_permission(Permission.DESTROY, bulk.town_id)
    if bulk.asked_by == actor.account_id:
        raise SamePerson
    if bulk.cancelled_at or bulk.sent_at:
        raise BulkOver
    _check_switch(work, bulk.town_id)
    if bulk.approved_at is None:
        audit.record_event(work, actor, "bulk_erase.approve", "bulk_erase", bulk.id, town_id=bulk.town_id)
        bulk.approved_by, bulk.approved_at, bulk.due_at = actor.account_id, work.now, work.now + DELAY
    return bulk


def cancel(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    """Stop it before it leaves: anybody who cares for tablets may. Raises `BulkOver`, `BulkNotFound`, `Forbidden`."""
    bulk = _held(work, actor, bulk_id)
    actor.require_permission(Permission.CARE, bulk.town_id)
    if bulk.sent_at is not None:
        raise BulkOver
    if bulk.cancelled_at is None:
        audit.record_event(work, actor, "bulk_erase.cancel", "bulk_erase", bulk.id, town_id=bulk.town_id)
        bulk.cancelled_by, bulk.cancelled_at = actor.account_id, work.now
    return bulk


def listed(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[BulkErase]:
    """The newest erases in bulk of a town. Raises `Forbidden`."""
    actor.require_permission(Permission.CARE, town_id)
    return BulkRepository(work.session).newest(town_id)


def view(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> tuple[BulkErase, Sequence[tuple[Tablet, LeftOut | None]]]:
    """One, with its tablets by tag. Raises `BulkNotFound`, `Forbidden`."""
    bulk = BulkRepository(work.session).visible(actor, bulk_id)
    if bulk is None:
        raise BulkNotFound
    actor.require_permission(Permission.CARE, bulk.town_id)
    return bulk, [(tablet, line.left_out) for line, tablet in BulkRepository(work.session).lines(bulk.id)]


def send_due(work: UnitOfWork) -> int:
    """Order the erases whose half hour is over; each tablet is judged anew. Returns how many tablets were told."""
    told = 0
    for bulk in BulkRepository(work.session).due(work.now):
        locks.lock_town(work, bulk.town_id)
        work.session.refresh(bulk)
        if bulk.cancelled_at is None and bulk.sent_at is None and not is_stopped(work, bulk.town_id):
            told += _send(work, bulk)
    return told


def _send(work: UnitOfWork, bulk: BulkErase) -> int:
    rows = BulkRepository(work.session).lines(bulk.id)
    ids = [tablet.id for _, tablet in rows]
    allowed = may_be_wiped_in_bulk(work, bulk.town_id, ids)
    channels = ReconcileRepository(work.session).enrolled(ids)
    chosen: list[UUID] = []
    for line, tablet in rows:
        if tablet.evidence_hold:
            line.left_out = LeftOut.EVIDENCE_HOLD
        elif tablet.state in MISSING:
            line.left_out = LeftOut.MISSING
        elif tablet.id not in allowed:
            line.left_out = LeftOut.NOT_RETURNED
        elif tablet.id not in channels:
            line.left_out = LeftOut.NOT_ENROLLED
        else:
            chosen.append(tablet.id)
    for tablet_id in chosen:
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
    if chosen:
        queue.enqueue(work, SYSTEM, EraseDevice(), [channels[each].id for each in chosen], reason=bulk.ticket)
    bulk.sent_at = work.now
    return len(chosen)


def _held(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkErase:
    bulk = BulkRepository(work.session).visible(actor, bulk_id)
    if bulk is None:
        raise BulkNotFound
    locks.lock_town(work, bulk.town_id)
    work.session.refresh(bulk)
    return bulk


def _check_switch(work: UnitOfWork, town_id: UUID) -> None:
    if is_stopped(work, town_id):
        raise Stopped
