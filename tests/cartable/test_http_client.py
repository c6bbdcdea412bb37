"""The base of API clients, over HTTP with a loopback server: credentials, errors, Retry-After, bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cartable import http_client
from cartable.http_client import ApiClient, ApiError, HttpResponse, parse_json_object, parse_retry_after
from cartable.loopback_server import LoopbackReply, LoopbackRequest, serve_on_loopback

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class TemporaryError(ApiError):
    """The service is away."""


class WeatherClient(ApiClient):
    """A service with bearer tokens `token-1`, `token-2`, …; it counts how many it has fetched."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url, lambda: NOW, headers={"X-Version": "1"})
        self.fetched = 0

    def get_weather(self) -> dict[str, Any]:
        return self._request_json("GET", "/weather", headers={"Accept": "application/json"})

    def _fetch_credentials(self) -> dict[str, str]:
        self.fetched += 1
        return {"Authorization": f"Bearer token-{self.fetched}"}

    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        return response.status == 401

    def _build_error(self, response: HttpResponse) -> ApiError | None:
        if response.status < 300:
            return None
        return ApiError(f"HTTP {response.status}", self._get_retry_after(response))

    def _build_temporary_error(self, message: str) -> ApiError:
        return TemporaryError(message)


@contextmanager
def connect(handle: Callable[[LoopbackRequest], LoopbackReply]) -> Iterator[WeatherClient]:
    with serve_on_loopback(handle) as url:
        client = WeatherClient(url)
        yield client
        client.close()


def test_credentials_are_fetched_once_and_sent_with_every_request() -> None:
    requests: list[LoopbackRequest] = []

    def handle(request: LoopbackRequest) -> LoopbackReply:
        requests.append(request)
        return 200, b'{"sky": "blue"}', {}

    with connect(handle) as client:
        assert [client.get_weather() for _ in range(3)] == [{"sky": "blue"}] * 3
        assert client.fetched == 1
    sent = {(r.headers["authorization"], r.headers["accept"], r.headers["x-version"]) for r in requests}
    assert sent == {("Bearer token-1", "application/json", "1")}


def test_refused_credentials_are_replaced_once() -> None:
    accepted = {"Bearer token-2"}

    def handle(request: LoopbackRequest) -> LoopbackReply:
        return (200 if request.headers["authorization"] in accepted else 401), b"{}", {}

    with connect(handle) as client:
        assert client.get_weather() == {}
        assert client.fetched == 2
        accepted.clear()
        with pytest.raises(ApiError, match="HTTP 401"):
            client.get_weather()
        assert client.fetched == 3, "one more, and no further"


def test_an_error_carries_how_long_to_wait() -> None:
    with connect(lambda _request: (429, b"", {"Retry-After": "7"})) as client, pytest.raises(ApiError) as refusal:
        client.get_weather()
    assert (str(refusal.value), refusal.value.retry_after) == ("HTTP 429", 7.0)


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b"[" * 100_000, b"\xff"])
def test_a_success_without_a_json_object_is_a_temporary_error(body: bytes) -> None:
    with connect(lambda _request: (200, body, {})) as client, pytest.raises(TemporaryError):
        client.get_weather()


def test_a_response_without_end_and_a_server_that_is_away_are_temporary_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1000)
    with serve_on_loopback(lambda _request: (200, b"x" * 5000, {})) as url:
        client = WeatherClient(url)
        with pytest.raises(TemporaryError, match="no end"):
            client.get_weather()
    with pytest.raises(TemporaryError):
        client.get_weather()
    client.close()


def test_a_message_is_cut_to_what_a_column_holds() -> None:
    assert len(str(ApiError("x" * 500))) == 200


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("9" * 40, 86_400.0),
        ("Mon, 23 Nov 2026 08:02:00 GMT", 120.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert parse_retry_after({"retry-after": header}, NOW) == seconds


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse_json_object(b"") == {}
    assert parse_json_object(b"7") is None
