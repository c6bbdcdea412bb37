"""The APNs adapter: sends pushes over long-lived HTTP/2 connections with the push certificate (docs/domain/protocol.md#push).

`rules.py` classifies responses.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from mdm.push.ports import CERTIFICATE_REFUSED_BY_TLS, SERVER_NOT_TRUSTED, PushNotification, PushResponse

TIMEOUT = httpx.Timeout(15.0, connect=10.0)
#: For so many seconds APNs stores one push per token, for a tablet that is off.
EXPIRATION_SECONDS = 7 * 24 * 3600
MAX_CONCURRENT = 100
CLOSE_SECONDS = 3.0
#: An idle connection is closed after this time; Apple asks for connections that live long.
KEEP_ALIVE_SECONDS = 3600.0
#: A connection that APNs has just closed (GOAWAY) fails the pushes on it: those are sent once more, on a new one.
_CLOSED_BY_SERVER = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


class Pace:
    """Spreads pushes evenly over time, over all batches. Used on one event loop only."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def reserve(self, per_second: int, *, urgent: bool) -> float:
        """Return how many seconds to wait before the next push. An urgent one does not wait, but the ones after it do."""
        now = time.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + 1 / per_second
        return 0.0 if urgent else at - now


class ApnsTransport:
    """The adapter to Apple's service: an event loop in a thread of its own, with a few connections that stay open."""

    def __init__(self, base_url: str, certificate_pem: bytes, key_pem: bytes, ca: Path | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._context = _create_ssl_context(certificate_pem, key_pem, ca)
        self._pace = Pace()
        self._loop = asyncio.new_event_loop()
        self._client: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._thread = threading.Thread(target=self._loop.run_forever, name="apns", daemon=True)
        self._thread.start()

    def send(self, notifications: Sequence[PushNotification], per_second: int, *, urgent: bool = False) -> list[PushResponse]:
        """Send all notifications, no faster than `per_second` unless they are urgent. Returns one response each."""
        if not notifications:
            return []
        sent = self._send(notifications, per_second, urgent=urgent)
        return asyncio.run_coroutine_threadsafe(sent, self._loop).result()

    def close(self) -> None:
        """Close the connections and end the thread."""
        closing = asyncio.run_coroutine_threadsafe(self._close_client(), self._loop)
        with contextlib.suppress(TimeoutError):
            closing.result(CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    async def _close_client(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _send(self, notifications: Sequence[PushNotification], per_second: int, *, urgent: bool) -> list[PushResponse]:
        if self._client is None:
            limits = httpx.Limits(max_connections=4, max_keepalive_connections=4, keepalive_expiry=KEEP_ALIVE_SECONDS)
            self._client = httpx.AsyncClient(http2=True, verify=self._context, timeout=TIMEOUT, limits=limits)
        waits = [self._pace.reserve(per_second, urgent=urgent) for _ in notifications]
        pushes = (self._send_after(wait, notification) for wait, notification in zip(waits, notifications, strict=True))
        return await asyncio.gather(*pushes)

    async def _send_after(self, wait: float, notification: PushNotification) -> PushResponse:
        await asyncio.sleep(wait)
        async with self._slots:
            try:
                return await self._post(notification)
            except _CLOSED_BY_SERVER:
                pass
            except httpx.HTTPError as error:
                return PushResponse(notification.enrollment_id, 0, describe_failure(error))
            try:
                return await self._post(notification)
            except httpx.HTTPError as error:
                return PushResponse(notification.enrollment_id, 0, describe_failure(error))

    async def _post(self, notification: PushNotification) -> PushResponse:
        assert self._client is not None
        headers = {
            "apns-topic": notification.topic,
            "apns-push-type": "mdm",
            "apns-priority": "10",
            "apns-expiration": str(int(time.time()) + EXPIRATION_SECONDS),
        }
        response = await self._client.post(
            f"{self._base_url}/3/device/{notification.token.hex()}", headers=headers, json={"mdm": notification.magic}
        )
        return _parse_response(notification.enrollment_id, response)


def describe_failure(error: Exception) -> str:
    """Return the reason of a push that got no response: a refused certificate of either side, or the name of the error."""
    text = str(error).upper()
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return SERVER_NOT_TRUSTED
    if "ALERT" in text and ("CERT" in text or "UNKNOWN_CA" in text or "ACCESS_DENIED" in text):
        return CERTIFICATE_REFUSED_BY_TLS
    return type(error).__name__


def _parse_response(enrollment_id: int, response: httpx.Response) -> PushResponse:
    if response.status_code == 200:
        return PushResponse(enrollment_id, 200)
    try:
        body = response.json()
    except ValueError:
        body = {}
    reason, timestamp = (body.get("reason"), body.get("timestamp")) if isinstance(body, dict) else (None, None)
    retry_after = response.headers.get("retry-after", "")
    return PushResponse(
        enrollment_id,
        response.status_code,
        reason if isinstance(reason, str) else None,
        timestamp if isinstance(timestamp, int) else None,
        float(retry_after) if retry_after.isdigit() else None,
    )


def _create_ssl_context(certificate_pem: bytes, key_pem: bytes, ca: Path | None) -> ssl.SSLContext:
    """Return a TLS context with the push certificate.

    The library reads keys only from files, so the key is in a temporary file while it is loaded.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    descriptor, name = tempfile.mkstemp(prefix="push-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:  # mkstemp creates it readable by this user only
            file.write(key_pem + b"\n" + certificate_pem)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context
