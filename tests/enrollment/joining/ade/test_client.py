"""The client against the test server over HTTP: signed sessions, their renewal, every refusal in every shape, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cartable import http_client
from cartable.loopback_server import serve_on_loopback as serve_anything
from enrollment.joining.ade.client import DeviceAssignment
from enrollment.joining.ade.oauth import Secrets
from enrollment.joining.ade.parsing import account_of, device_of, page_of, trouble_of
from enrollment.joining.ade.ports import AssignmentError, ProfileStatus, Result, Trouble
from enrollment.joining.ade.testserver import Portal, serve

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PROFILE = {"profile_name": "n", "url": "https://mdm.test/join/automated", "org_magic": "m"}


def secrets_of(portal: Portal) -> Secrets:
    return Secrets(portal.consumer_key, portal.consumer_secret, portal.access_token, portal.access_secret)


@pytest.fixture
def portal() -> Portal:
    return Portal(now=NOW.timestamp)


@pytest.fixture
def url(portal: Portal) -> Iterator[str]:
    with serve(portal) as address:
        yield address


@pytest.fixture
def client(portal: Portal, url: str) -> Iterator[DeviceAssignment]:
    made = DeviceAssignment(secrets_of(portal), url, lambda: NOW)
    yield made
    made.close()


def trouble(client: DeviceAssignment) -> Trouble:
    with pytest.raises(AssignmentError) as refusal:
        client.account()
    return refusal.value.trouble


def test_one_session_serves_many_calls_and_is_renewed_from_every_answer(client: DeviceAssignment, portal: Portal) -> None:
    portal.rotate = True
    for _ in range(3):
        assert client.account().server_uuid == portal.server_uuid
    assert portal.requests.count("GET /session") == 1


@pytest.mark.parametrize(
    ("status", "body"), [(401, b"UNAUTHORIZED"), (403, b"FORBIDDEN"), (403, b'"FORBIDDEN"'), (403, b'{"code": "FORBIDDEN"}'), (401, b"")]
)  # fmt: skip
def test_an_ended_session_is_replaced_once(client: DeviceAssignment, portal: Portal, status: int, body: bytes) -> None:
    client.account()
    portal.script = [("/account", status, body, {})]
    assert client.account().org_name == "Ville"
    assert portal.sessions == 2
    portal.script = [("/account", status, body, {})] * 2
    assert trouble(client) is Trouble.SESSION
    assert portal.script == [], "twice, and not more"


def test_wrong_secrets_and_a_wrong_clock_are_told_apart(url: str, portal: Portal) -> None:
    good = secrets_of(portal)
    for secrets, late, expected in (
        (Secrets(good.consumer_key, "other", good.access_token, good.access_secret), 0, Trouble.TOKEN_REJECTED),
        (Secrets(good.consumer_key, good.consumer_secret, "other", good.access_secret), 0, Trouble.TOKEN_REJECTED),
        (good, 6, Trouble.CLOCK),
        (good, -6, Trouble.CLOCK),
    ):
        client = DeviceAssignment(secrets, url, lambda late=late: NOW + timedelta(minutes=late))  # type: ignore[misc]
        assert trouble(client) is expected
        client.close()


SHAPES = ("{}", '"{}"', '{{"code": "{}"}}', " {} \n", '{{"code":"{}","message":"x"}}')


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        (400, "MALFORMED_REQUEST_BODY", Trouble.PERMANENT),
        (400, "INVALID_CURSOR", Trouble.CURSOR_INVALID),
        (400, "CURSOR_REQUIRED", Trouble.CURSOR_REQUIRED),
        (400, "EXHAUSTED_CURSOR", Trouble.CURSOR_EXHAUSTED),
        (400, "EXPIRED_CURSOR", Trouble.CURSOR_EXPIRED),
        (400, "CONFIG_URL_REQUIRED", Trouble.PROFILE),
        (400, "CONFIG_NAME_REQUIRED", Trouble.PROFILE),
        (400, "FLAGS_INVALID", Trouble.PROFILE),
        (400, "PROFILE_UUID_REQUIRED", Trouble.PROFILE),
        (400, "DEVICE_ID_REQUIRED", Trouble.PROFILE),
        (403, "ACCESS_DENIED", Trouble.DENIED),
        (403, "T_C_NOT_SIGNED", Trouble.TERMS),
        (404, "NOT_FOUND", Trouble.NOT_FOUND),
        (404, "PROFILE_NOT_FOUND", Trouble.NOT_FOUND),
        (405, "METHOD_NOT_ALLOWED", Trouble.METHOD),
        (413, "REQUEST_TOO_LARGE", Trouble.PERMANENT),
        (429, "TOO_MANY_REQUESTS", Trouble.RETRY),
        (500, "", Trouble.RETRY),
        (503, "FORBIDDEN", Trouble.RETRY),
    ],
)
def test_every_refusal_is_understood_in_every_shape(
    client: DeviceAssignment, portal: Portal, status: int, word: str, expected: Trouble, shape: str
) -> None:
    portal.script = [("/account", status, shape.format(word).encode(), {})]
    assert trouble(client) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"token_rejected", Trouble.TOKEN_REJECTED),
        (b"token_expired", Trouble.TOKEN_EXPIRED),
        (b"oauth_problem=signature_invalid", Trouble.TOKEN_REJECTED),
        (b"oauth_problem=timestamp_refused", Trouble.CLOCK),
        (b"<html>no</html>", Trouble.TOKEN_REJECTED),
    ],
)
def test_refusals_of_the_session_itself(client: DeviceAssignment, portal: Portal, body: bytes, expected: Trouble) -> None:
    portal.script = [("/session", 401, body, {})]
    assert trouble(client) is expected
    portal.script = [("/session", 403, b'{"code": "T_C_NOT_SIGNED"}', {})]
    assert trouble(client) is Trouble.TERMS
    assert client.account().server_name == "Ville", "a refusal leaves nothing behind"


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7.0),
        (429, "Mon, 23 Nov 2026 08:02:00 GMT", 120.0),
        (429, "Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        (429, "nonsense", 60.0),
        (429, "9" * 40, 86_400.0),
        (503, "30", 30.0),
    ],
)
def test_who_asks_us_to_wait_is_heard(client: DeviceAssignment, portal: Portal, status: int, header: str, seconds: float) -> None:
    portal.script = [("/account", status, b"", {"Retry-After": header})]
    with pytest.raises(AssignmentError) as refusal:
        client.account()
    assert refusal.value.retry_after == seconds


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"[" * 100_000, b'{"devices": 7, "cursor": "a"}', b'{"devices": []}', b'{"devices": [], "cursor": 7}']
)  # fmt: skip
def test_a_page_that_is_none_is_asked_for_again_later(client: DeviceAssignment, portal: Portal, body: bytes) -> None:
    portal.script = [("/server/devices", 200, body, {})]
    with pytest.raises(AssignmentError) as refusal:
        client.fetch(None, 100)
    assert refusal.value.trouble is Trouble.RETRY


def test_an_answer_without_end_and_a_service_that_is_away(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_ANSWER", 1000)
    with serve_anything(lambda _request: (200, b"x" * 5000, {})) as url:
        client = DeviceAssignment(secrets_of(portal), url, lambda: NOW)
        assert trouble(client) is Trouble.RETRY
    assert trouble(client) is Trouble.RETRY, "nobody listens there any more"
    client.close()


def test_devices_are_read_page_by_page_and_synced(client: DeviceAssignment, portal: Portal) -> None:
    for number in range(5):
        portal.add(f"DMP{number:04d}")
    page = client.fetch(None, 2)
    assert ([device.serial for device in page.devices], page.more) == (["DMP0000", "DMP0001"], True)
    page = client.fetch(client.fetch(page.cursor, 2).cursor, 2)
    assert ([device.serial for device in page.devices], page.more) == (["DMP0004"], False)
    portal.remove("DMP0003")
    synced = client.sync(page.cursor, 100)
    assert [(device.serial, device.op) for device in synced.devices] == [("DMP0003", "deleted")]
    assert page.devices[0].profile_status is ProfileStatus.EMPTY


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_profiles_are_assigned_by_either_method(client: DeviceAssignment, portal: Portal, method: str) -> None:
    portal.assign_by, portal.retry_after = method, 90
    portal.add("DMP0001")
    portal.add("DMP0002")
    portal.results["DMP0002"] = "THROTTLED"
    uuid = client.define(PROFILE)
    for _ in range(2):
        said = client.assign(uuid, ["DMP0001", "DMP0002", "DMP0003"])
        assert said.results == {"DMP0001": Result.SUCCESS, "DMP0002": Result.THROTTLED, "DMP0003": Result.NOT_ACCESSIBLE}
        assert said.retry_after == 90
    assert portal.requests.count("PUT /profile/devices") == (2 if method == "PUT" else 1), "what works is kept"
    with pytest.raises(AssignmentError) as refusal:
        client.assign("UNKNOWN", ["DMP0001"])
    assert refusal.value.trouble is Trouble.NOT_FOUND


def test_odd_accounts_and_devices_are_borne() -> None:
    assert account_of({"urls": "x", "server_uuid": 7}).fetch_limit == 100
    said = {
        "urls": [{"uri": "/server/devices", "limit": {"maximum": 5000}}, 7, {"uri": "/devices/sync", "limit": {"maximum": True}}]
    }
    assert (account_of(said).fetch_limit, account_of(said).sync_limit, account_of(said).assign_limit) == (1000, 100, 100)
    page = page_of(
        {"devices": [{"serial_number": "DMP1"}, {}, 7, {"serial_number": "../../x"}], "cursor": "c", "more_to_follow": "yes"}
    )
    assert (len(page.devices), page.unreadable, page.more) == (1, 3, False)
    odd = device_of(
        {"serial_number": " dmp1 ", "op_type": "moved", "op_date": "x", "color": 7, "description": "a\x00" + "b" * 999}
    )
    assert odd is not None
    assert (odd.serial, odd.op, odd.op_date, odd.color, len(odd.description or "")) == ("DMP1", None, None, None, 200)
    assert trouble_of(418, b"\xff\xfe") is Trouble.PERMANENT
