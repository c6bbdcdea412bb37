"""The APNs adapter: sends pushes over HTTP/2 with the push certificate (docs/domain/protocol.md#push).

`rules.py` classifies responses.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
import time
from pathlib import Path

import httpx

from mdm.push.ports import PushNotification, PushResponse

TIMEOUT = httpx.Timeout(15.0, connect=10.0)
#: For so many seconds APNs stores one push per token, for a tablet that is off.
EXPIRATION_SECONDS = 7 * 24 * 3600
MAX_CONCURRENT = 100


class ApnsTransport:
    """The adapter to Apple's service, with a few multiplexed connections per batch of pushes."""

    def __init__(self, base_url: str, certificate_pem: bytes, key_pem: bytes, ca: Path | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._context = _create_ssl_context(certificate_pem, key_pem, ca)

    def send(self, notifications: list[PushNotification], per_second: int) -> list[PushResponse]:
        """Send all notifications, no faster than `per_second`. Returns one response each."""
        return asyncio.run(self._send(notifications, per_second)) if notifications else []

    def close(self) -> None:
        """Do nothing: connections are closed after each batch."""

    async def _send(self, notifications: list[PushNotification], per_second: int) -> list[PushResponse]:
        limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
        slots = asyncio.Semaphore(MAX_CONCURRENT)
        started = time.monotonic()
        async with httpx.AsyncClient(http2=True, verify=self._context, timeout=TIMEOUT, limits=limits) as client:

            async def send_paced(index: int, notification: PushNotification) -> PushResponse:
                await asyncio.sleep(max(0.0, started + index / per_second - time.monotonic()))
                async with slots:
                    return await self._post(client, notification)

            return await asyncio.gather(*(send_paced(index, notification) for index, notification in enumerate(notifications)))

    async def _post(self, client: httpx.AsyncClient, notification: PushNotification) -> PushResponse:
        headers = {
            "apns-topic": notification.topic,
            "apns-push-type": "mdm",
            "apns-priority": "10",
            "apns-expiration": str(int(time.time()) + EXPIRATION_SECONDS),
        }
        try:
            response = await client.post(
                f"{self._base_url}/3/device/{notification.token.hex()}", headers=headers, json={"mdm": notification.magic}
            )
        except httpx.HTTPError as error:
            return PushResponse(notification.enrollment_id, 0, type(error).__name__)
        return _parse_response(notification.enrollment_id, response)


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
