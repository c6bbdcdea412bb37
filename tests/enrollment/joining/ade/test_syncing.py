"""The list of devices, page by page: order, duplicates, repairs, cursors that are lost, crashes, drift; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from cartable.outbox import OutboxRow, Topic
from cartable.paging import FIRST_PAGE
from cartable.scope import SYSTEM
from enrollment.joining.ade import device_sync, service
from enrollment.joining.ade.models import AdeAlarm, SyncPhase
from enrollment.joining.ade.ports import ProfileStatus
from enrollment.joining.ade.repository import AdeRepository, InventoryStatus
from enrollment.joining.ade.sync_lease import SyncLease
from enrollment.tablets import inventory
from enrollment.tablets.models import TabletState
from mdm.worker.drains import drain
from tests.enrollment.joining.ade.conftest import AdeSetup
from tests.support.world import TownFactory


def fill(ade: AdeSetup, count: int) -> list[str]:
    serials = [f"DMP{number:05d}" for number in range(count)]
    for serial in serials:
        ade.portal.add_device(serial)
    return serials


def test_the_first_sync_registers_every_tablet_as_ordered_and_the_next_only_new_ones(ade: AdeSetup) -> None:
    ade.portal.page = 3
    serials = fill(ade, 7)
    done = ade.sync()
    assert done.error is None
    assert done.devices is not None
    assert (done.devices.devices, done.devices.registered) == (7, 7)
    tablets = ade.tablets()
    assert {tablet.state for tablet in tablets.values()} == {TabletState.ORDERED}
    assert sorted(tablets) == serials
    assert len({tablet.tag for tablet in tablets.values()}) == 7
    assert ade.server().phase is SyncPhase.SYNC
    ade.portal.add_device("DMP99999")
    asked = len(ade.portal.requests)
    ade.sync()
    assert "DMP99999" in ade.tablets()
    assert "POST /server/devices" not in ade.portal.requests[asked:]


def test_the_first_list_may_be_empty(ade: AdeSetup) -> None:
    assert ade.sync().error is None
    assert ade.devices() == {}


def test_an_ordered_tablet_is_not_registered_again(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        [ordered] = inventory.register_purchase_order(work, SYSTEM, ade.town_id, ["DMP00000"], "BC-1")
    fill(ade, 2)
    ade.sync()
    tablets = ade.tablets()
    assert (tablets["DMP00000"].id, tablets["DMP00000"].tag) == (ordered.id, ordered.tag)
    assert len(tablets) == 2


def test_a_removed_device_stays_in_the_inventory(ade: AdeSetup) -> None:
    fill(ade, 2)
    ade.sync()
    ade.portal.remove_device("DMP00000")
    ade.sync()
    assert ade.present() == {"DMP00001"}
    assert set(ade.tablets()) == {"DMP00000", "DMP00001"}


def test_of_several_records_of_a_device_the_latest_counts(ade: AdeSetup) -> None:
    fill(ade, 4)
    ade.sync()
    portal_devices = ade.portal.devices
    say = ade.portal.record_change
    say("deleted", portal_devices["DMP00000"], "2026-11-23T10:00:00Z")
    say("added", {**portal_devices["DMP00000"], "color": "OLD"}, "2026-11-23T09:00:00Z")  # older, told later
    say("added", {**portal_devices["DMP00001"], "color": "PINK"}, "2026-11-23T10:00:00Z")
    say("modified", {**portal_devices["DMP00001"], "color": "SILVER"}, "2026-11-23T10:00:00Z")  # at the same second
    say("added", {**portal_devices["DMP00002"], "color": "GREY"}, "2026-11-23T10:00:00Z")  # known already: an update
    say("added", {"serial_number": "DMP00009", "device_family": "iPad"}, "2026-11-23T10:00:00Z")
    say("modified", {"serial_number": "DMP00009", "color": "GOLD"}, "2026-11-23T10:00:01Z")
    ade.sync()
    devices = ade.devices()
    assert devices["DMP00000"].removed_at is not None
    assert [devices[f"DMP0000{n}"].color for n in (1, 2, 9)] == ["SILVER", "GREY", "GOLD"]
    assert devices["DMP00001"].model == "iPad (A16)"
    say("added", portal_devices["DMP00000"], "2026-11-23T09:30:00Z")  # still older than what is known, in another page
    ade.sync()
    assert ade.devices()["DMP00000"].removed_at is not None
    say("added", portal_devices["DMP00000"], "2026-11-23T10:00:00Z")
    ade.sync()
    assert ade.devices()["DMP00000"].removed_at is None


def test_an_older_record_does_not_bring_back_a_removed_device(ade: AdeSetup) -> None:
    ade.sync()
    say = ade.portal.record_change
    say("deleted", {"serial_number": "DMP00007"}, "2026-11-23T10:00:00Z")
    ade.sync()
    say("added", {"serial_number": "DMP00007", "device_family": "iPad"}, "2026-11-23T09:00:00Z")
    ade.sync()
    assert ade.tablets() == {}


def test_a_device_that_is_assigned_again_gets_its_profile_again(ade: AdeSetup) -> None:
    fill(ade, 1)
    ade.sync()
    before = ade.devices()["DMP00000"]
    assert before.profile_status is ProfileStatus.ASSIGNED
    ade.portal.remove_device("DMP00000")
    ade.portal.add_device("DMP00000")  # its profile is empty
    ade.sync()
    device = ade.devices()["DMP00000"]
    assert (device.removed_at, device.profile_status, device.profile_uuid) == (None, ProfileStatus.ASSIGNED, before.profile_uuid)
    assert ade.portal.devices["DMP00000"]["profile_status"] == "assigned"


@pytest.mark.one_database
@pytest.mark.parametrize("word", ["EXPIRED_CURSOR", "INVALID_CURSOR", "CURSOR_REQUIRED"])
def test_a_lost_cursor_starts_a_full_fetch(ade: AdeSetup, word: str) -> None:
    fill(ade, 3)
    ade.sync()
    del ade.portal.devices["DMP00001"]  # without a word in the log
    ade.portal.scripted_responses = [("/devices/sync", 400, f'{{"code":"{word}"}}'.encode(), {})]
    assert ade.sync().error is None
    assert ade.present() == {"DMP00000", "DMP00002"}
    ade.portal.expire_cursors()
    assert ade.sync().error is None


def test_a_cursor_that_stays_lost_ends_the_run(ade: AdeSetup) -> None:
    fill(ade, 1)
    ade.sync()
    ade.portal.scripted_responses = [
        ("/devices/sync", 400, b"EXPIRED_CURSOR", {}),
        ("/server/devices", 400, b"INVALID_CURSOR", {}),
    ]
    assert ade.sync().error == "HTTP 400 INVALID_CURSOR"
    assert ade.sync().error is None


def test_an_exhausted_cursor_means_that_nothing_follows(ade: AdeSetup) -> None:
    fill(ade, 3)
    ade.portal.page = 2
    ade.sync()
    with ade.runtime.open_unit_of_work() as work:  # as after a crash between the answer and its commit
        server = AdeRepository(work.session).get_server(ade.server_id)
        assert server is not None
        server.phase = SyncPhase.FETCH
    assert ade.sync().error is None
    assert ade.server().phase is SyncPhase.SYNC


def test_after_a_crash_between_pages_the_sync_continues(ade: AdeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    ade.portal.page = 2
    fill(ade, 6)
    store_page, pages = device_sync.store_page, []

    def fail(*arguments: Any) -> bool:
        pages.append(1)
        if len(pages) == 3:
            raise RuntimeError("the power is gone")
        return store_page(*arguments)

    monkeypatch.setattr(device_sync, "store_page", fail)
    with pytest.raises(RuntimeError):
        ade.sync()
    assert len(ade.devices()) == len(ade.tablets()) == 4, "page and tablets are one transaction"
    monkeypatch.setattr(device_sync, "store_page", store_page)
    asked = len(ade.portal.requests)
    assert ade.sync().error is None
    assert ade.portal.requests[asked:].count("POST /server/devices") == 1, "only the page that was not kept"
    assert len(ade.present()) == 6, "nothing is taken for removed that an earlier part has shown"


def test_the_nightly_full_fetch_repairs_missed_changes(ade: AdeSetup) -> None:
    fill(ade, 3)
    ade.sync()
    del ade.portal.devices["DMP00000"]
    ade.portal.devices["DMP00008"] = {"serial_number": "DMP00008", "device_family": "iPad", "profile_status": "empty"}
    ade.sync()
    assert ade.present() == {"DMP00000", "DMP00001", "DMP00002"}
    ade.clock.advance(timedelta(hours=18))  # 02:00 UTC, but read 18 hours ago
    ade.sync()
    assert "DMP00008" not in ade.tablets()
    ade.clock.advance(timedelta(hours=24))
    ade.sync()
    assert ade.present() == {"DMP00001", "DMP00002", "DMP00008"}
    assert "DMP00008" in ade.tablets()


def test_a_tablet_of_another_town_is_reported_and_stays_there(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        other = world.create_town()
        world.create_tablet(other, serial="DMP00000").state = TabletState.IN_USE
    fill(ade, 2)
    ade.sync()
    tablet = ade.tablets()["DMP00000"]
    assert (tablet.town_id, tablet.state) == (other.id, TabletState.IN_USE)
    assert ade.portal.devices["DMP00000"]["profile_status"] == "empty", "it would bring the other town's tablet to us"
    with ade.runtime.open_unit_of_work() as work:
        rows = AdeRepository(work.session).list_devices(SYSTEM, ade.server_id, InventoryStatus.OTHER_TOWN, FIRST_PAGE)
        assert [(row.serial, tablet_id) for row, tablet_id, _ in rows.items] == [("DMP00000", None)]


def test_a_decommissioned_tablet_never_goes_to_stock(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        for serial, state in (("DMP00000", TabletState.RETIRED), ("DMP00001", TabletState.DISPOSED),
                              ("DMP00002", TabletState.MISSING_WRITTEN_OFF)):  # fmt: skip
            tablet = world.create_tablet(town, serial=serial)
            tablet.town_id, tablet.state, tablet.tag = ade.town_id, state, f"X{serial}"
    fill(ade, 3)
    ade.sync()
    states = {serial: tablet.state for serial, tablet in ade.tablets().items()}
    assert states["DMP00000"] is TabletState.RETIRED
    portal_devices = ade.portal.devices
    assert [portal_devices[serial]["profile_status"] for serial in sorted(portal_devices)] == ["empty", "empty", "assigned"], (
        "what was written off finds its way home, into quarantine; what was retired stays out"
    )
    with ade.runtime.open_unit_of_work() as work:
        assert AdeRepository(work.session).count_devices([ade.server_id])[ade.server_id][InventoryStatus.DECOMMISSIONED] == 2


def test_other_devices_than_ipads_are_listed_only(ade: AdeSetup) -> None:
    ade.portal.add_device("C02ABCDEFGH1", device_family="Mac")
    ade.portal.add_device("DMP00000", device_family="iPad")
    ade.portal.devices["DMP00001"] = {"serial_number": "DMP00001"}  # an old answer without family
    ade.sync()
    assert set(ade.tablets()) == {"DMP00000", "DMP00001"}
    assert ade.portal.devices["C02ABCDEFGH1"]["profile_status"] == "empty"


def test_a_page_costs_a_constant_number_of_statements(ade: AdeSetup) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            ade.portal.add_device(f"P{count:03d}{number:05d}")
        seen: list[str] = []

        def count_one(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        event.listen(ade.runtime.engine, "before_cursor_execute", count_one)
        try:
            assert ade.sync().error is None
        finally:
            event.remove(ade.runtime.engine, "before_cursor_execute", count_one)
        return len(seen)

    ade.sync()
    few = statements(5)
    assert statements(120) <= few + 4


def test_terms_that_are_not_signed_raise_an_alarm_until_they_are(ade: AdeSetup) -> None:
    fill(ade, 1)
    ade.portal.scripted_responses = [("/account", 403, b'"T_C_NOT_SIGNED"', {})]
    with ade.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ADE_SYNC, ade.server_id)
    drain(ade.runtime, Topic.ADE_SYNC)
    server = ade.server()
    assert (server.alarm, server.last_error) == (AdeAlarm.TERMS, "HTTP 403 T_C_NOT_SIGNED")
    since = server.alarm_since
    ade.portal.scripted_responses = [("/account", 403, b"T_C_NOT_SIGNED", {})]
    ade.sync()
    assert ade.server().alarm_since == since
    ade.clock.advance(timedelta(hours=1))
    drain(ade.runtime, Topic.ADE_SYNC)
    assert ade.server().alarm is None
    assert set(ade.tablets()) == {"DMP00000"}


def test_no_sync_is_scheduled_while_apple_asks_to_wait(ade: AdeSetup) -> None:
    ade.portal.scripted_responses = [("/account", 429, b"TOO_MANY_REQUESTS", {"Retry-After": "3600"})]
    drain(ade.runtime, Topic.ADE_SYNC)
    asked = len(ade.portal.requests)
    ade.clock.advance(timedelta(minutes=30))
    with ade.runtime.open_unit_of_work() as work:
        service.schedule_syncs(work)
        work.enqueue_job(Topic.ADE_SYNC, ade.server_id)
    drain(ade.runtime, Topic.ADE_SYNC)
    assert len(ade.portal.requests) == asked
    ade.clock.advance(timedelta(minutes=31))
    drain(ade.runtime, Topic.ADE_SYNC)
    assert ade.server().last_error is None


def test_one_worker_syncs_a_server_at_a_time(ade: AdeSetup) -> None:
    talk = SyncLease(ade.runtime, ade.server_id)
    with talk.open_unit_of_work():
        pass
    assert ade.sync().error == "busy"
    assert ade.portal.requests == []
    ade.clock.advance(timedelta(minutes=6))  # the other one has died
    assert ade.sync().error is None
    talk.release()


def test_a_worker_that_lost_the_lease_writes_nothing_more(ade: AdeSetup) -> None:
    fill(ade, 1)
    other = SyncLease(ade.runtime, ade.server_id)

    def overtake(path: str) -> None:
        if path == "/server/devices":
            ade.clock.advance(timedelta(minutes=6))
            with other.open_unit_of_work():
                pass

    ade.portal.before_request = overtake
    assert ade.sync().error == "busy"
    assert ade.devices() == {}


def test_every_server_with_a_token_is_scheduled(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        service.create_server(work, SYSTEM, ade.town_id, "Second")
        work.session.query(OutboxRow).delete()
        service.schedule_syncs(work)
        keys = [row.key for row in work.session.query(OutboxRow) if row.topic is Topic.ADE_SYNC]
    assert keys == [str(ade.server_id)]
    with ade.runtime.open_unit_of_work() as work:
        soon = service.request_sync(work, SYSTEM, ade.server_id)
    assert soon.synced_at is None
    ade.sync()
    with ade.runtime.open_unit_of_work() as work:
        work.session.query(OutboxRow).delete()
        service.request_sync(work, SYSTEM, ade.server_id)
        [row] = work.session.query(OutboxRow)
        assert row.not_before == work.now + timedelta(minutes=1), "once a minute, and not more often"
