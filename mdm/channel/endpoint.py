"""`/mdm` and `/mdm/checkin`: plain ASGI. Bounds, parses and verifies a request, hands it to the batcher, writes the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.channel.batcher import Batcher
from mdm.channel.declarative import PROFILE
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.identity import Verifier
from mdm.channel.messages import FAILED, ChannelRequest, Reply, refused
from mdm.channel.repository import ChannelRepository
from mdm.protocol import plist
from mdm.protocol.checkin import parse_checkin
from mdm.protocol.connect import is_checkin, parse_connect
from mdm.protocol.errors import BadMessage, BadPlist

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 20 * 2**20
#: Larger bodies are parsed in a thread: a report of 160 kB would hold the event loop for 10 ms.
LARGE = 16 * 1024
log = structlog.get_logger()


#: Check-in and connect may share one path: the message tells them apart.
PATHS = ("/mdm", "/mdm/checkin")
#: Where a tablet fetches the profiles that its declarations name, by their SHA-256.
PROFILES = "/mdm/profiles/"


class DeviceDoor:
    """The server's front: tablets go straight to their channel, everybody else to the application behind.

    Not a route: matching and wrapping a request like those of people costs more than answering a tablet.
    """

    def __init__(self, tablets: ChannelEndpoint, people: App) -> None:
        self._tablets = tablets
        self.people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] in PATHS or scope["path"].startswith(PROFILES)):
            await self._tablets(scope, receive, send)
        else:
            await self.people(scope, receive, send)


class ChannelEndpoint:
    """The ASGI application behind the paths of tablets."""

    def __init__(self, runtime: Runtime, trust: TrustStore, batcher: Batcher) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._verifier = Verifier(runtime.settings, trust)
        self._batcher = batcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PROFILES):
            await _write(await run_in_threadpool(self._profile, scope), send)
            return
        if scope["method"] not in ("PUT", "POST"):
            await _write(refused(405), send)
            return
        try:
            headers = dict(scope["headers"])
            body = await _read(headers, receive)
            if body is None:
                return  # the tablet has gone
            if len(body) > LARGE:
                request = await run_in_threadpool(self._request, scope, headers, body)
            else:
                request = self._request(scope, headers, body)
            reply = await self._batcher.submit(request)
        except ChannelRefusal as refusal:
            log.warning("channel.refused", reason=refusal.reason.value, detail=refusal.detail)
            reply = refused(refusal.status)
        except Exception:
            log.exception("channel.failed")
            reply = FAILED
        await _write(reply, send)

    def _request(self, scope: Scope, headers: dict[bytes, bytes], body: bytes) -> ChannelRequest:
        """Turn the bytes into a request whose certificate is proven. Raises `ChannelRefusal`."""
        client = scope.get("client")
        fingerprint = self._verifier.fingerprint(headers, body, client[0] if client else None, self._clock.now())
        try:
            message = plist.loads(body)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            if is_checkin(content_type, message):
                return ChannelRequest(parse_checkin(message), fingerprint, b"")
            return ChannelRequest(parse_connect(message), fingerprint, body)
        except BadPlist as error:
            raise ChannelRefusal(Refused.BAD_PLIST, str(error)[:80]) from error
        except BadMessage as error:
            raise ChannelRefusal(Refused.BAD_MESSAGE, str(error)[:80]) from error

    def _profile(self, scope: Scope) -> Reply:
        """A profile of a declaration: only for the tablet that was told of it. The signature is over an empty body."""
        try:
            if scope["method"] != "GET":
                return refused(405)
            client = scope.get("client")
            fingerprint = self._verifier.fingerprint(
                dict(scope["headers"]), b"", client[0] if client else None, self._clock.now()
            )
            with self._runtime.open_unit_of_work() as work:
                found = ChannelRepository(work.session).profile_for(fingerprint, scope["path"].removeprefix(PROFILES)[:64])
            return Reply(404) if found is None else Reply(200, found, PROFILE)
        except ChannelRefusal as refusal:
            log.warning("channel.refused", reason=refusal.reason.value, detail=refusal.detail)
            return refused(refusal.status)
        except Exception:
            log.exception("channel.failed")
            return FAILED


async def _read(headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
    """Read the body, never more than `MAX_BODY`. None when the client hung up. Raises `ChannelRefusal`."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise ChannelRefusal(Refused.TOO_LARGE, status=413)
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            raise ChannelRefusal(Refused.TOO_LARGE, status=413)
    return b"".join(chunks)


async def _write(reply: Reply, send: Send) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode())]
    if reply.body:
        headers.append((b"content-type", reply.content_type))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
