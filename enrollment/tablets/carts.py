"""Charging carts: create one, put a scanned tablet into a slot, empty a slot. Never commits.

The tablet of a cart has no loan; whoever uses it is a guest. See docs/domain/custody.md#carts.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.tablets import custody, lookup, service
from enrollment.tablets.cart_repository import CartRepository
from enrollment.tablets.errors import CartNotFound, PupilHasTablet, TabletNotAvailable, UnderEvidenceHold
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Cart, CartSlot, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import LENDABLE, OUT_OF_SERVICE

MAX_SLOTS = 60


@dataclass(frozen=True, slots=True)
class SlotContent:
    """A slot and the tablet in it."""

    slot: CartSlot
    tablet: Tablet | None


def create_cart(work: UnitOfWork, actor: Actor, school_id: UUID, label: str, slots: int) -> Cart:
    """Create a cart with numbered empty slots and return it. Raises `NotFound`, `Forbidden`."""
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


def list_carts(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None, page: PageRequest = FIRST_PAGE
) -> Page[Cart]:
    """Return the carts of a town, or of one school of it, that the actor may see."""
    return CartRepository(work.session).list_carts(actor, town_id, school_id, page)


def get_cart_contents(work: UnitOfWork, actor: Actor, cart_id: UUID) -> tuple[Cart, list[SlotContent]]:
    """Return a cart and the content of its slots, ordered by slot number. Raises `CartNotFound`."""
    cart = _get_visible_cart(work, actor, cart_id)
    return cart, [SlotContent(slot, tablet) for slot, tablet in CartRepository(work.session).list_slots(cart.id)]


def put_in_slot(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int, scan: str) -> Tablet:
    """Put the scanned tablet into a slot and return it. It leaves its former slot; the former tablet of the slot goes to stock.

    Raises `CartNotFound`, `UnknownScan`, `TabletNotAvailable`, `TabletNotWiped`, `PupilHasTablet`, `UnderEvidenceHold`.
    """
    slot = _get_slot_for_update(work, actor, cart_id, number)
    tablet = lookup.get_scanned_for_update(work, actor, slot.town_id, scan)
    if slot.tablet_id == tablet.id:
        return tablet
    repository = TabletRepository(work.session)
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    if LoanRepository(work.session).get_open_loan_by_tablet(tablet.id) is not None:
        raise PupilHasTablet
    if tablet.state not in LENDABLE:
        raise TabletNotAvailable(state=tablet.state.value)
    custody.check_wiped(work, tablet, None)
    former = repository.get(slot.tablet_id) if slot.tablet_id else None
    audit.record_event(
        work, actor, "cart.put", "tablet", tablet.id, town_id=tablet.town_id, cart_id=str(cart_id), number=number,
        former=str(former.id) if former else None,
    )  # fmt: skip
    if former is not None:
        _release_from_slot(work, actor, slot, former)
    repository.remove_from_slot(tablet.id)
    work.session.flush()
    slot.tablet_id, tablet.school_id, tablet.class_id = tablet.id, work.session.get_one(Cart, cart_id).school_id, None
    service.move_to_state(work, actor, tablet, S.ASSIGNED, "put into a cart")
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, tablet.id)
    return tablet


def empty_slot(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int) -> Tablet | None:
    """Empty a slot and return the tablet that was in it, or None.

    The tablet goes to stock, unless it is out of service or under an evidence hold. Raises `CartNotFound`.
    """
    slot = _get_slot_for_update(work, actor, cart_id, number)
    tablet = TabletRepository(work.session).get(slot.tablet_id) if slot.tablet_id else None
    if tablet is None:
        return None
    audit.record_event(work, actor, "cart.take", "tablet", tablet.id, town_id=tablet.town_id, cart_id=str(cart_id), number=number)
    _release_from_slot(work, actor, slot, tablet)
    work.session.flush()
    return tablet


def _release_from_slot(work: UnitOfWork, actor: Actor, slot: CartSlot, tablet: Tablet) -> None:
    slot.tablet_id = None
    work.session.flush()
    if tablet.state not in OUT_OF_SERVICE and not tablet.evidence_hold:
        service.move_to_state(work, actor, tablet, S.STOCK, "taken out of a cart")
    work.enqueue_job(Topic.RECONCILE, tablet.id)


def _get_slot_for_update(work: UnitOfWork, actor: Actor, cart_id: UUID, number: int) -> CartSlot:
    cart = _get_visible_cart(work, actor, cart_id)
    actor.require_permission(Permission.HANDLE, cart.town_id, cart.school_id)
    locks.lock_town(work, cart.town_id)
    slot = CartRepository(work.session).get_slot(cart.id, number)
    if slot is None:
        raise CartNotFound(field="number")
    work.session.refresh(slot)
    return slot


def _get_visible_cart(work: UnitOfWork, actor: Actor, cart_id: UUID) -> Cart:
    cart = CartRepository(work.session).get_visible(actor, cart_id)
    if cart is None:
        raise CartNotFound
    return cart
