"""What an invitation does to a tablet in each state of its life: it joins, or hears why not; never an error, never a wrong place."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining.enrollment_matching import resolve_tablet
from enrollment.joining.errors import NotInvited
from enrollment.joining.models import InvitationKind as K
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import Cart, CartSlot, Loan, Tablet, TabletState
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.rules import ENROLLMENT_REFUSED, OUT_OF_SERVICE, find_transition_path
from enrollment.tablets.service import TabletDetails
from tests.support.world import TownFactory


class Door:
    """A town with one child, one cart, and tablets that knock."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work, self.world = work, TownFactory(work)
        self.town = self.world.create_town()
        self.school_class = self.world.create_class(self.world.create_school(self.town))
        self.child = self.world.create_pupil(self.school_class)
        cart = Cart(town_id=self.town.id, school_id=self.school_class.school_id, label="Chariot 1")
        work.session.add(cart)
        work.session.flush()
        self.slot = CartSlot(town_id=self.town.id, cart_id=cart.id, number=1)
        work.session.add(self.slot)
        work.session.flush()

    def knock(self, kind: K, serial: str) -> Tablet:
        spec = {
            K.PUPIL: {"pupil_ids": (self.child.id,)},
            K.CLASS: {"class_id": self.school_class.id},
            K.CART_SLOT: {"cart_slot_ids": (self.slot.id,)},
            K.STOCK: {},
        }[kind]
        [invitation] = create_invitations(self.work, SYSTEM, InvitationSpec(kind=kind, town_id=self.town.id, **spec))  # type: ignore[arg-type]
        self.work.session.flush()
        certificate = KnownCertificate("0" * 64, uuid4(), invitation.id, None)
        return resolve_tablet(self.work, certificate, serial, "UDID-1", TabletDetails())

    def in_slot(self) -> UUID | None:
        """What the cart's slot holds."""
        return self.work.session.scalar(select(CartSlot.tablet_id).where(CartSlot.id == self.slot.id))

    def holder(self, tablet: Tablet) -> object:
        return self.work.session.scalar(select(Loan.pupil_id).where(Loan.tablet_id == tablet.id, Loan.closed_at.is_(None)))


@pytest.mark.parametrize("kind", list(K))
@pytest.mark.parametrize("state", list(S))
def test_a_tablet_in_any_state_joins_or_is_refused_in_words(runtime: Runtime, state: TabletState, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        known = door.world.create_tablet(door.town)
        known.state = state
        work.session.flush()
        if state in ENROLLMENT_REFUSED:
            with pytest.raises(NotInvited):
                door.knock(kind, known.serial)
            return
        tablet = door.knock(kind, known.serial)
        assert tablet.id == known.id
        placed = {K.PUPIL: S.IN_USE, K.CLASS: S.ASSIGNED, K.CART_SLOT: S.ASSIGNED}
        if state is S.MISSING_WRITTEN_OFF:
            assert tablet.state is S.FOUND
        elif state in OUT_OF_SERVICE:
            assert tablet.state is state
        elif kind is K.STOCK:
            assert tablet.state is (S.PREPARED if state in (S.ORDERED, S.RECEIVED) else state)
        else:
            assert tablet.state is placed[kind]
        is_placed = state not in OUT_OF_SERVICE
        assert door.holder(tablet) == (door.child.id if kind is K.PUPIL and is_placed else None)
        assert (door.in_slot() == tablet.id) is (kind is K.CART_SLOT and is_placed)


@pytest.mark.parametrize("state", list(S))
def test_the_childs_former_tablet_in_any_state_never_stops_the_new_one(runtime: Runtime, state: TabletState) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        former = door.world.create_tablet(door.town)
        door.world.lend_tablet(former, door.child)
        former.state = state
        work.session.flush()
        tablet = door.knock(K.PUPIL, "NEWSERIAL01")
        assert (tablet.state, door.holder(tablet), door.holder(former)) == (S.IN_USE, door.child.id, None)
        assert former.state in (S.STOCK, state)


def test_what_is_kept_as_evidence_is_not_placed_anew(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        kept = door.world.create_tablet(door.town)
        kept.evidence_hold = True
        door.knock(K.PUPIL, kept.serial)
        assert (kept.state, door.holder(kept)) == (S.IN_USE, None)


def test_a_tablet_that_leaves_its_slot_for_a_child_is_in_the_cart_no_more(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        tablet = door.knock(K.CART_SLOT, "CARTSERIAL1")
        assert door.in_slot() == tablet.id
        door.knock(K.PUPIL, "CARTSERIAL1")
        assert door.in_slot() is None
        assert door.holder(tablet) == door.child.id


@pytest.mark.parametrize("kind", [K.CLASS, K.CART_SLOT, K.STOCK])
def test_a_childs_tablet_stays_the_childs_whatever_else_is_scanned(runtime: Runtime, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        tablet = door.world.create_tablet(door.town)
        door.world.lend_tablet(tablet, door.child)
        door.knock(kind, tablet.serial)
        assert (door.holder(tablet), tablet.state, door.in_slot()) == (door.child.id, S.IN_USE, None)


def test_a_slot_holds_one_tablet_and_a_tablet_one_slot(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        first = door.knock(K.CART_SLOT, "CARTSERIAL1")
        second = door.knock(K.CART_SLOT, "CARTSERIAL2")
        assert (door.in_slot(), first.state, second.state) == (second.id, S.STOCK, S.ASSIGNED)
        other = CartSlot(town_id=door.town.id, cart_id=door.slot.cart_id, number=2)
        work.session.add(other)
        work.session.flush()
        door.slot, former = other, door.slot
        door.knock(K.CART_SLOT, "CARTSERIAL2")
        assert (other.tablet_id, former.tablet_id) == (second.id, None)


def test_there_is_a_lawful_way_or_none() -> None:
    assert find_transition_path(S.ORDERED, S.ASSIGNED) == (S.PREPARED, S.ASSIGNED)
    assert find_transition_path(S.IN_USE, S.IN_USE) == ()
    assert find_transition_path(S.STOCK, S.ASSIGNED) == (S.ASSIGNED,)
    assert find_transition_path(S.ABSENT, S.ASSIGNED) == (S.IN_USE, S.ASSIGNED)
    assert find_transition_path(S.DISPOSED, S.STOCK) is None


@pytest.mark.parametrize("kind", [K.PUPIL, K.CLASS, K.CART_SLOT])
def test_joining_is_no_way_round_the_wipe(runtime: Runtime, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        door = Door(work)
        used = door.world.create_tablet(door.town)
        used.state, used.needs_wipe = S.STOCK, True
        work.session.flush()
        door.knock(kind, used.serial)
        assert (used.state, door.holder(used), door.in_slot()) == (S.STOCK, None, None)
        used.needs_wipe = False
        door.knock(kind, used.serial)
        assert used.state in {S.IN_USE, S.ASSIGNED}
