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
from mdm.worker.drains import drain
from tests.enrollment.joining.ade.conftest import AdeSetup
from tests.support.world import TownFactory

USUAL = SetupAssistantOptions("", "", "", ("Siri",))


def stored(ade: AdeSetup) -> dict[ProfileVariant, AdeProfile]:
    with ade.runtime.open_unit_of_work() as work:
        return {row.variant: row for row in work.session.scalars(select(AdeProfile))}


def test_a_profile_has_the_content_that_schools_need_and_is_defined_once(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        tls.ensure_server_certificate(work, ["mdm.test"])
    for number in range(3):
        ade.portal.add_device(f"DMP{number:05d}")
    ade.sync()
    ade.sync()
    [profile] = ade.portal.profiles.values()
    assert profile["url"] == "https://mdm.test:8443/join/automated"
    assert (profile["is_supervised"], profile["is_mdm_removable"], profile["await_device_configured"]) == (True, False, True)
    assert (profile["support_phone_number"], profile["department"]) == ("+33 1 00 00 00 00", "Belleville-sur-Craie")
    assert profile["org_magic"] == str(ade.server_id)
    assert "Siri" in profile["skip_setup_items"]
    assert "is_return_to_service" not in profile
    assert len(profile["anchor_certs"]) == 1, "the tablets must trust our own authority"
    assert {device["profile_status"] for device in ade.portal.devices.values()} == {"assigned"}


def test_changed_content_is_a_new_profile_for_every_tablet(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    first = stored(ade)[ProfileVariant.STANDARD]
    with ade.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(
            work,
            SYSTEM,
            ade.server_id,
            SetupAssistantOptions("Écoles", "+33 2", "aide@ville.example", ("Siri", "Siri", "TOS")),
        )
    ade.sync()
    second = stored(ade)[ProfileVariant.STANDARD]
    assert first.uuid != second.uuid
    defined_profile = ade.portal.profiles[second.uuid]
    assert (defined_profile["skip_setup_items"], defined_profile["support_email_address"]) == (
        ["Siri", "TOS"],
        "aide@ville.example",
    )
    assert "anchor_certs" not in defined_profile, "a public certificate needs none"
    assert ade.portal.devices["DMP00000"]["profile_uuid"] == second.uuid
    with ade.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(
            work, SYSTEM, ade.server_id, SetupAssistantOptions("Écoles", "+33 2", "aide@ville.example", ("TOS", "Siri"))
        )
    ade.sync()
    assert len(ade.portal.profiles) == 2, "the same content in another order is the same"


def test_cart_tablets_get_the_profile_with_return_to_service(ade: AdeSetup) -> None:
    for serial in ("DMP00000", "DMP00001"):
        ade.portal.add_device(serial)
    ade.sync()
    with ade.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet).where(Tablet.serial == "DMP00001")).one()
        world = TownFactory(work)
        from enrollment.places.models import Town

        cart = Cart(town_id=ade.town_id, school_id=world.create_school(work.session.get_one(Town, ade.town_id)).id, label="C1")
        work.session.add(cart)
        work.session.flush()
        work.session.add(CartSlot(town_id=ade.town_id, cart_id=cart.id, number=1, tablet_id=tablet.id))
    ade.sync()
    uuids = {variant: row.uuid for variant, row in stored(ade).items()}
    assert ade.portal.devices["DMP00000"]["profile_uuid"] == uuids[ProfileVariant.STANDARD]
    assert ade.portal.devices["DMP00001"]["profile_uuid"] == uuids[ProfileVariant.CART]
    assert ade.portal.profiles[uuids[ProfileVariant.CART]]["is_return_to_service"] is True


def test_batches_are_no_larger_than_the_limit_of_the_account(ade: AdeSetup) -> None:
    ade.portal.page = 4
    for number in range(10):
        ade.portal.add_device(f"DMP{number:05d}")
    done = ade.sync()
    assert done.profiles is not None
    assert (done.profiles.assigned, ade.portal.requests.count("PUT /profile/devices")) == (10, 3)


def test_each_result_of_a_serial_number_has_its_effect(ade: AdeSetup) -> None:
    words = {"DMP00001": DeviceResult.NOT_ACCESSIBLE, "DMP00002": DeviceResult.FAILED, "DMP00003": DeviceResult.THROTTLED}
    for number in range(4):
        ade.portal.add_device(f"DMP{number:05d}")
    ade.portal.results.update({serial: word.value for serial, word in words.items()})
    ade.portal.retry_after = 120
    done = ade.sync()
    assert done.error is None
    now, devices = ade.clock.now(), ade.devices()
    assert {serial: devices[serial].result for serial in words} == words
    waits = [(devices[serial].retry_at or now) - now for serial in sorted(words)]
    assert waits == [timedelta(days=1), timedelta(minutes=5), timedelta(seconds=120)]
    with ade.runtime.open_unit_of_work() as work:
        [row] = [row for row in work.session.query(OutboxRow) if row.topic is Topic.ADE_SYNC and row.lease_until is None]
        assert row.not_before <= now + timedelta(seconds=120), "the throttled one is tried again as soon as the service wants"
    asked = ade.portal.requests.count("PUT /profile/devices")
    ade.sync()
    assert ade.portal.requests.count("PUT /profile/devices") == asked, "not before its time"
    ade.portal.results.clear()
    ade.clock.advance(timedelta(minutes=2))
    drain(ade.runtime, Topic.ADE_SYNC)
    assert ade.devices()["DMP00003"].result is DeviceResult.SUCCESS
    assert ade.devices()["DMP00002"].result is DeviceResult.FAILED
    ade.clock.advance(timedelta(days=2))
    ade.sync()
    assert {device.result for device in ade.devices().values()} == {DeviceResult.SUCCESS}


def test_a_profile_unknown_to_apple_is_defined_again(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    ade.portal.profiles.clear()
    ade.portal.add_device("DMP00001")
    assert ade.sync().error is None
    assert len(ade.portal.profiles) == 1
    with ade.runtime.open_unit_of_work() as work:
        service.update_setup_assistant(work, SYSTEM, ade.server_id, USUAL)
    ade.portal.scripted_responses = [("/profile/devices", 404, b"NOT_FOUND", {})] * 2
    assert "NOT_FOUND" in (ade.sync().error or ""), "once more, and not for ever"


def test_a_profile_that_is_refused_raises_an_alarm(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.portal.scripted_responses = [("/profile", 400, b'{"code": "CONFIG_URL_REQUIRED"}', {})]
    ade.sync()
    server = ade.server()
    assert (server.alarm, server.last_error) == ("profile_refused", "HTTP 400 CONFIG_URL_REQUIRED")
    assert set(ade.tablets()) == {"DMP00000"}, "what was read before stays"


def test_a_profile_that_was_removed_or_assigned_elsewhere_is_replaced(ade: AdeSetup) -> None:
    for serial, status, uuid in (("DMP00000", "removed", "OURS"), ("DMP00001", "pushed", "SOMEBODY")):
        ade.portal.add_device(serial, profile_status=status, profile_uuid=uuid)
    ade.sync()
    [uuid] = [row.uuid for row in stored(ade).values()]
    assert {device["profile_uuid"] for device in ade.portal.devices.values()} == {uuid}


def test_activation_lock_is_requested_with_our_bypass_code(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    with ade.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet)).one()
        code = service.enable_activation_lock(work, SYSTEM, tablet, reason="stolen from the school")
        assert service.enable_activation_lock(work, SYSTEM, tablet, reason="again") == code
        assert work.session.query(AuditEvent).filter(AuditEvent.action == "tablet.activation_lock").count() == 2
    assert ade.portal.locked == {}, "the network is used after the commit"
    ade.sync()
    device = ade.devices()["DMP00000"]
    assert device.lock_bypass_key is not None
    raw = bytes.fromhex(device.lock_bypass_key)
    assert lock_codes.format_bypass_code(raw) == code
    assert ade.portal.locked["DMP00000"]["escrow_key"] == lock_codes.derive_escrow_key(raw)
    assert device.lock_result is DeviceResult.SUCCESS
    ade.sync()
    assert ade.portal.requests.count("POST /device/activationlock") == 1


def test_a_tablet_that_apple_does_not_know_cannot_be_locked(ade: AdeSetup) -> None:
    from enrollment.joining.ade.errors import DeviceNotAssigned

    with ade.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        tablet = world.create_tablet(world.create_town())
        with pytest.raises(DeviceNotAssigned):
            service.enable_activation_lock(work, SYSTEM, tablet, reason="stolen")
