"""Verbs of carts: make one, put a scanned tablet into a slot, take it out (schools.md sections 8 and 11). Never commits.

A cart's tablet is nobody's by name; each use of it is a guest's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.tablets import custody, lookup, service
from enrollment.tablets.cart_repository import CartRepository
from enrollment.tablets.errors import CartNotFound, NotFree, OnHold, PupilHasTablet
from enrollment.tablets.models import Cart, CartSlot, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import FREE, UNPLACED

MOST_SLOTS = 60


@dataclass(frozen=True, slots=True)
class Filled:
    """A slot and what it holds."""

    slot: CartSlot
    tablet: Tablet | None


def make(work: UnitOfWork, actor: Actor, school_id: UUID, label: str, slots: int) -> Cart:
    """Enter a cart with numbered slots, all empty. Raises `NotFound`, `Forbidden`."""
    school = work.session.get(School, school_id)
    if school is None or not actor.has_permission(Permission.SEE, school.town_id, school.id):
        raise NotFound(field="school_id")
    actor.require_permission(Permission.HANDLE, school.town_id, school.id)
    cart = Cart(town_id=school.town_id, school_id=school.id, label=label)
    work.session.add(cart)
    work.session.flush()
    audit.record_event(work, actor, "cart.make", "cart", cart.id, town_id=cart.town_id, slots=slots)
    work.session.add_all(CartSlot(town_id=cart.town_id, cart_id=cart.id, number=number) for number in range(1, slots + 1))
    work.session.flush()
    return cart


def listed(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None) -> Sequence[Cart]:
    """The carts in the actor's reach."""
    return CartRepository(work.session).listed(actor, town_id, school_id)


def contents(work: UnitOfWork, actor: Actor, cart_id: UUID) -> tuple[Cart, list[Filled]]:
    """A cart and its slots in order, in two queries. Raises `CartNotFound`."""
    cart = _visible(work, actor, cart_id)
    return cart, [Filled(slot, tablet) for slot, tablet in CartRepository(work.session).slots(cart.id)]


def put(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int, scan: str) -> Tablet:
    """Put the scanned tablet into a slot; what was there goes back to stock, and the tablet leaves the slot it was in.

    Raises `CartNotFound`, `UnknownScan`, `NotFree`, `NotWiped`, `PupilHasTablet`, `OnHold`.
    """
    slot = _slot(work, actor, cart_id, number)
    tablet = lookup.scanned(work, actor, slot.town_id, scan)
    if slot.tablet_id == tablet.id:
        return tablet
    repository = TabletRepository(work.session)
    if tablet.evidence_hold:
        raise OnHold
    if repository.open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
    if tablet.state not in FREE:
        raise NotFree(state=tablet.state.value)
    custody.check_wiped(work, tablet, None)
    former = repository.get(slot.tablet_id) if slot.tablet_id else None
    audit.record_event(
        work, actor, "cart.put", "tablet", tablet.id, town_id=tablet.town_id, cart_id=str(cart_id), number=number,
        former=str(former.id) if former else None,
    )  # fmt: skip
    if former is not None:
        _free(work, actor, slot, former)
    repository.leave_slot(tablet.id)
    work.session.flush()
    slot.tablet_id, tablet.school_id, tablet.class_id = tablet.id, work.session.get_one(Cart, cart_id).school_id, None
    service.bring_to(work, actor, tablet, S.ASSIGNED, "put into a cart")
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, tablet.id)
    return tablet


def take(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int) -> Tablet | None:
    """Empty a slot; the tablet goes to stock unless something holds it where it is. Raises `CartNotFound`."""
    slot = _slot(work, actor, cart_id, number)
    tablet = TabletRepository(work.session).get(slot.tablet_id) if slot.tablet_id else None
    if tablet is None:
        return None
    audit.record_event(work, actor, "cart.take", "tablet", tablet.id, town_id=tablet.town_id, cart_id=str(cart_id), number=number)
    _free(work, actor, slot, tablet)
    work.session.flush()
    return tablet


def _free(work: UnitOfWork, actor: Actor, slot: CartSlot, tablet: Tablet) -> None:
    slot.tablet_id = None
    work.session.flush()
    if tablet.state not in UNPLACED and not tablet.evidence_hold:
        service.bring_to(work, actor, tablet, S.STOCK, "taken out of a cart")
    work.enqueue_job(Topic.DECIDE, tablet.id)


def _slot(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int) -> CartSlot:
    cart = _visible(work, actor, cart_id)
    actor.require_permission(Permission.HANDLE, cart.town_id, cart.school_id)
    locks.lock_town(work, cart.town_id)
    slot = CartRepository(work.session).slot(cart.id, number)
    if slot is None:
        raise CartNotFound(field="number")
    work.session.refresh(slot)
    return slot


def _visible(work: UnitOfWork, actor: Actor, cart_id: UUID) -> Cart:
    cart = CartRepository(work.session).visible(actor, cart_id)
    if cart is None:
        raise CartNotFound
    return cart
