"""Reserving tablets before they enroll, and applying the reservation at enrollment. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from cartable import audit, locks
from cartable.errors import Conflict, Invalid
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import TabletNotReservable
from enrollment.joining.models import InvitationKind, Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.joining.targets import InvitationSpec, TargetColumns, resolve_targets
from enrollment.people.models import Pupil, PupilState
from enrollment.tablets import custody
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import TabletNotFound, TabletNotWiped
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository

log = structlog.get_logger()
#: Tablets that nobody has; prepared ones and ones in stock can be reserved too, until they enroll.
RESERVABLE = frozenset({TabletState.ORDERED, TabletState.RECEIVED, TabletState.PREPARED, TabletState.STOCK})
MAX_TABLETS = 1000


def reserve_tablets(work: UnitOfWork, actor: Actor, serials: Sequence[str], spec: InvitationSpec) -> list[Reservation]:
    """Create reservations and return them: one serial number per pupil or slot in the given order, or all for one class or school.

    A former reservation of the same tablet is replaced. Raises `NotFound`, `TabletNotFound`, `Invalid`, `TabletNotReservable`,
    `Conflict` (a pupil or slot has another reservation), `Forbidden`.
    """
    requested = [serial.strip().upper() for serial in serials]
    if not 1 <= len(requested) <= MAX_TABLETS or len(set(requested)) != len(requested):
        raise Invalid(field="serials", maximum=MAX_TABLETS)
    if spec.kind is InvitationKind.STAFF:
        raise Invalid(field="kind")  # an adult is handed a tablet, or invited
    targets = _sort_as_requested(spec, resolve_targets(work, spec))
    if spec.kind in (InvitationKind.PUPIL, InvitationKind.CART_SLOT):
        if len(requested) > len(targets) or (len(requested) < len(targets) and spec.class_id is None):
            raise Invalid(field="serials", targets=len(targets))
    else:
        targets = targets * len(requested)
    repository = ReservationRepository(work.session)
    locks.lock_town(work, spec.town_id)
    tablets_by_serial = repository.get_tablets_by_serial(spec.town_id, requested)
    if len(tablets_by_serial) != len(requested):
        raise TabletNotFound(field="serials", missing=sorted(set(requested) - set(tablets_by_serial))[:20])
    not_reservable = [
        serial for serial, tablet in tablets_by_serial.items() if tablet.state not in RESERVABLE or tablet.evidence_hold
    ]
    if not_reservable:
        raise TabletNotReservable(field="serials", refused=sorted(not_reservable)[:20])
    pairs = [(tablets_by_serial[serial], target) for serial, target in zip(requested, targets, strict=False)]
    for tablet, target in pairs:
        actor.require_permission(Permission.HANDLE, spec.town_id, target.get("school_id"))
        actor.require_permission(Permission.HANDLE, spec.town_id, tablet.school_id or target.get("school_id"))
    repository.delete_by_tablets([tablet.id for tablet, _ in pairs])
    repository.delete_of_decommissioned(spec.town_id)
    if repository.exists_for_targets([target for _, target in pairs]):
        raise Conflict(field="pupil_ids" if spec.kind is InvitationKind.PUPIL else "cart_slot_ids")
    return [_create_reservation(work, actor, spec, tablet, target) for tablet, target in pairs]


def _sort_as_requested(spec: InvitationSpec, targets: list[TargetColumns]) -> list[TargetColumns]:
    """Return the targets in the order in which the request names them: each belongs to one serial number."""
    if spec.pupil_ids and spec.class_id is None:
        return sorted(targets, key=lambda target: [*spec.pupil_ids].index(target["pupil_id"]))  # type: ignore[arg-type]
    if spec.cart_slot_ids:
        return sorted(targets, key=lambda target: [*spec.cart_slot_ids].index(target["cart_slot_id"]))  # type: ignore[arg-type]
    return targets


def _create_reservation(
    work: UnitOfWork, actor: Actor, spec: InvitationSpec, tablet: Tablet, target: TargetColumns
) -> Reservation:
    audit.record_event(
        work, actor, "tablet.reserve", "tablet", tablet.id, town_id=tablet.town_id, kind=spec.kind.value,
        **{name: str(value) for name, value in target.items() if value is not None},
    )  # fmt: skip
    reservation = Reservation(
        town_id=tablet.town_id, tablet_id=tablet.id, kind=spec.kind, created_at=work.now, created_by=actor.account_id, **target
    )
    work.session.add(reservation)
    work.session.flush()
    return reservation


def withdraw_reservation(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """Delete the reservation of a tablet. Raises `TabletNotFound` when there is none, `Forbidden`."""
    row = ReservationRepository(work.session).get_visible(actor, tablet_id)
    if row is None:
        raise TabletNotFound
    actor.require_permission(Permission.HANDLE, row.town_id, row.school_id)
    audit.record_event(work, actor, "tablet.unreserve", "tablet", tablet_id, town_id=row.town_id)
    work.session.delete(row)


def apply_reservation(work: UnitOfWork, tablet: Tablet) -> None:
    """Apply and delete the reservation of a tablet that has just enrolled. An obstacle is stored in `problem`; the tablet enrolls anyway."""
    row = work.session.get(Reservation, tablet.id)
    if row is None:
        return
    row.problem = _find_obstacle(work, row, tablet)
    if row.problem is not None:
        log.warning("reservation.not_applied", tablet=str(tablet.id), why=row.problem)
        return
    if row.kind is InvitationKind.PUPIL and row.pupil_id is not None:
        tablets.open_loan(work, SYSTEM, tablet, work.session.get_one(Pupil, row.pupil_id))
        tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "reserved for a pupil")
    else:
        audit.record_event(work, SYSTEM, "tablet.place", "tablet", tablet.id, town_id=tablet.town_id, kind=row.kind.value)
        tablet.school_id, tablet.class_id = row.school_id, row.class_id
        if row.cart_slot_id is not None:
            TabletRepository(work.session).remove_from_slot(tablet.id)
            ReservationRepository(work.session).put_in_slot(row.cart_slot_id, tablet.id)
        if row.kind is not InvitationKind.STOCK:
            tablets.change_state(work, SYSTEM, tablet, TabletState.ASSIGNED, "reserved for a class or cart")
    work.session.delete(row)
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, tablet.id)


def delete_reservation(work: UnitOfWork, tablet: Tablet) -> None:
    """Delete the reservation of a tablet that an invitation has placed elsewhere."""
    ReservationRepository(work.session).delete_by_tablets([tablet.id])


def _find_obstacle(work: UnitOfWork, row: Reservation, tablet: Tablet) -> str | None:
    """Return why the reservation cannot be applied, as a stable code; None when it can."""
    repository = TabletRepository(work.session)
    if tablet.state not in RESERVABLE or tablet.evidence_hold:
        return "tablet_state"
    try:
        custody.check_wiped(work, tablet, row.pupil_id)
    except TabletNotWiped:
        return "not_wiped"
    if row.kind is InvitationKind.PUPIL and row.pupil_id is not None:
        pupil = work.session.get_one(Pupil, row.pupil_id)
        if pupil.state is not PupilState.ACTIVE or pupil.town_id != tablet.town_id:
            return "pupil_gone"
        loan = LoanRepository(work.session).get_open_loan_by_pupil(pupil.id)
        if loan is not None and loan.tablet_id != tablet.id:
            return "pupil_has_tablet"
    if row.cart_slot_id is not None:
        slot = repository.get_slot(row.cart_slot_id)
        if slot is None or slot.tablet_id not in (None, tablet.id):
            return "slot_taken"
    return None
