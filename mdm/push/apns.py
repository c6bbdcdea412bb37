"""APNs over HTTP/2 with the push certificate (protocol.md section 9). Sends; what an answer means is in `rules`."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
import time
from pathlib import Path

import httpx

from mdm.push.ports import Outcome, Wake

TIMEOUT = httpx.Timeout(15.0, connect=10.0)
#: APNs keeps one push per token until then, for a tablet that is off.
KEEP = 7 * 24 * 3600
CONCURRENT = 100


class ApnsTransport:
    """The real adapter: a few multiplexed connections per batch of pushes."""

    def __init__(self, base_url: str, certificate_pem: bytes, key_pem: bytes, ca: Path | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._context = _context(certificate_pem, key_pem, ca)

    def send(self, wakes: list[Wake], per_second: int) -> list[Outcome]:
        """Send all, no faster than `per_second`."""
        return asyncio.run(self._send(wakes, per_second)) if wakes else []

    def close(self) -> None:
        """Connections live for one batch; nothing is left open."""

    async def _send(self, wakes: list[Wake], per_second: int) -> list[Outcome]:
        limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
        room = asyncio.Semaphore(CONCURRENT)
        started = time.monotonic()
        async with httpx.AsyncClient(http2=True, verify=self._context, timeout=TIMEOUT, limits=limits) as client:

            async def paced(index: int, wake: Wake) -> Outcome:
                await asyncio.sleep(max(0.0, started + index / per_second - time.monotonic()))
                async with room:
                    return await self._one(client, wake)

            return await asyncio.gather(*(paced(index, wake) for index, wake in enumerate(wakes)))

    async def _one(self, client: httpx.AsyncClient, wake: Wake) -> Outcome:
        headers = {
            "apns-topic": wake.topic,
            "apns-push-type": "mdm",
            "apns-priority": "10",
            "apns-expiration": str(int(time.time()) + KEEP),
        }
        try:
            response = await client.post(
                f"{self._base_url}/3/device/{wake.token.hex()}", headers=headers, json={"mdm": wake.magic}
            )
        except httpx.HTTPError as error:
            return Outcome(wake.enrollment_id, 0, type(error).__name__)
        return _outcome(wake.enrollment_id, response)


def _outcome(enrollment_id: int, response: httpx.Response) -> Outcome:
    if response.status_code == 200:
        return Outcome(enrollment_id, 200)
    try:
        said = response.json()
    except ValueError:
        said = {}
    reason, stamp = (said.get("reason"), said.get("timestamp")) if isinstance(said, dict) else (None, None)
    after = response.headers.get("retry-after", "")
    return Outcome(
        enrollment_id,
        response.status_code,
        reason if isinstance(reason, str) else None,
        stamp if isinstance(stamp, int) else None,
        float(after) if after.isdigit() else None,
    )


def _context(certificate_pem: bytes, key_pem: bytes, ca: Path | None) -> ssl.SSLContext:
    """TLS with the push certificate. The library reads keys from files only: one that exists for that moment."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    descriptor, name = tempfile.mkstemp(prefix="push-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:  # mkstemp makes it readable by this user alone
            file.write(key_pem + b"\n" + certificate_pem)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context
