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
from enrollment.people.staff import add_staff_member
from enrollment.tablets.models import Cart, CartSlot, Loan, Tablet, TabletState
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.rules import ENROLLMENT_REFUSED, OUT_OF_SERVICE, find_transition_path
from enrollment.tablets.service import TabletDetails
from tests.support.world import TownFactory


class EnrollmentSetup:
    """A town with one child, one cart, and tablets that enroll."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work, self.world = work, TownFactory(work)
        self.town = self.world.create_town()
        self.school_class = self.world.create_class(self.world.create_school(self.town))
        self.child = self.world.create_pupil(self.school_class)
        self.adult = add_staff_member(work, SYSTEM, self.school_class.school_id, last_name="Durand", first_name="Paule")
        cart = Cart(town_id=self.town.id, school_id=self.school_class.school_id, label="Chariot 1")
        work.session.add(cart)
        work.session.flush()
        self.slot = CartSlot(town_id=self.town.id, cart_id=cart.id, number=1)
        work.session.add(self.slot)
        work.session.flush()

    def enroll_by_invitation(self, kind: K, serial: str) -> Tablet:
        spec = {
            K.PUPIL: {"pupil_ids": (self.child.id,)},
            K.CLASS: {"class_id": self.school_class.id},
            K.CART_SLOT: {"cart_slot_ids": (self.slot.id,)},
            K.STAFF: {"staff_ids": (self.adult.id,)},
            K.STOCK: {},
        }[kind]
        [invitation] = create_invitations(self.work, SYSTEM, InvitationSpec(kind=kind, town_id=self.town.id, **spec))  # type: ignore[arg-type]
        self.work.session.flush()
        certificate = KnownCertificate("0" * 64, uuid4(), invitation.id, None)
        return resolve_tablet(self.work, certificate, serial, "UDID-1", TabletDetails())

    def get_slot_tablet_id(self) -> UUID | None:
        """Return the id of the tablet in the cart's slot."""
        return self.work.session.scalar(select(CartSlot.tablet_id).where(CartSlot.id == self.slot.id))

    def get_pupil_id(self, tablet: Tablet) -> object:
        return self.work.session.scalar(select(Loan.pupil_id).where(Loan.tablet_id == tablet.id, Loan.closed_at.is_(None)))


@pytest.mark.one_database
@pytest.mark.parametrize("kind", list(K))
@pytest.mark.parametrize("state", list(S))
def test_a_tablet_in_any_state_enrolls_or_is_rejected_with_a_reason(runtime: Runtime, state: TabletState, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        known = setup.world.create_tablet(setup.town)
        known.state = state
        work.session.flush()
        if state in ENROLLMENT_REFUSED:
            with pytest.raises(NotInvited):
                setup.enroll_by_invitation(kind, known.serial)
            return
        tablet = setup.enroll_by_invitation(kind, known.serial)
        assert tablet.id == known.id
        placed = {K.PUPIL: S.IN_USE, K.STAFF: S.IN_USE, K.CLASS: S.ASSIGNED, K.CART_SLOT: S.ASSIGNED}
        if state is S.MISSING_WRITTEN_OFF:
            assert tablet.state is S.FOUND
        elif state in OUT_OF_SERVICE:
            assert tablet.state is state
        elif kind is K.STOCK:
            assert tablet.state is (S.PREPARED if state in (S.ORDERED, S.RECEIVED) else state)
        else:
            assert tablet.state is placed[kind]
        is_placed = state not in OUT_OF_SERVICE
        assert setup.get_pupil_id(tablet) == (setup.child.id if kind is K.PUPIL and is_placed else None)
        assert (setup.get_slot_tablet_id() == tablet.id) is (kind is K.CART_SLOT and is_placed)


@pytest.mark.one_database
@pytest.mark.parametrize("state", list(S))
def test_the_former_tablet_in_any_state_never_blocks_the_new_one(runtime: Runtime, state: TabletState) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        former = setup.world.create_tablet(setup.town)
        setup.world.lend_tablet(former, setup.child)
        former.state = state
        work.session.flush()
        tablet = setup.enroll_by_invitation(K.PUPIL, "NEWSERIAL01")
        assert (tablet.state, setup.get_pupil_id(tablet), setup.get_pupil_id(former)) == (S.IN_USE, setup.child.id, None)
        assert former.state in (S.STOCK, state)


def test_a_tablet_under_evidence_hold_is_not_placed(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        kept = setup.world.create_tablet(setup.town)
        kept.evidence_hold = True
        setup.enroll_by_invitation(K.PUPIL, kept.serial)
        assert (kept.state, setup.get_pupil_id(kept)) == (S.IN_USE, None)


def test_a_tablet_lent_to_a_pupil_leaves_its_cart(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        tablet = setup.enroll_by_invitation(K.CART_SLOT, "CARTSERIAL1")
        assert setup.get_slot_tablet_id() == tablet.id
        setup.enroll_by_invitation(K.PUPIL, "CARTSERIAL1")
        assert setup.get_slot_tablet_id() is None
        assert setup.get_pupil_id(tablet) == setup.child.id


@pytest.mark.parametrize("kind", [K.CLASS, K.CART_SLOT, K.STOCK])
def test_a_lent_tablet_stays_lent_when_it_enrolls_for_a_class_or_cart(runtime: Runtime, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        tablet = setup.world.create_tablet(setup.town)
        setup.world.lend_tablet(tablet, setup.child)
        setup.enroll_by_invitation(kind, tablet.serial)
        assert (setup.get_pupil_id(tablet), tablet.state, setup.get_slot_tablet_id()) == (setup.child.id, S.IN_USE, None)


def test_a_slot_contains_one_tablet_and_a_tablet_is_in_one_slot(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        first = setup.enroll_by_invitation(K.CART_SLOT, "CARTSERIAL1")
        second = setup.enroll_by_invitation(K.CART_SLOT, "CARTSERIAL2")
        assert (setup.get_slot_tablet_id(), first.state, second.state) == (second.id, S.STOCK, S.ASSIGNED)
        other = CartSlot(town_id=setup.town.id, cart_id=setup.slot.cart_id, number=2)
        work.session.add(other)
        work.session.flush()
        setup.slot, former = other, setup.slot
        setup.enroll_by_invitation(K.CART_SLOT, "CARTSERIAL2")
        assert (other.tablet_id, former.tablet_id) == (second.id, None)


def test_a_transition_path_has_only_allowed_transitions() -> None:
    assert find_transition_path(S.ORDERED, S.ASSIGNED) == (S.PREPARED, S.ASSIGNED)
    assert find_transition_path(S.IN_USE, S.IN_USE) == ()
    assert find_transition_path(S.STOCK, S.ASSIGNED) == (S.ASSIGNED,)
    assert find_transition_path(S.ABSENT, S.ASSIGNED) == (S.IN_USE, S.ASSIGNED)
    assert find_transition_path(S.DISPOSED, S.STOCK) is None


@pytest.mark.parametrize("kind", [K.PUPIL, K.CLASS, K.CART_SLOT, K.STAFF])
def test_an_enrollment_does_not_replace_the_wipe(runtime: Runtime, kind: K) -> None:
    with runtime.open_unit_of_work() as work:
        setup = EnrollmentSetup(work)
        used = setup.world.create_tablet(setup.town)
        used.state, used.needs_wipe = S.STOCK, True
        work.session.flush()
        setup.enroll_by_invitation(kind, used.serial)
        assert (used.state, setup.get_pupil_id(used), setup.get_slot_tablet_id()) == (S.STOCK, None, None)
        used.needs_wipe = False
        setup.enroll_by_invitation(kind, used.serial)
        assert used.state in {S.IN_USE, S.ASSIGNED}
