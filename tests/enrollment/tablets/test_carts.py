"""Carts: slots are filled by a scan, a tablet is in one place, a child's tablet is not taken for a cart."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.errors import Forbidden, NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade.models import AdeDevice, AdeServer
from enrollment.tablets import carts, custody
from enrollment.tablets.errors import CartNotFound, PupilHasTablet, TabletNotAvailable, UnderEvidenceHold, UnknownScan
from enrollment.tablets.models import TabletState as S
from mdm.care.erasing import service
from mdm.queue.models import CommandBody
from tests.support.world import TownFactory, create_actor


def _tags(work: UnitOfWork, cart_id: UUID) -> dict[int, str | None]:
    return {
        each.slot.number: each.tablet.tag if each.tablet else None for each in carts.get_cart_contents(work, SYSTEM, cart_id)[1]
    }


def test_a_scan_fills_a_slot_and_the_former_tablet_goes_to_stock(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        technician = create_actor(Role.TECHNICIAN, town)
        cart = carts.create_cart(work, technician, school.id, "Chariot 1", 3)
        first, second = world.create_tablet(town), world.create_tablet(town)
        first.state = second.state = S.STOCK
        carts.put_in_slot(work, technician, cart.id, 1, first.tag)
        assert (first.state, first.school_id, _tags(work, cart.id)) == (S.ASSIGNED, school.id, {1: first.tag, 2: None, 3: None})
        carts.put_in_slot(work, technician, cart.id, 1, second.serial)
        assert (first.state, second.state, _tags(work, cart.id)[1]) == (S.STOCK, S.ASSIGNED, second.tag)
        carts.put_in_slot(work, technician, cart.id, 3, second.tag)
        carts.put_in_slot(work, technician, cart.id, 3, second.tag)
        assert _tags(work, cart.id) == {1: None, 2: None, 3: second.tag}
        taken = carts.empty_slot(work, technician, cart.id, 3)
        assert (taken, second.state, carts.empty_slot(work, technician, cart.id, 3)) == (second, S.STOCK, None)
        assert [row.id for row in carts.list_carts(work, technician, town.id, None).items] == [cart.id]


def test_tablets_that_cannot_be_put_into_a_cart(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        cart = carts.create_cart(work, SYSTEM, school_class.school_id, "Chariot 1", 1)
        lent, broken, kept = world.create_tablet(town), world.create_tablet(town), world.create_tablet(town)
        world.lend_tablet(lent, world.create_pupil(school_class))
        broken.state, kept.state, kept.evidence_hold = S.BROKEN, S.STOCK, True
        for tablet, refusal in ((lent, PupilHasTablet), (broken, TabletNotAvailable), (kept, UnderEvidenceHold)):
            with pytest.raises(refusal):
                carts.put_in_slot(work, SYSTEM, cart.id, 1, tablet.tag)
        with pytest.raises(UnknownScan):
            carts.put_in_slot(work, SYSTEM, cart.id, 1, "NOPE")
        with pytest.raises(CartNotFound):
            carts.put_in_slot(work, SYSTEM, cart.id, 2, lent.tag)
        stranger = create_actor(Role.TOWN_ADMIN, world.create_town())
        with pytest.raises(CartNotFound):
            carts.get_cart_contents(work, stranger, cart.id)
        with pytest.raises(NotFound):
            carts.create_cart(work, stranger, school_class.school_id, "x", 1)
        with pytest.raises(Forbidden):
            carts.put_in_slot(work, create_actor(Role.HELPDESK, town), cart.id, 1, lent.tag)


def test_a_cart_tablet_that_is_handed_over_leaves_the_cart(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        child = world.create_pupil(school_class)
        child.take_home = False
        cart = carts.create_cart(work, SYSTEM, school_class.school_id, "Chariot 1", 1)
        tablet = world.create_tablet(town)
        tablet.state = S.STOCK
        carts.put_in_slot(work, SYSTEM, cart.id, 1, tablet.tag)
        custody.hand_over(work, SYSTEM, tablet, child.id, custody.HandoverForm())
        assert _tags(work, cart.id) == {1: None}


def test_an_erased_cart_tablet_returns_to_service_where_supported(runtime: Runtime, tmp_path: Path) -> None:
    wifi = tmp_path / "wifi.mobileconfig"
    wifi.write_bytes(b"wifi")
    runtime.settings = runtime.settings.model_copy(update={"wifi_profile": wifi})
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        cart = carts.create_cart(work, SYSTEM, world.create_school(town).id, "Chariot 1", 3)
        server = AdeServer(town_id=town.id, name="s", private_key=b"k", certificate="", created_at=work.now, skip_setup_items=[])
        work.session.add(server)
        work.session.flush()
        sent_by_udid: dict[str, bytes] = {}
        for name, in_cart, sent_here, system in (
            ("cart", True, True, "26.1"), ("old", True, True, "16.7"), ("invited", True, False, "26.1"), ("child", False, True, "26.1"),
        ):  # fmt: skip
            tablet = world.create_tablet(town)
            tablet.state, tablet.os_version = S.STOCK, system
            if in_cart:
                carts.put_in_slot(work, SYSTEM, cart.id, len(sent_by_udid) + 1, tablet.tag)
            if sent_here:
                work.session.add(AdeDevice(server_id=server.id, serial=tablet.serial, town_id=town.id))
            world.enroll_tablet(tablet)
            service.erase_tablet(work, SYSTEM, tablet.id, "end of the activity", "T-1")
            sent_by_udid[name] = work.session.scalars(select(CommandBody).order_by(CommandBody.id.desc()).limit(1)).one().args
        assert b"WiFiProfileData" in sent_by_udid["cart"]
        assert not [name for name in ("old", "invited", "child") if b"WiFiProfileData" in sent_by_udid[name]]
