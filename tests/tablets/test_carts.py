"""Carts: slots are filled by a scan, a tablet is in one place, a child's tablet is not taken for a cart."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from enrollment.tablets import carts, custody
from enrollment.tablets.errors import CartNotFound, NotFree, OnHold, PupilHasTablet, UnknownScan
from enrollment.tablets.models import TabletState as S
from mdm.kit.errors import Forbidden, NotFound
from mdm.kit.scope import SYSTEM, Actor, Grant, Role
from mdm.kit.work import Runtime, Work
from tests.support.world import World


def _tags(work: Work, cart_id: UUID) -> dict[int, str | None]:
    return {each.slot.number: each.tablet.tag if each.tablet else None for each in carts.contents(work, SYSTEM, cart_id)[1]}


def test_a_scan_fills_a_slot_and_what_was_there_goes_to_stock(runtime: Runtime) -> None:
    with runtime.work() as work:
        world = World(work)
        town = world.town()
        school = world.school(town)
        technician = Actor(uuid4(), "t", (Grant(Role.TECHNICIAN, town.id),))
        cart = carts.make(work, technician, school.id, "Chariot 1", 3)
        first, second = world.tablet(town), world.tablet(town)
        first.state = second.state = S.STOCK
        carts.put(work, technician, cart.id, 1, first.tag)
        assert (first.state, first.school_id, _tags(work, cart.id)) == (S.ASSIGNED, school.id, {1: first.tag, 2: None, 3: None})
        carts.put(work, technician, cart.id, 1, second.serial)
        assert (first.state, second.state, _tags(work, cart.id)[1]) == (S.STOCK, S.ASSIGNED, second.tag)
        carts.put(work, technician, cart.id, 3, second.tag)
        carts.put(work, technician, cart.id, 3, second.tag)
        assert _tags(work, cart.id) == {1: None, 2: None, 3: second.tag}
        taken = carts.take(work, technician, cart.id, 3)
        assert (taken, second.state, carts.take(work, technician, cart.id, 3)) == (second, S.STOCK, None)
        assert [row.id for row in carts.listed(work, technician, town.id, None)] == [cart.id]


def test_what_a_cart_does_not_take(runtime: Runtime) -> None:
    with runtime.work() as work:
        world = World(work)
        town = world.town()
        school_class = world.school_class(world.school(town))
        cart = carts.make(work, SYSTEM, school_class.school_id, "Chariot 1", 1)
        lent, broken, kept = world.tablet(town), world.tablet(town), world.tablet(town)
        world.lend(lent, world.pupil(school_class))
        broken.state, kept.state, kept.evidence_hold = S.BROKEN, S.STOCK, True
        for tablet, refusal in ((lent, PupilHasTablet), (broken, NotFree), (kept, OnHold)):
            with pytest.raises(refusal):
                carts.put(work, SYSTEM, cart.id, 1, tablet.tag)
        with pytest.raises(UnknownScan):
            carts.put(work, SYSTEM, cart.id, 1, "NOPE")
        with pytest.raises(CartNotFound):
            carts.put(work, SYSTEM, cart.id, 2, lent.tag)
        stranger = Actor(uuid4(), "s", (Grant(Role.TOWN_ADMIN, world.town().id),))
        with pytest.raises(CartNotFound):
            carts.contents(work, stranger, cart.id)
        with pytest.raises(NotFound):
            carts.make(work, stranger, school_class.school_id, "x", 1)
        with pytest.raises(Forbidden):
            carts.put(work, Actor(uuid4(), "h", (Grant(Role.HELPDESK, town.id),)), cart.id, 1, lent.tag)


def test_a_cart_tablet_that_is_handed_to_a_child_leaves_the_cart(runtime: Runtime) -> None:
    with runtime.work() as work:
        world = World(work)
        town = world.town()
        school_class = world.school_class(world.school(town))
        child = world.pupil(school_class)
        child.take_home = False
        cart = carts.make(work, SYSTEM, school_class.school_id, "Chariot 1", 1)
        tablet = world.tablet(town)
        tablet.state = S.STOCK
        carts.put(work, SYSTEM, cart.id, 1, tablet.tag)
        custody.hand_over(work, SYSTEM, tablet, child.id, custody.Handing())
        assert _tags(work, cart.id) == {1: None}
