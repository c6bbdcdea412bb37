"""The client against the test server over HTTP: signed sessions, their renewal, every refusal in every shape, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cartable import http_client
from cartable.loopback_server import serve_on_loopback as serve_anything
from enrollment.joining.ade.client import AdeClient
from enrollment.joining.ade.oauth import TokenSecrets
from enrollment.joining.ade.parsing import classify_error, parse_account, parse_device, parse_page
from enrollment.joining.ade.ports import AdeError, AdeErrorKind, DeviceResult, ProfileStatus
from enrollment.joining.ade.testserver import Portal, serve

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PROFILE = {"profile_name": "n", "url": "https://mdm.test/join/automated", "org_magic": "m"}


def secrets_of(portal: Portal) -> TokenSecrets:
    return TokenSecrets(portal.consumer_key, portal.consumer_secret, portal.access_token, portal.access_secret)


@pytest.fixture
def portal() -> Portal:
    return Portal(now=NOW.timestamp)


@pytest.fixture
def url(portal: Portal) -> Iterator[str]:
    with serve(portal) as address:
        yield address


@pytest.fixture
def client(portal: Portal, url: str) -> Iterator[AdeClient]:
    made = AdeClient(secrets_of(portal), url, lambda: NOW)
    yield made
    made.close()


def trouble(client: AdeClient) -> AdeErrorKind:
    with pytest.raises(AdeError) as refusal:
        client.get_account()
    return refusal.value.kind


def test_one_session_serves_many_requests_and_is_renewed_from_every_response(client: AdeClient, portal: Portal) -> None:
    portal.rotate = True
    for _ in range(3):
        assert client.get_account().server_uuid == portal.server_uuid
    assert portal.requests.count("GET /session") == 1


@pytest.mark.parametrize(
    ("status", "body"), [(401, b"UNAUTHORIZED"), (403, b"FORBIDDEN"), (403, b'"FORBIDDEN"'), (403, b'{"code": "FORBIDDEN"}'), (401, b"")]
)  # fmt: skip
def test_an_ended_session_is_replaced_once(client: AdeClient, portal: Portal, status: int, body: bytes) -> None:
    client.get_account()
    portal.scripted_responses = [("/account", status, body, {})]
    assert client.get_account().org_name == "Ville"
    assert portal.sessions == 2
    portal.scripted_responses = [("/account", status, body, {})] * 2
    assert trouble(client) is AdeErrorKind.SESSION
    assert portal.scripted_responses == [], "twice, and not more"


def test_wrong_secrets_and_a_wrong_clock_are_different_errors(url: str, portal: Portal) -> None:
    good = secrets_of(portal)
    for secrets, late, expected in (
        (TokenSecrets(good.consumer_key, "other", good.access_token, good.access_secret), 0, AdeErrorKind.TOKEN_REJECTED),
        (TokenSecrets(good.consumer_key, good.consumer_secret, "other", good.access_secret), 0, AdeErrorKind.TOKEN_REJECTED),
        (good, 6, AdeErrorKind.CLOCK),
        (good, -6, AdeErrorKind.CLOCK),
    ):
        client = AdeClient(secrets, url, lambda late=late: NOW + timedelta(minutes=late))  # type: ignore[misc]
        assert trouble(client) is expected
        client.close()


SHAPES = ("{}", '"{}"', '{{"code": "{}"}}', " {} \n", '{{"code":"{}","message":"x"}}')


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        (400, "MALFORMED_REQUEST_BODY", AdeErrorKind.PERMANENT),
        (400, "INVALID_CURSOR", AdeErrorKind.CURSOR_INVALID),
        (400, "CURSOR_REQUIRED", AdeErrorKind.CURSOR_REQUIRED),
        (400, "EXHAUSTED_CURSOR", AdeErrorKind.CURSOR_EXHAUSTED),
        (400, "EXPIRED_CURSOR", AdeErrorKind.CURSOR_EXPIRED),
        (400, "CONFIG_URL_REQUIRED", AdeErrorKind.PROFILE),
        (400, "CONFIG_NAME_REQUIRED", AdeErrorKind.PROFILE),
        (400, "FLAGS_INVALID", AdeErrorKind.PROFILE),
        (400, "PROFILE_UUID_REQUIRED", AdeErrorKind.PROFILE),
        (400, "DEVICE_ID_REQUIRED", AdeErrorKind.PROFILE),
        (403, "ACCESS_DENIED", AdeErrorKind.DENIED),
        (403, "T_C_NOT_SIGNED", AdeErrorKind.TERMS),
        (404, "NOT_FOUND", AdeErrorKind.NOT_FOUND),
        (404, "PROFILE_NOT_FOUND", AdeErrorKind.NOT_FOUND),
        (405, "METHOD_NOT_ALLOWED", AdeErrorKind.METHOD),
        (413, "REQUEST_TOO_LARGE", AdeErrorKind.PERMANENT),
        (429, "TOO_MANY_REQUESTS", AdeErrorKind.RETRY),
        (500, "", AdeErrorKind.RETRY),
        (503, "FORBIDDEN", AdeErrorKind.RETRY),
    ],
)
def test_every_error_code_is_recognised_in_every_form(
    client: AdeClient, portal: Portal, status: int, word: str, expected: AdeErrorKind, shape: str
) -> None:
    portal.scripted_responses = [("/account", status, shape.format(word).encode(), {})]
    assert trouble(client) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"token_rejected", AdeErrorKind.TOKEN_REJECTED),
        (b"token_expired", AdeErrorKind.TOKEN_EXPIRED),
        (b"oauth_problem=signature_invalid", AdeErrorKind.TOKEN_REJECTED),
        (b"oauth_problem=timestamp_refused", AdeErrorKind.CLOCK),
        (b"<html>no</html>", AdeErrorKind.TOKEN_REJECTED),
    ],
)
def test_errors_of_the_session_request(client: AdeClient, portal: Portal, body: bytes, expected: AdeErrorKind) -> None:
    portal.scripted_responses = [("/session", 401, body, {})]
    assert trouble(client) is expected
    portal.scripted_responses = [("/session", 403, b'{"code": "T_C_NOT_SIGNED"}', {})]
    assert trouble(client) is AdeErrorKind.TERMS
    assert client.get_account().server_name == "Ville", "a refusal leaves nothing behind"


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
def test_retry_after_is_read_from_the_response(
    client: AdeClient, portal: Portal, status: int, header: str, seconds: float
) -> None:
    portal.scripted_responses = [("/account", status, b"", {"Retry-After": header})]
    with pytest.raises(AdeError) as refusal:
        client.get_account()
    assert refusal.value.retry_after == seconds


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"[" * 100_000, b'{"devices": 7, "cursor": "a"}']
)  # fmt: skip
def test_a_malformed_page_is_a_temporary_error(client: AdeClient, portal: Portal, body: bytes) -> None:
    portal.scripted_responses = [("/server/devices", 200, body, {})]
    with pytest.raises(AdeError) as refusal:
        client.fetch_devices(None, 100)
    assert refusal.value.kind is AdeErrorKind.RETRY


def test_an_endless_response_and_an_unreachable_service_are_temporary_errors(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1000)
    with serve_anything(lambda _request: (200, b"x" * 5000, {})) as url:
        client = AdeClient(secrets_of(portal), url, lambda: NOW)
        assert trouble(client) is AdeErrorKind.RETRY
    assert trouble(client) is AdeErrorKind.RETRY, "nobody listens there any more"
    client.close()


def test_devices_are_fetched_page_by_page_and_synced(client: AdeClient, portal: Portal) -> None:
    for number in range(5):
        portal.add_device(f"DMP{number:04d}")
    page = client.fetch_devices(None, 2)
    assert ([device.serial for device in page.devices], page.has_more) == (["DMP0000", "DMP0001"], True)
    page = client.fetch_devices(client.fetch_devices(page.cursor, 2).cursor, 2)
    assert ([device.serial for device in page.devices], page.has_more) == (["DMP0004"], False)
    portal.remove_device("DMP0003")
    synced = client.sync_devices(page.cursor, 100)
    assert [(device.serial, device.op) for device in synced.devices] == [("DMP0003", "deleted")]
    assert page.devices[0].profile_status is ProfileStatus.EMPTY


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_profiles_are_assigned_by_either_method(client: AdeClient, portal: Portal, method: str) -> None:
    portal.assign_method, portal.retry_after = method, 90
    portal.add_device("DMP0001")
    portal.add_device("DMP0002")
    portal.results["DMP0002"] = "THROTTLED"
    uuid = client.define_profile(PROFILE)
    for _ in range(2):
        response_body = client.assign_profile(uuid, ["DMP0001", "DMP0002", "DMP0003"])
        assert response_body.results == {
            "DMP0001": DeviceResult.SUCCESS,
            "DMP0002": DeviceResult.THROTTLED,
            "DMP0003": DeviceResult.NOT_ACCESSIBLE,
        }
        assert response_body.retry_after == 90
    assert portal.requests.count("PUT /profile/devices") == (2 if method == "PUT" else 1), "what works is kept"
    with pytest.raises(AdeError) as refusal:
        client.assign_profile("UNKNOWN", ["DMP0001"])
    assert refusal.value.kind is AdeErrorKind.NOT_FOUND


def test_malformed_accounts_and_devices_are_tolerated() -> None:
    assert parse_account({"urls": "x", "server_uuid": 7}).fetch_limit == 100
    response_body = {
        "urls": [{"uri": "/server/devices", "limit": {"maximum": 5000}}, 7, {"uri": "/devices/sync", "limit": {"maximum": True}}]
    }
    assert (
        parse_account(response_body).fetch_limit,
        parse_account(response_body).sync_limit,
        parse_account(response_body).assign_limit,
    ) == (1000, 100, 100)
    page = parse_page(
        {"devices": [{"serial_number": "DMP1"}, {}, 7, {"serial_number": "../../x"}], "cursor": "c", "more_to_follow": "yes"}
    )
    assert (len(page.devices), page.unreadable, page.has_more) == (1, 3, False)
    odd = parse_device(
        {"serial_number": " dmp1 ", "op_type": "moved", "op_date": "x", "color": 7, "description": "a\x00" + "b" * 999}
    )
    assert odd is not None
    assert (odd.serial, odd.op, odd.op_date, odd.color, len(odd.description or "")) == ("DMP1", None, None, None, 200)
    assert classify_error(418, b"\xff\xfe") is AdeErrorKind.PERMANENT
