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
from mdm.worker.handlers import drain
from tests.enrollment.joining.ade.conftest import Assigned
from tests.support.world import TownFactory


def fill(assigned: Assigned, count: int) -> list[str]:
    serials = [f"DMP{number:05d}" for number in range(count)]
    for serial in serials:
        assigned.portal.add_device(serial)
    return serials


def test_a_first_reading_enters_every_tablet_as_ordered_and_the_next_only_what_is_new(assigned: Assigned) -> None:
    assigned.portal.page = 3
    serials = fill(assigned, 7)
    done = assigned.sync()
    assert done.error is None
    assert done.devices is not None
    assert (done.devices.devices, done.devices.registered) == (7, 7)
    tablets = assigned.tablets()
    assert {tablet.state for tablet in tablets.values()} == {TabletState.ORDERED}
    assert sorted(tablets) == serials
    assert len({tablet.tag for tablet in tablets.values()}) == 7
    assert assigned.server().phase is SyncPhase.SYNC
    assigned.portal.add_device("DMP99999")
    asked = len(assigned.portal.requests)
    assigned.sync()
    assert "DMP99999" in assigned.tablets()
    assert "POST /server/devices" not in assigned.portal.requests[asked:]


def test_the_whole_is_empty_at_first(assigned: Assigned) -> None:
    assert assigned.sync().error is None
    assert assigned.devices() == {}


def test_an_ordered_tablet_stays_the_one_it_is(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        [ordered] = inventory.register_purchase_order(work, SYSTEM, assigned.town_id, ["DMP00000"], "BC-1")
    fill(assigned, 2)
    assigned.sync()
    tablets = assigned.tablets()
    assert (tablets["DMP00000"].id, tablets["DMP00000"].tag) == (ordered.id, ordered.tag)
    assert len(tablets) == 2


def test_what_is_removed_stays_in_the_inventory(assigned: Assigned) -> None:
    fill(assigned, 2)
    assigned.sync()
    assigned.portal.remove_device("DMP00000")
    assigned.sync()
    assert assigned.present() == {"DMP00001"}
    assert set(assigned.tablets()) == {"DMP00000", "DMP00001"}


def test_a_page_with_words_out_of_order_and_twice_ends_with_the_latest(assigned: Assigned) -> None:
    fill(assigned, 4)
    assigned.sync()
    told = assigned.portal.devices
    say = assigned.portal.record_change
    say("deleted", told["DMP00000"], "2026-11-23T10:00:00Z")
    say("added", {**told["DMP00000"], "color": "OLD"}, "2026-11-23T09:00:00Z")  # older, told later
    say("added", {**told["DMP00001"], "color": "PINK"}, "2026-11-23T10:00:00Z")
    say("modified", {**told["DMP00001"], "color": "SILVER"}, "2026-11-23T10:00:00Z")  # at the same second
    say("added", {**told["DMP00002"], "color": "GREY"}, "2026-11-23T10:00:00Z")  # known already: an update
    say("added", {"serial_number": "DMP00009", "device_family": "iPad"}, "2026-11-23T10:00:00Z")
    say("modified", {"serial_number": "DMP00009", "color": "GOLD"}, "2026-11-23T10:00:01Z")
    assigned.sync()
    devices = assigned.devices()
    assert devices["DMP00000"].removed_at is not None
    assert [devices[f"DMP0000{n}"].color for n in (1, 2, 9)] == ["SILVER", "GREY", "GOLD"]
    assert devices["DMP00001"].model == "iPad (A16)"
    say("added", told["DMP00000"], "2026-11-23T09:30:00Z")  # still older than what is known, in another page
    assigned.sync()
    assert assigned.devices()["DMP00000"].removed_at is not None
    say("added", told["DMP00000"], "2026-11-23T10:00:00Z")
    assigned.sync()
    assert assigned.devices()["DMP00000"].removed_at is None


def test_a_device_that_was_removed_before_it_was_known_does_not_come_by_an_older_word(assigned: Assigned) -> None:
    assigned.sync()
    say = assigned.portal.record_change
    say("deleted", {"serial_number": "DMP00007"}, "2026-11-23T10:00:00Z")
    assigned.sync()
    say("added", {"serial_number": "DMP00007", "device_family": "iPad"}, "2026-11-23T09:00:00Z")
    assigned.sync()
    assert assigned.tablets() == {}


def test_back_from_repair_a_device_gets_its_profile_again(assigned: Assigned) -> None:
    fill(assigned, 1)
    assigned.sync()
    before = assigned.devices()["DMP00000"]
    assert before.profile_status is ProfileStatus.ASSIGNED
    assigned.portal.remove_device("DMP00000")
    assigned.portal.add_device("DMP00000")  # its profile is empty
    assigned.sync()
    device = assigned.devices()["DMP00000"]
    assert (device.removed_at, device.profile_status, device.profile_uuid) == (None, ProfileStatus.ASSIGNED, before.profile_uuid)
    assert assigned.portal.devices["DMP00000"]["profile_status"] == "assigned"


@pytest.mark.parametrize("word", ["EXPIRED_CURSOR", "INVALID_CURSOR", "CURSOR_REQUIRED"])
def test_a_lost_cursor_leads_to_the_whole_list(assigned: Assigned, word: str) -> None:
    fill(assigned, 3)
    assigned.sync()
    del assigned.portal.devices["DMP00001"]  # without a word in the log
    assigned.portal.scripted_responses = [("/devices/sync", 400, f'{{"code":"{word}"}}'.encode(), {})]
    assert assigned.sync().error is None
    assert assigned.present() == {"DMP00000", "DMP00002"}
    assigned.portal.expire_cursors()
    assert assigned.sync().error is None


def test_a_cursor_that_stays_lost_ends_the_run(assigned: Assigned) -> None:
    fill(assigned, 1)
    assigned.sync()
    assigned.portal.scripted_responses = [
        ("/devices/sync", 400, b"EXPIRED_CURSOR", {}),
        ("/server/devices", 400, b"INVALID_CURSOR", {}),
    ]
    assert assigned.sync().error == "HTTP 400 INVALID_CURSOR"
    assert assigned.sync().error is None


def test_an_exhausted_cursor_means_that_all_was_read(assigned: Assigned) -> None:
    fill(assigned, 3)
    assigned.portal.page = 2
    assigned.sync()
    with assigned.runtime.open_unit_of_work() as work:  # as after a crash between the answer and its commit
        server = AdeRepository(work.session).get_server(assigned.server_id)
        assert server is not None
        server.phase = SyncPhase.FETCH
    assert assigned.sync().error is None
    assert assigned.server().phase is SyncPhase.SYNC


def test_a_crash_between_pages_is_gone_on_from(assigned: Assigned, monkeypatch: pytest.MonkeyPatch) -> None:
    assigned.portal.page = 2
    fill(assigned, 6)
    keep, pages = device_sync.store_page, []

    def die(*given: Any) -> bool:
        pages.append(1)
        if len(pages) == 3:
            raise RuntimeError("the power is gone")
        return keep(*given)

    monkeypatch.setattr(device_sync, "keep_page", die)
    with pytest.raises(RuntimeError):
        assigned.sync()
    assert len(assigned.devices()) == len(assigned.tablets()) == 4, "page and tablets are one transaction"
    monkeypatch.setattr(device_sync, "keep_page", keep)
    asked = len(assigned.portal.requests)
    assert assigned.sync().error is None
    assert assigned.portal.requests[asked:].count("POST /server/devices") == 1, "only the page that was not kept"
    assert len(assigned.present()) == 6, "nothing is taken for removed that an earlier part has shown"


def test_every_night_the_whole_list_repairs_what_was_never_told(assigned: Assigned) -> None:
    fill(assigned, 3)
    assigned.sync()
    del assigned.portal.devices["DMP00000"]
    assigned.portal.devices["DMP00008"] = {"serial_number": "DMP00008", "device_family": "iPad", "profile_status": "empty"}
    assigned.sync()
    assert assigned.present() == {"DMP00000", "DMP00001", "DMP00002"}
    assigned.clock.advance(timedelta(hours=18))  # 02:00 UTC, but read 18 hours ago
    assigned.sync()
    assert "DMP00008" not in assigned.tablets()
    assigned.clock.advance(timedelta(hours=24))
    assigned.sync()
    assert assigned.present() == {"DMP00001", "DMP00002", "DMP00008"}
    assert "DMP00008" in assigned.tablets()


def test_a_tablet_of_another_town_is_reported_and_stays_there(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        other = world.create_town()
        world.create_tablet(other, serial="DMP00000").state = TabletState.IN_USE
    fill(assigned, 2)
    assigned.sync()
    tablet = assigned.tablets()["DMP00000"]
    assert (tablet.town_id, tablet.state) == (other.id, TabletState.IN_USE)
    assert assigned.portal.devices["DMP00000"]["profile_status"] == "empty", "it would bring the other town's tablet to us"
    with assigned.runtime.open_unit_of_work() as work:
        rows = AdeRepository(work.session).list_devices(SYSTEM, assigned.server_id, InventoryStatus.OTHER_TOWN, FIRST_PAGE)
        assert [(row.serial, tablet_id) for row, tablet_id, _ in rows.items] == [("DMP00000", None)]


def test_a_tablet_that_was_given_up_never_lands_in_stock(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        for serial, state in (("DMP00000", TabletState.RETIRED), ("DMP00001", TabletState.DISPOSED),
                              ("DMP00002", TabletState.MISSING_WRITTEN_OFF)):  # fmt: skip
            tablet = world.create_tablet(town, serial=serial)
            tablet.town_id, tablet.state, tablet.tag = assigned.town_id, state, f"X{serial}"
    fill(assigned, 3)
    assigned.sync()
    states = {serial: tablet.state for serial, tablet in assigned.tablets().items()}
    assert states["DMP00000"] is TabletState.RETIRED
    told = assigned.portal.devices
    assert [told[serial]["profile_status"] for serial in sorted(told)] == ["empty", "empty", "assigned"], (
        "what was written off finds its way home, into quarantine; what was retired stays out"
    )
    with assigned.runtime.open_unit_of_work() as work:
        assert (
            AdeRepository(work.session).count_devices([assigned.server_id])[assigned.server_id][InventoryStatus.DECOMMISSIONED]
            == 2
        )


def test_what_is_no_ipad_is_listed_and_nothing_more(assigned: Assigned) -> None:
    assigned.portal.add_device("C02ABCDEFGH1", device_family="Mac")
    assigned.portal.add_device("DMP00000", device_family="iPad")
    assigned.portal.devices["DMP00001"] = {"serial_number": "DMP00001"}  # an old answer without family
    assigned.sync()
    assert set(assigned.tablets()) == {"DMP00000", "DMP00001"}
    assert assigned.portal.devices["C02ABCDEFGH1"]["profile_status"] == "empty"


def test_a_page_costs_the_same_statements_whatever_it_holds(assigned: Assigned) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            assigned.portal.add_device(f"P{count:03d}{number:05d}")
        seen: list[str] = []

        def count_one(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        event.listen(assigned.runtime.engine, "before_cursor_execute", count_one)
        try:
            assert assigned.sync().error is None
        finally:
            event.remove(assigned.runtime.engine, "before_cursor_execute", count_one)
        return len(seen)

    assigned.sync()
    few = statements(5)
    assert statements(120) <= few + 4


def test_terms_that_are_not_signed_raise_an_alarm_until_they_are(assigned: Assigned) -> None:
    fill(assigned, 1)
    assigned.portal.scripted_responses = [("/account", 403, b'"T_C_NOT_SIGNED"', {})]
    with assigned.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ADE_SYNC, assigned.server_id)
    drain(assigned.runtime, Topic.ADE_SYNC)
    server = assigned.server()
    assert (server.alarm, server.last_error) == (AdeAlarm.TERMS, "HTTP 403 T_C_NOT_SIGNED")
    since = server.alarm_since
    assigned.portal.scripted_responses = [("/account", 403, b"T_C_NOT_SIGNED", {})]
    assigned.sync()
    assert assigned.server().alarm_since == since
    assigned.clock.advance(timedelta(hours=1))
    drain(assigned.runtime, Topic.ADE_SYNC)
    assert assigned.server().alarm is None
    assert set(assigned.tablets()) == {"DMP00000"}


def test_who_asks_us_to_rest_is_left_in_peace_even_by_the_clock(assigned: Assigned) -> None:
    assigned.portal.scripted_responses = [("/account", 429, b"TOO_MANY_REQUESTS", {"Retry-After": "3600"})]
    drain(assigned.runtime, Topic.ADE_SYNC)
    asked = len(assigned.portal.requests)
    assigned.clock.advance(timedelta(minutes=30))
    with assigned.runtime.open_unit_of_work() as work:
        service.schedule_syncs(work)
        work.enqueue_job(Topic.ADE_SYNC, assigned.server_id)
    drain(assigned.runtime, Topic.ADE_SYNC)
    assert len(assigned.portal.requests) == asked
    assigned.clock.advance(timedelta(minutes=31))
    drain(assigned.runtime, Topic.ADE_SYNC)
    assert assigned.server().last_error is None


def test_one_worker_talks_at_a_time(assigned: Assigned) -> None:
    talk = SyncLease(assigned.runtime, assigned.server_id)
    with talk.open_unit_of_work():
        pass
    assert assigned.sync().error == "busy"
    assert assigned.portal.requests == []
    assigned.clock.advance(timedelta(minutes=6))  # the other one has died
    assert assigned.sync().error is None
    talk.release()


def test_a_worker_that_was_overtaken_writes_nothing_more(assigned: Assigned) -> None:
    fill(assigned, 1)
    other = SyncLease(assigned.runtime, assigned.server_id)

    def overtake(path: str) -> None:
        if path == "/server/devices":
            assigned.clock.advance(timedelta(minutes=6))
            with other.open_unit_of_work():
                pass

    assigned.portal.before_request = overtake
    assert assigned.sync().error == "busy"
    assert assigned.devices() == {}


def test_a_service_that_repeats_its_cursor_is_left(assigned: Assigned) -> None:
    page = b'{"devices": [], "cursor": "same", "more_to_follow": true}'
    assigned.portal.scripted_responses = [("/server/devices", 200, page, {})] * 2
    assert "repeats" in (assigned.sync().error or "")
    assert assigned.portal.scripted_responses == []


def test_the_clock_asks_every_server_with_a_token(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        service.create_server(work, SYSTEM, assigned.town_id, "Second")
        work.session.query(OutboxRow).delete()
        service.schedule_syncs(work)
        keys = [row.key for row in work.session.query(OutboxRow) if row.topic is Topic.ADE_SYNC]
    assert keys == [str(assigned.server_id)]
    with assigned.runtime.open_unit_of_work() as work:
        soon = service.request_sync(work, SYSTEM, assigned.server_id)
    assert soon.synced_at is None
    assigned.sync()
    with assigned.runtime.open_unit_of_work() as work:
        work.session.query(OutboxRow).delete()
        service.request_sync(work, SYSTEM, assigned.server_id)
        [row] = work.session.query(OutboxRow)
        assert row.not_before == work.now + timedelta(minutes=1), "once a minute, and not more often"
