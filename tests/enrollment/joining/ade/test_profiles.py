"""Profiles: what they hold, when another is defined, who gets which, and what becomes of each serial number."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from enrollment.identity import tls
from enrollment.joining.ade import lock_codes, service
from enrollment.joining.ade.models import AdeProfile, ProfileVariant
from enrollment.joining.ade.ports import DeviceResult
from enrollment.joining.ade.service import SetupAssistantOptions
from enrollment.tablets.models import Cart, CartSlot, Tablet
from mdm.worker.handlers import drain
from tests.enrollment.joining.ade.conftest import Assigned
from tests.support.world import TownFactory

USUAL = SetupAssistantOptions("", "", "", ("Siri",))


def stored(assigned: Assigned) -> dict[ProfileVariant, AdeProfile]:
    with assigned.runtime.open_unit_of_work() as work:
        return {row.variant: row for row in work.session.scalars(select(AdeProfile))}


def test_a_profile_says_what_a_school_needs_and_is_defined_once(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        tls.ensure_server_certificate(work, ["mdm.test"])
    for number in range(3):
        assigned.portal.add_device(f"DMP{number:05d}")
    assigned.sync()
    assigned.sync()
    [profile] = assigned.portal.profiles.values()
    assert profile["url"] == "https://mdm.test:8443/join/automated"
    assert (profile["is_supervised"], profile["is_mdm_removable"], profile["await_device_configured"]) == (True, False, True)
    assert (profile["support_phone_number"], profile["department"]) == ("+33 1 00 00 00 00", "Belleville-sur-Craie")
    assert profile["org_magic"] == str(assigned.server_id)
    assert "Siri" in profile["skip_setup_items"]
    assert "is_return_to_service" not in profile
    assert len(profile["anchor_certs"]) == 1, "the tablets must trust our own authority"
    assert {device["profile_status"] for device in assigned.portal.devices.values()} == {"assigned"}


def test_another_content_is_another_profile_for_everybody(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    first = stored(assigned)[ProfileVariant.STANDARD]
    with assigned.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(
            work,
            SYSTEM,
            assigned.server_id,
            SetupAssistantOptions("Écoles", "+33 2", "aide@ville.example", ("Siri", "Siri", "TOS")),
        )
    assigned.sync()
    second = stored(assigned)[ProfileVariant.STANDARD]
    assert first.uuid != second.uuid
    said = assigned.portal.profiles[second.uuid]
    assert (said["skip_setup_items"], said["support_email_address"]) == (["Siri", "TOS"], "aide@ville.example")
    assert "anchor_certs" not in said, "a public certificate needs none"
    assert assigned.portal.devices["DMP00000"]["profile_uuid"] == second.uuid
    with assigned.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(
            work, SYSTEM, assigned.server_id, SetupAssistantOptions("Écoles", "+33 2", "aide@ville.example", ("TOS", "Siri"))
        )
    assigned.sync()
    assert len(assigned.portal.profiles) == 2, "the same content in another order is the same"


def test_a_carts_tablets_get_the_profile_that_lets_them_start_afresh(assigned: Assigned) -> None:
    for serial in ("DMP00000", "DMP00001"):
        assigned.portal.add_device(serial)
    assigned.sync()
    with assigned.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet).where(Tablet.serial == "DMP00001")).one()
        world = TownFactory(work)
        from enrollment.places.models import Town

        cart = Cart(
            town_id=assigned.town_id, school_id=world.create_school(work.session.get_one(Town, assigned.town_id)).id, label="C1"
        )
        work.session.add(cart)
        work.session.flush()
        work.session.add(CartSlot(town_id=assigned.town_id, cart_id=cart.id, number=1, tablet_id=tablet.id))
    assigned.sync()
    uuids = {variant: row.uuid for variant, row in stored(assigned).items()}
    assert assigned.portal.devices["DMP00000"]["profile_uuid"] == uuids[ProfileVariant.STANDARD]
    assert assigned.portal.devices["DMP00001"]["profile_uuid"] == uuids[ProfileVariant.CART]
    assert assigned.portal.profiles[uuids[ProfileVariant.CART]]["is_return_to_service"] is True


def test_many_are_told_in_parts_no_larger_than_the_service_bears(assigned: Assigned) -> None:
    assigned.portal.page = 4
    for number in range(10):
        assigned.portal.add_device(f"DMP{number:05d}")
    done = assigned.sync()
    assert done.profiles is not None
    assert (done.profiles.assigned, assigned.portal.requests.count("PUT /profile/devices")) == (10, 3)


def test_each_word_about_a_serial_number_has_its_consequence(assigned: Assigned) -> None:
    words = {"DMP00001": DeviceResult.NOT_ACCESSIBLE, "DMP00002": DeviceResult.FAILED, "DMP00003": DeviceResult.THROTTLED}
    for number in range(4):
        assigned.portal.add_device(f"DMP{number:05d}")
    assigned.portal.results.update({serial: word.value for serial, word in words.items()})
    assigned.portal.retry_after = 120
    done = assigned.sync()
    assert done.error is None
    now, devices = assigned.clock.now(), assigned.devices()
    assert {serial: devices[serial].result for serial in words} == words
    waits = [(devices[serial].retry_at or now) - now for serial in sorted(words)]
    assert waits == [timedelta(days=1), timedelta(minutes=5), timedelta(seconds=120)]
    with assigned.runtime.open_unit_of_work() as work:
        [row] = [row for row in work.session.query(OutboxRow) if row.topic is Topic.ADE_SYNC and row.lease_until is None]
        assert row.not_before <= now + timedelta(seconds=120), "the throttled one is tried again as soon as the service wants"
    asked = assigned.portal.requests.count("PUT /profile/devices")
    assigned.sync()
    assert assigned.portal.requests.count("PUT /profile/devices") == asked, "not before its time"
    assigned.portal.results.clear()
    assigned.clock.advance(timedelta(minutes=2))
    drain(assigned.runtime, Topic.ADE_SYNC)
    assert assigned.devices()["DMP00003"].result is DeviceResult.SUCCESS
    assert assigned.devices()["DMP00002"].result is DeviceResult.FAILED
    assigned.clock.advance(timedelta(days=2))
    assigned.sync()
    assert {device.result for device in assigned.devices().values()} == {DeviceResult.SUCCESS}


def test_a_profile_that_the_service_has_forgotten_is_defined_again(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    assigned.portal.profiles.clear()
    assigned.portal.add_device("DMP00001")
    assert assigned.sync().error is None
    assert len(assigned.portal.profiles) == 1
    with assigned.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(work, SYSTEM, assigned.server_id, USUAL)
    assigned.portal.scripted_responses = [("/profile/devices", 404, b"NOT_FOUND", {})] * 2
    assert "NOT_FOUND" in (assigned.sync().error or ""), "once more, and not for ever"


def test_a_profile_that_is_refused_raises_an_alarm(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.portal.scripted_responses = [("/profile", 400, b'{"code": "CONFIG_URL_REQUIRED"}', {})]
    assigned.sync()
    server = assigned.server()
    assert (server.alarm, server.last_error) == ("profile_refused", "HTTP 400 CONFIG_URL_REQUIRED")
    assert set(assigned.tablets()) == {"DMP00000"}, "what was read before stays"


def test_a_profile_that_was_removed_or_made_elsewhere_is_replaced(assigned: Assigned) -> None:
    for serial, status, uuid in (("DMP00000", "removed", "OURS"), ("DMP00001", "pushed", "SOMEBODY")):
        assigned.portal.add_device(serial, profile_status=status, profile_uuid=uuid)
    assigned.sync()
    [uuid] = [row.uuid for row in stored(assigned).values()]
    assert {device["profile_uuid"] for device in assigned.portal.devices.values()} == {uuid}


def test_activation_lock_is_asked_for_with_a_code_of_ours(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    with assigned.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet)).one()
        code = service.enable_activation_lock(work, SYSTEM, tablet, reason="stolen from the school")
        assert service.enable_activation_lock(work, SYSTEM, tablet, reason="again") == code
        assert work.session.query(AuditEvent).filter(AuditEvent.action == "tablet.activation_lock").count() == 2
    assert assigned.portal.locked == {}, "the network is used after the commit"
    assigned.sync()
    device = assigned.devices()["DMP00000"]
    assert device.lock_bypass_key is not None
    raw = bytes.fromhex(device.lock_bypass_key)
    assert lock_codes.format_bypass_code(raw) == code
    assert assigned.portal.locked["DMP00000"]["escrow_key"] == lock_codes.derive_escrow_key(raw)
    assert device.lock_result is DeviceResult.SUCCESS
    assigned.sync()
    assert assigned.portal.requests.count("POST /device/activationlock") == 1


def test_a_tablet_that_apple_does_not_know_cannot_be_locked(assigned: Assigned) -> None:
    from enrollment.joining.ade.errors import DeviceNotAssigned

    with assigned.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        tablet = world.create_tablet(world.create_town())
        with pytest.raises(DeviceNotAssigned):
            service.enable_activation_lock(work, SYSTEM, tablet, reason="stolen")
