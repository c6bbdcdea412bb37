"""Values that a column cannot hold: no status report and no result is a server error, on both databases."""

from __future__ import annotations

import json
import plistlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartable.clock import ManualClock
from cartable.storable import make_storable
from cartable.unit_of_work import Runtime
from mdm.channel.declarative import handle_declarative_request
from mdm.channel.messages import ChannelRequest
from mdm.devices.models import DeviceEnrollment
from mdm.protocol import ddm, plist
from mdm.protocol.checkin import DeclarativeRequest, EnrollmentIds
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.connect import parse_connect
from mdm.protocol.errors import BadMessage
from mdm.queue.results import load_results
from mdm.reconcile.service import reconcile_tablets
from mdm.worker.results import apply_results
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, process_batch, send_status
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet

DEEP = '{"a":' * 13 + "1" + "}" * 13
REPORTS: dict[str, str | bytes] = {
    "U+0000 in an app's name": r'{"StatusItems":{"app":{"managed":{"list":[{"identifier":"a.b","name":"Jeu\u0000"}]}}},"Errors":[]}',
    "U+0000 in a key": r'{"StatusItems":{"app\u0000":{"x\u0000":1}},"Errors":[]}',
    "U+0000 in an identifier": r'{"StatusItems":{"mdm":{"app":[{"identifier":"a\u0000"}]}},"Errors":[]}',
    "a key that becomes StatusItems": r'{"StatusItems":{"a":1},"StatusItems\u0000":5}',
    "a lone surrogate": r'{"StatusItems":{"device":{"model":{"family":"\ud800"}}},"Errors":[{"StatusItem":"\udfff"}]}',
    "NaN": '{"StatusItems":{"device":{"x":NaN}},"Errors":[{"Reasons":[NaN]}]}',
    "infinity": '{"StatusItems":{"device":{"x":[Infinity,-Infinity,1e999]}}}',
    "an integer beyond 64 bits": '{"StatusItems":{"device":{"x":123456789012345678901234567890}}}',
    "an endless integer": '{"StatusItems":{"device":{"x":' + "9" * 6000 + "}}}",
    "bytes that are no UTF-8": b'{"StatusItems":{"device":{"x":"caf\xe9"}}}',
    "a control character": b'{"StatusItems":{"device":{"x":"a\x01b"}}}',
    "an identifier that is a list": '{"StatusItems":{"mdm":{"app":[{"identifier":["a"],"name":"x"}]}},"Errors":[]}',
    "an identifier that is a dictionary": '{"StatusItems":{"mdm":{"app":[{"identifier":{"a":1}},{"identifier":"b"}]}}}',
    "a list of texts": '{"StatusItems":{"mdm":{"app":["a","b"]}}}',
    "apps that are null": '{"StatusItems":{"app":{"managed":null}},"Errors":[]}',
    "app that is a text": '{"StatusItems":{"app":"none"},"Errors":[]}',
    "a list of apps that is a text": '{"StatusItems":{"app":{"managed":{"list":"none"}}}}',
    "an app that is null": '{"StatusItems":{"app":{"managed":{"list":[null,{"identifier":"a","state":["x"]}]}}}}',
    "declarations that are lists": '{"StatusItems":{"management":{"declarations":[1,2]}}}',
    "declarations of odd types": '{"StatusItems":{"management":{"declarations":{"activations":[{"identifier":1},null,{"identifier":"a","valid":[],"active":"x","server-token":{},"reasons":{"a":1}}]}}}}',
    "odd errors": '{"StatusItems":{},"Errors":{"a":1},"FullReport":"yes"}',
    "deep errors": '{"StatusItems":{},"Errors":[' + DEEP + "]}",
    "very deep": '{"StatusItems":' + "[" * 3000 + "]" * 3000 + "}",
    "no JSON": "not JSON",
    "nothing": "",
    "a list": "[]",
}  # fmt: skip


@pytest.fixture
def declarative_runtime(runtime: Runtime) -> Runtime:
    runtime.settings = runtime.settings.model_copy(update={"declarative_apps": True})
    return runtime


def _send_report(tablet: EnrolledTablet, body: bytes) -> int:
    message = DeclarativeRequest(ids=EnrollmentIds(udid=tablet.enrollment.udid), endpoint="status", data=body)
    with tablet.runtime.open_unit_of_work() as work:
        enrollment = work.session.get_one(DeviceEnrollment, tablet.enrollment.id)
        return handle_declarative_request(work, message, enrollment).status


def test_any_status_report_is_accepted_and_the_tablet_can_be_decided_after_it(
    declarative_runtime: Runtime, clock: ManualClock
) -> None:
    tablet = EnrolledTablet(declarative_runtime, clock)
    tablet.prove()
    for name, report in REPORTS.items():
        body = report if isinstance(report, bytes) else report.encode()
        assert _send_report(tablet, body) == 200, name
        with declarative_runtime.open_unit_of_work() as work:
            reconcile_tablets(work, [tablet.tablet_id])


def test_a_report_after_an_odd_one_is_merged(declarative_runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(declarative_runtime, clock)
    tablet.prove()
    for report in REPORTS.values():
        _send_report(tablet, report if isinstance(report, bytes) else report.encode())
    good = {"StatusItems": {"mdm": {"app": [{"identifier": "a.b", "name": "Jeu"}]}, "app": {"managed": {"list": []}}}}
    assert _send_report(tablet, json.dumps(good).encode()) == 200
    items = tablet.load_state().status_items
    assert items is not None
    assert {"identifier": "a.b", "name": "Jeu"} in items["mdm"]["app"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("a\x00") | st.just("\ud800"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=12,
)
ITEMS = st.dictionaries(st.sampled_from(["app", "mdm", "management", "device", "managed", "list", "declarations"]), JSON_VALUES)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ITEMS, max_size=4))
def test_random_reports_are_parsed_and_merged_to_storable_values(reports: list[dict[str, Any]]) -> None:
    known: dict[str, Any] = {}
    for items in reports:
        try:
            report = ddm.parse_status_report(json.dumps({"StatusItems": items, "Errors": items}).encode())
        except BadMessage:
            continue
        known = ddm.merge_status_items(known, report.items)
        text = json.dumps(known, allow_nan=False)
        assert "\\u0000" not in text
        text.encode()
        assert isinstance(ddm.list_managed_apps(known), list)


@given(JSON_VALUES)
def test_what_is_made_storable_stays_as_it_is(value: Any) -> None:
    once = make_storable(value)
    assert make_storable(once) == once
    json.dumps(once, allow_nan=False, ensure_ascii=False).encode()


ODD_ANSWERS: list[dict[str, Any]] = [
    {"QueryResponses": {"OSVersion": "18\x00.1", "ModelName": "a" * 5000, "ProductName": ["iPad"], "BatteryLevel": float("nan")}},
    {"QueryResponses": {"BatteryLevel": float("inf"), "IsSupervised": "yes", "OSVersion": {"a": 1}}},
    {"QueryResponses": {"IsMDMLostModeEnabled": 2**63, "BuildVersion": 7}},
    {"QueryResponses": []},
    {"ErrorChain": [{"ErrorCode": 2**63 + 1, "ErrorDomain": "a\x00b", "LocalizedDescription": "x" * 100_000}, "odd", None]},
    {"ErrorChain": [{"ErrorCode": "12", "ErrorDomain": ["d"], "LocalizedDescription": {"a": float("nan")}}]},
    {"ErrorChain": {"ErrorCode": 1}},
    {"UserLongName": 7, "NotOnConsole": "false"},
]


@pytest.mark.parametrize("status", ["Acknowledged", "Error"])
def test_any_result_is_stored_and_applied(runtime: Runtime, status: str) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    for number, keys in enumerate(ODD_ANSWERS):
        enqueue_for(runtime, [row.id], DeviceInformation(queries=(f"Q{number}",)))
        delivered = send_status(runtime, row)
        assert delivered is not None
        message = {"UDID": row.udid, "Status": status, "CommandUUID": delivered[1], **_without_none(keys)}
        raw = plistlib.dumps(message, fmt=plistlib.FMT_BINARY)
        parsed = parse_connect(plist.loads_leniently(raw))
        [response] = process_batch(runtime, [ChannelRequest(parsed, row.fingerprint, raw)])
        assert response.status == 200
    with runtime.open_unit_of_work() as work:
        outcomes = load_results(work, list(range(1, len(ODD_ANSWERS) + 1)))
        assert len(outcomes) == len(ODD_ANSWERS)
        apply_results(work, [outcome.command_id for outcome in outcomes])


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    return [_without_none(child) for child in value if child is not None] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "uuid", ["FFFFFFFF-FFFF-8FFF-8000-000000000001", "00000000-0000-8000-BFFF-FFFFFFFFFFFF", "\x00", "x" * 128]
)
def test_a_command_uuid_that_no_column_holds_is_a_result_for_no_command(runtime: Runtime, uuid: str) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    assert send_status(runtime, row, "Acknowledged", make_storable(uuid) or "x") is None
