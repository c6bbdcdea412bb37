"""Reservations: for whom a tablet is meant that is still in its box, and putting it there when it enrols. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from cartable import audit, locks
from cartable.errors import Conflict, Invalid
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import NotReservable
from enrollment.joining.models import InvitationKind, Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.joining.targets import InvitationSpec, Target, targets_of
from enrollment.people.models import Pupil, PupilState
from enrollment.tablets import custody
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import NotWiped, TabletNotFound
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository

log = structlog.get_logger()
#: Not with anybody yet. What a bench has prepared or holds in stock may be reserved too, until it enrols.
RESERVABLE = frozenset({TabletState.ORDERED, TabletState.RECEIVED, TabletState.PREPARED, TabletState.STOCK})
MOST = 1000


def reserve(work: UnitOfWork, actor: Actor, serials: Sequence[str], spec: InvitationSpec) -> list[Reservation]:
    """Say for whom tablets are meant: the first serial number for the first pupil or slot, and so on; or all for one class or
    school. A tablet reserved before gets the new meaning.

    Raises `NotFound`, `Invalid`, `Conflict` (a pupil or slot has another reservation), `NotReservable`, `Forbidden`.
    """
    wanted = [serial.strip().upper() for serial in serials]
    if not 1 <= len(wanted) <= MOST or len(set(wanted)) != len(wanted):
        raise Invalid(field="serials", maximum=MOST)
    targets = _in_order(spec, targets_of(work, spec))
    if spec.kind in (InvitationKind.PUPIL, InvitationKind.CART_SLOT):
        if len(wanted) > len(targets) or (len(wanted) < len(targets) and spec.class_id is None):
            raise Invalid(field="serials", targets=len(targets))
    else:
        targets = targets * len(wanted)
    repository = ReservationRepository(work.session)
    locks.lock_town(work, spec.town_id)
    found = repository.tablets(spec.town_id, wanted)
    if len(found) != len(wanted):
        raise TabletNotFound(field="serials", missing=sorted(set(wanted) - set(found))[:20])
    bad = [serial for serial in wanted if found[serial].state not in RESERVABLE or found[serial].evidence_hold]
    if bad:
        raise NotReservable(field="serials", refused=bad[:20])
    pairs = [(found[serial], target) for serial, target in zip(wanted, targets, strict=False)]
    for tablet, target in pairs:
        actor.require_permission(Permission.HANDLE, spec.town_id, target.get("school_id"))
        actor.require_permission(Permission.HANDLE, spec.town_id, tablet.school_id or target.get("school_id"))
    repository.forget([tablet.id for tablet, _ in pairs])
    repository.forget_gone(spec.town_id)
    if repository.taken([target for _, target in pairs]):
        raise Conflict(field="pupil_ids" if spec.kind is InvitationKind.PUPIL else "cart_slot_ids")
    return [_made(work, actor, spec, tablet, target) for tablet, target in pairs]


def _in_order(spec: InvitationSpec, targets: list[Target]) -> list[Target]:
    """The targets as they were named: one serial number belongs to each."""
    if spec.pupil_ids and spec.class_id is None:
        return sorted(targets, key=lambda target: [*spec.pupil_ids].index(target["pupil_id"]))  # type: ignore[arg-type]
    if spec.cart_slot_ids:
        return sorted(targets, key=lambda target: [*spec.cart_slot_ids].index(target["cart_slot_id"]))  # type: ignore[arg-type]
    return targets


def _made(work: UnitOfWork, actor: Actor, spec: InvitationSpec, tablet: Tablet, target: Target) -> Reservation:
    audit.record_event(
        work, actor, "tablet.reserve", "tablet", tablet.id, town_id=tablet.town_id, kind=spec.kind.value,
        **{name: str(value) for name, value in target.items() if value is not None},
    )  # fmt: skip
    made = Reservation(
        town_id=tablet.town_id, tablet_id=tablet.id, kind=spec.kind, made_at=work.now, made_by=actor.account_id, **target
    )
    work.session.add(made)
    work.session.flush()
    return made


def withdraw(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """The tablet is meant for nobody any more. Raises `TabletNotFound`."""
    row = ReservationRepository(work.session).visible(actor, tablet_id)
    if row is None:
        raise TabletNotFound
    actor.require_permission(Permission.HANDLE, row.town_id, row.school_id)
    audit.record_event(work, actor, "tablet.unreserve", "tablet", tablet_id, town_id=row.town_id)
    work.session.delete(row)


def honour(work: UnitOfWork, tablet: Tablet) -> None:
    """Put a tablet that has just enrolled where it is meant. What stands in the way is noted; the tablet enrols all the same."""
    row = work.session.get(Reservation, tablet.id)
    if row is None:
        return
    row.problem = _obstacle(work, row, tablet)
    if row.problem is not None:
        log.warning("reservation.not_honoured", tablet=str(tablet.id), why=row.problem)
        return
    if row.kind is InvitationKind.PUPIL and row.pupil_id is not None:
        tablets.lend(work, SYSTEM, tablet, work.session.get_one(Pupil, row.pupil_id))
        tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "reserved for a pupil")
    else:
        audit.record_event(work, SYSTEM, "tablet.place", "tablet", tablet.id, town_id=tablet.town_id, kind=row.kind.value)
        tablet.school_id, tablet.class_id = row.school_id, row.class_id
        if row.cart_slot_id is not None:
            TabletRepository(work.session).leave_slot(tablet.id)
            ReservationRepository(work.session).fill(row.cart_slot_id, tablet.id)
        if row.kind is not InvitationKind.STOCK:
            tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "reserved for a class or cart")
    work.session.delete(row)
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, tablet.id)


def forget(work: UnitOfWork, tablet: Tablet) -> None:
    """It has been put somewhere else by name."""
    ReservationRepository(work.session).forget([tablet.id])


def _obstacle(work: UnitOfWork, row: Reservation, tablet: Tablet) -> str | None:
    """Why a tablet cannot be put where it was meant, as a stable word."""
    repository = TabletRepository(work.session)
    if tablet.state not in RESERVABLE or tablet.evidence_hold:
        return "tablet_state"
    try:
        custody.check_wiped(work, tablet, row.pupil_id)
    except NotWiped:
        return "not_wiped"
    if row.kind is InvitationKind.PUPIL and row.pupil_id is not None:
        pupil = work.session.get_one(Pupil, row.pupil_id)
        if pupil.state is not PupilState.ACTIVE or pupil.town_id != tablet.town_id:
            return "pupil_gone"
        loan = repository.open_loan_of_pupil(pupil.id)
        if loan is not None and loan.tablet_id != tablet.id:
            return "pupil_has_tablet"
    if row.cart_slot_id is not None:
        slot = repository.slot(row.cart_slot_id)
        if slot is None or slot.tablet_id not in (None, tablet.id):
            return "slot_taken"
    return None
