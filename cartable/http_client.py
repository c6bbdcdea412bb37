"""One request to a service outside: a bounded answer, a time limit, and how long it asks us to wait. Knows no service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

#: Seconds for connecting, and between two parts of an answer.
TIMEOUT = httpx.Timeout(30, connect=10)
MAX_RESPONSE_BYTES = 16 * 2**20
#: Whatever a service says: a day is enough.
MAX_RETRY_AFTER = 86_400.0


class Unreachable(Exception):
    """No whole answer came: the network, a time limit, or one without end."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back. `body` is whole and bounded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send_request(http: httpx.Client, method: str, path: str, **request: Any) -> HttpResponse:
    """Send one request and read its answer, up to `MAX_ANSWER` bytes. Raises `Unreachable`."""
    try:
        with http.stream(method, path, **request) as answer:
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_RESPONSE_BYTES:
                    raise Unreachable("the answer has no end")
            return HttpResponse(answer.status_code, answer.headers, bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unreachable(type(error).__name__) from error


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the service asks us to wait (RFC 9110 section 10.2.3), as a number or a date; None when it does not."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
