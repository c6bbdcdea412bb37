"""Pages of devices as Apple's service really sends them: repeated cursors, several records of one device, records with few values."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from enrollment.joining.ade.models import SyncPhase
from enrollment.joining.ade.parsing import parse_device
from enrollment.joining.ade.ports import ProfileStatus
from enrollment.joining.ade.rules import is_tablet
from enrollment.tablets.models import TabletState
from tests.enrollment.joining.ade.conftest import AdeSetup

FULL = {
    "model": "iPad (A16)", "description": "IPAD WI-FI 128GB", "color": "BLUE", "device_family": "iPad", "os": "iPadOS",
    "profile_status": "empty",
}  # fmt: skip
TEN, ELEVEN = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"


def page(rows: list[dict[str, Any]], cursor: object, *, more: bool = True) -> bytes:
    return json.dumps({"devices": rows, "cursor": cursor, "more_to_follow": more, "fetched_until": TEN}).encode()


def added(serial: str, when: str = TEN, **fields: Any) -> dict[str, Any]:
    return {"serial_number": serial, "op_type": "added", "op_date": when, **FULL, **fields}


def modified(serial: str, when: str = TEN, **fields: Any) -> dict[str, Any]:
    return {"serial_number": serial, "op_type": "modified", "op_date": when, **fields}


def answer(ade: AdeSetup, *pages: bytes, path: str = "/devices/sync") -> None:
    ade.portal.scripted_responses = [(path, 200, each, {}) for each in pages]


def test_a_page_whose_cursor_is_the_one_sent_is_kept_and_profiles_are_assigned(ade: AdeSetup) -> None:
    ade.sync()
    sent = ade.server().cursor
    ade.portal.add_device("DMP00077")
    answer(ade, page([added("DMP00077")], sent))
    done = ade.sync()
    assert done.error is None
    assert ade.tablets()["DMP00077"].state is TabletState.ORDERED
    assert ade.portal.devices["DMP00077"]["profile_status"] == "assigned", "the run goes on to the profiles"
    server = ade.server()
    assert (server.phase, server.cursor) == (SyncPhase.FETCH, None), "the next run reads everything"
    assert "repeats a cursor" in (server.last_error or "")
    asked = len(ade.portal.requests)
    assert ade.sync().error is None
    assert "POST /server/devices" in ade.portal.requests[asked:]
    assert (ade.server().phase, ade.server().last_error) == (SyncPhase.SYNC, None)
    assert ade.present() == {"DMP00077"}


def test_a_service_that_repeats_its_cursor_for_ever_loses_no_device_and_removes_none(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00001")
    ade.sync()
    for number in range(10, 13):
        ade.portal.add_device(f"DMP000{number}")
        answer(ade, page([added(f"DMP000{number}")], "fixed"), page([], "fixed"))
        if ade.server().phase is SyncPhase.FETCH:
            ade.portal.scripted_responses = [("/server/devices", 200, page([added(f"DMP000{number}")], "fixed"), {})] * 2
        assert ade.sync().error is None
    assert ade.present() == {"DMP00001", "DMP00010", "DMP00011", "DMP00012"}


@pytest.mark.parametrize("phase", [SyncPhase.FETCH, SyncPhase.SYNC])
def test_cursors_that_go_round_in_a_circle_end_the_run_with_all_their_pages(ade: AdeSetup, phase: SyncPhase) -> None:
    path = "/server/devices"
    if phase is SyncPhase.SYNC:
        ade.sync()
        path = "/devices/sync"
    answer(ade, page([added("DMP00001")], "A"), page([added("DMP00002")], "B"), page([added("DMP00003")], "A"), path=path)
    assert ade.sync().error is None
    assert ade.portal.scripted_responses == []
    assert ade.present() == {"DMP00001", "DMP00002", "DMP00003"}
    assert ade.server().phase is SyncPhase.FETCH


def test_a_full_fetch_that_repeats_its_cursor_removes_no_device(ade: AdeSetup) -> None:
    for number in range(3):
        ade.portal.add_device(f"DMP0000{number}")
    ade.sync()
    ade.clock.advance(timedelta(hours=40))
    answer(ade, page([added("DMP00000")], "same"), page([added("DMP00000")], "same"), path="/server/devices")
    assert ade.sync().error is None
    assert len(ade.present()) == 3, "a list without an end says of nobody that it is not on it"
    assert ade.sync().error is None
    assert len(ade.present()) == 3


@pytest.mark.one_database
@pytest.mark.parametrize("cursor", [None, "", 7, "x" * 5000, "a\u0000b", ["c"]])
def test_a_page_without_a_usable_cursor_is_kept(ade: AdeSetup, cursor: object) -> None:
    ade.sync()
    stored = ade.server().cursor
    answer(ade, page([added("DMP00001")], cursor, more=False))
    assert ade.sync().error is None
    assert ade.present() == {"DMP00001"}
    assert ade.server().cursor == stored
    answer(ade, page([added("DMP00002")], cursor))
    assert ade.sync().error is None
    assert ade.present() == {"DMP00001", "DMP00002"}
    answer(ade, page([added("DMP00001"), added("DMP00002")], cursor, more=False), path="/server/devices")
    assert ade.sync().error is None
    assert ade.server().phase is SyncPhase.FETCH, "there is no cursor to go on from"
    assert ade.present() == {"DMP00001", "DMP00002"}


def test_added_and_modified_of_one_device_in_one_page_are_both_learnt(ade: AdeSetup) -> None:
    ade.sync()
    ade.portal.log += [added("DMP00005"), modified("DMP00005", asset_tag="CLA-7"),
                       added("C02MACMACMAC", device_family="Mac", model="MacBook Air"), modified("C02MACMACMAC")]  # fmt: skip
    assert ade.sync().error is None
    device = ade.devices()["DMP00005"]
    assert (device.model, device.family, device.os, device.asset_tag) == ("iPad (A16)", "iPad", "iPadOS", "CLA-7")
    assert set(ade.tablets()) == {"DMP00005"}, "a Mac of which a short record came last is no tablet"


def test_the_order_of_records_in_a_page_does_not_change_what_is_learnt(ade: AdeSetup) -> None:
    ade.sync()
    records: list[tuple[str, str, dict[str, Any]]] = [
        ("added", TEN, FULL), ("modified", "2026-11-23T10:00:01Z", {"color": "GOLD"}), ("modified", "2026-11-23T10:00:02Z", {"model": None, "os": ""})
    ]  # fmt: skip
    for number, order in enumerate(itertools.permutations(records)):
        serial = f"DMP0001{number}"
        ade.portal.log += [{**fields, "serial_number": serial, "op_type": op, "op_date": when} for op, when, fields in order]
    assert ade.sync().error is None
    devices = ade.devices()
    assert len(devices) == 6
    assert {(row.model, row.color, row.family, row.os) for row in devices.values()} == {("iPad (A16)", "GOLD", "iPad", "iPadOS")}


def test_an_older_record_in_a_later_page_adds_what_is_missing_and_changes_nothing_else(ade: AdeSetup) -> None:
    ade.sync()
    ade.portal.log += [modified("DMP00005", ELEVEN, color="GOLD")]
    assert ade.sync().error is None
    assert ade.tablets() == {}, "a change of an unknown device does not say what it is"
    ade.portal.add_device("DMP00005")
    ade.portal.log[-1] = added("DMP00005", TEN, color="BLUE")
    assert ade.sync().error is None
    device = ade.devices()["DMP00005"]
    assert (device.color, device.model, device.family) == ("GOLD", "iPad (A16)", "iPad")
    assert set(ade.tablets()) == {"DMP00005"}


def test_a_change_of_an_unknown_mac_never_enters_it_as_a_tablet(ade: AdeSetup) -> None:
    ade.sync()
    ade.portal.log += [modified("C02MACMACMAC", profile_status="empty"), modified("C02MACMACMA2", model="MacBook Air")]
    ade.sync()
    ade.portal.log += [added("C02MACMACMAC", ELEVEN, device_family="Mac", model="MacBook Air")]
    ade.sync()
    assert ade.tablets() == {}
    assert ade.devices()["C02MACMACMAC"].family == "Mac"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("records", "present"),
    [
        ([("deleted", TEN), ("added", TEN)], True),
        ([("added", TEN), ("deleted", TEN)], False),
        ([("deleted", TEN), ("added", ELEVEN)], True),
        ([("added", ELEVEN), ("deleted", TEN)], True),
        ([("deleted", ELEVEN), ("added", TEN)], False),
        ([("added", TEN), ("modified", TEN), ("deleted", TEN)], False),
        ([("deleted", TEN), ("added", TEN), ("modified", TEN)], True),
        ([("added", TEN), ("deleted", None)], False),
        ([("deleted", TEN), ("added", None)], True),
    ],
)
def test_of_removed_and_added_in_one_page_the_later_holds(
    ade: AdeSetup, records: list[tuple[str, str | None]], present: bool
) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    assert ade.devices()["DMP00000"].profile_status is ProfileStatus.ASSIGNED
    ade.portal.log += [
        {"serial_number": "DMP00000", "op_type": op, **({"op_date": when} if when else {})} for op, when in records
    ]
    assert ade.sync().error is None
    device = ade.devices()["DMP00000"]
    assert (device.removed_at is None) is present
    assert (device.model, device.family) == ("iPad (A16)", "iPad")


def test_a_device_removed_and_added_again_by_a_short_record_gets_its_profile_again(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    ade.portal.devices["DMP00000"].update(profile_status="empty", profile_uuid="")
    ade.portal.log += [{"serial_number": "DMP00000", "op_type": "deleted", "op_date": TEN}, modified("DMP00000", op_type="added")]
    assert ade.sync().error is None
    assert ade.portal.devices["DMP00000"]["profile_status"] == "assigned", "Apple forgets the profile with the assignment"


def test_empty_and_unstorable_values_are_no_values() -> None:
    device = parse_device({"serial_number": " dmp00001 ", "model": "", "color": None, "os": 7, "description": "a\ud800\u0000b",
                           "op_type": "Modified", "profile_status": "EMPTY"})  # fmt: skip
    assert device is not None
    assert (device.serial, device.model, device.color, device.os, device.description) == ("DMP00001", None, None, None, "ab")
    assert (device.op, device.profile_status) == ("modified", "empty")


def test_what_counts_as_a_tablet() -> None:
    assert is_tablet("iPad", "MacBook", only_modified=True)
    assert not is_tablet("Mac", "iPad", only_modified=False)
    assert is_tablet(None, "iPad (A16)", only_modified=True)
    assert not is_tablet(None, "MacBook Air", only_modified=False)
    assert is_tablet(None, None, only_modified=False)
    assert not is_tablet(None, None, only_modified=True)
