"""The client side of a service outside: bounded responses, time limits, Retry-After, and credentials that are renewed once.

Knows no service: what its credentials are and what its errors mean is in the subclass of `ApiClient`, beside its port.
"""

from __future__ import annotations

import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from cartable import __version__

#: Seconds for connecting, and between two parts of a response.
TIMEOUT = httpx.Timeout(30, connect=10)
MAX_RESPONSE_BYTES = 16 * 2**20
#: A longer wait is cut to a day, whatever the service asks for.
MAX_RETRY_AFTER = 86_400.0
#: Seconds to wait after a service was overloaded and did not say for how long.
DEFAULT_RETRY_AFTER = 60.0
USER_AGENT = f"Cartable/{__version__}"


class Unreachable(Exception):
    """No complete response came: a network error, a time limit, or a body over `MAX_RESPONSE_BYTES`."""


class ApiError(Exception):
    """A service refused a request or could not be reached. `retry_after`: seconds it asks us to wait, None when it does not."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message[:200])
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, read to its end; `body` is bounded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def get_public_trust() -> ssl.SSLContext:
    """Return the TLS context that trusts the public authorities. It is made once per process: reading their certificates takes 25 ms."""
    return httpx.create_ssl_context()


class ApiClient(ABC):
    """One connection to a JSON service.

    Credentials are headers: they are fetched for the first request, kept for the next ones, and fetched anew once when the
    service refuses them. A subclass supplies the four abstract methods; its public methods call `_request_json`.
    """

    def __init__(self, base_url: str, now: Callable[[], datetime], *, headers: Mapping[str, str] | None = None) -> None:
        self._http = httpx.Client(
            base_url=base_url,
            verify=get_public_trust(),
            timeout=TIMEOUT,
            headers={"User-Agent": USER_AGENT, **(headers or {})},
        )
        self._now = now
        self._credentials: Mapping[str, str] | None = None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @abstractmethod
    def _fetch_credentials(self) -> Mapping[str, str]:
        """Return the headers that authenticate a request. Raises the service's error."""

    @abstractmethod
    def _are_credentials_refused(self, response: HttpResponse) -> bool:
        """Return whether new credentials may help: the session has ended, the access token has expired."""

    @abstractmethod
    def _build_error(self, response: HttpResponse) -> ApiError | None:
        """Return the error that a response stands for; None when it is a success."""

    @abstractmethod
    def _build_temporary_error(self, message: str) -> ApiError:
        """Return the error for a service that is away or answers what cannot be read: the request may be tried again later."""

    def _request_json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Send a request with credentials and return the JSON object of its response; an empty body is an empty object.

        Raises the service's error. When the credentials are refused, the request is sent once more with new ones.
        """
        response = self._send_authenticated(method, path, **request)
        if self._are_credentials_refused(response):
            self._credentials = None
            response = self._send_authenticated(method, path, **request)
        error = self._build_error(response)
        if error is not None:
            raise error
        return self._parse_json(response)

    def _send_authenticated(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> HttpResponse:
        if self._credentials is None:
            self._credentials = self._fetch_credentials()
        return self._send(method, path, headers={**(headers or {}), **self._credentials}, **request)

    def _send(self, method: str, path: str, **request: Any) -> HttpResponse:
        """Send a request as it is and return its response, whatever its status. Raises the service's temporary error."""
        try:
            return send_request(self._http, method, path, **request)
        except Unreachable as error:
            raise self._build_temporary_error(str(error)) from error

    def _parse_json(self, response: HttpResponse) -> dict[str, Any]:
        """Return the JSON object of a success. Raises the service's temporary error: nonsense is asked for again later."""
        document = parse_json_object(response.body)
        if document is None:
            raise self._build_temporary_error("the response is no JSON object")
        return document

    def _get_retry_after(self, response: HttpResponse) -> float | None:
        return parse_retry_after(response.headers, self._now())


def send_request(http: httpx.Client, method: str, path: str, **request: Any) -> HttpResponse:
    """Send one request and return its response, up to `MAX_RESPONSE_BYTES`. Raises `Unreachable`."""
    try:
        with http.stream(method, path, **request) as response:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_RESPONSE_BYTES:
                    raise Unreachable("the response has no end")
            return HttpResponse(response.status_code, response.headers, bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unreachable(type(error).__name__) from error


def parse_json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body; an empty body is an empty object, anything else is None."""
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a service asks us to wait (RFC 9110 section 10.2.3), given as a number or a date; else None."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
