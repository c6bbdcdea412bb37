"""The ASGI application at `/mdm`, and the router in front of it: limits, parses and verifies requests for the batcher.

Plain ASGI instead of framework routes: matching and wrapping a request would cost more than answering a tablet.
See docs/domain/protocol.md#content-types.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from cartable.outages import RETRY_AFTER_SECONDS, find_outage
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.verifier import TrustStore
from mdm.channel.app_values import render_app_values
from mdm.channel.batcher import Batcher
from mdm.channel.declarative import PROFILE_MEDIA_TYPE
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.identity import IdentityVerifier
from mdm.channel.limits import CertificateLimits
from mdm.channel.messages import BUSY, SERVER_ERROR, ChannelRequest, ChannelResponse, build_rejection
from mdm.channel.repository import ChannelRepository
from mdm.channel.unreadable import build_unreadable_request
from mdm.protocol import plist
from mdm.protocol.checkin import parse_checkin
from mdm.protocol.connect import is_checkin, parse_connect
from mdm.protocol.errors import BadMessage, BadPlist
from profiles.render.declarations import APP_VALUES_MEDIA_TYPE, APP_VALUES_PATH

#: A body may be larger than what is parsed: it is then verified and ends its command as unreadable, instead of coming again.
MAX_BODY = 32 * 2**20
#: After these the connection ends, and says so: the rest of the body may not have been read, and the server may be in a bad state.
CLOSING_STATUSES = frozenset({413, 500})
#: Larger bodies are parsed in a thread: a report of 160 kB would block the event loop for 10 ms.
PARSE_IN_THREAD_ABOVE = 16 * 1024
log = structlog.get_logger()


#: Check-in and connect messages may share a path, since their content differs.
CHANNEL_PATHS = ("/mdm", "/mdm/checkin")
CHANNEL_METHODS = ("PUT", "POST")
#: Where a tablet fetches the profiles that its declarations refer to, by SHA-256.
PROFILE_PATH = "/mdm/profiles/"
#: What a tablet fetches by GET, because a declaration of its own refers to it.
REFERENCED_PATHS = (PROFILE_PATH, APP_VALUES_PATH)


class DeviceRequestRouter:
    """Routes the paths of tablets to the channel endpoint and all other requests to the default application."""

    def __init__(self, channel_endpoint: ChannelEndpoint, default_app: ASGIApp) -> None:
        self.channel_endpoint = channel_endpoint
        self.default_app = default_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] in CHANNEL_PATHS or scope["path"].startswith(REFERENCED_PATHS)):
            await self.channel_endpoint(scope, receive, send)
        else:
            await self.default_app(scope, receive, send)


class ChannelEndpoint:
    """The ASGI application for the paths of tablets."""

    def __init__(self, runtime: Runtime, trust: TrustStore, batcher: Batcher) -> None:
        self._runtime = runtime
        self._clock = runtime.clock
        self._verifier = IdentityVerifier(runtime.settings, trust)
        self._batcher = batcher
        self._limits = CertificateLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(REFERENCED_PATHS):
            await _send_response(await run_in_threadpool(self._serve_reference, scope), send)
            return
        if scope["method"] not in CHANNEL_METHODS:
            await _send_response(build_rejection(405), send)
            return
        try:
            headers = dict(scope["headers"])
            body = await _read_body(headers, receive)
            if body is None:
                return  # the client has disconnected
            response = await self._answer_request(headers, body, _get_peer(scope))
        except Exception as error:  # noqa: BLE001 - it is logged
            response = _answer_error(error)
        await _send_response(response, send)

    def start_request(
        self, headers: dict[bytes, bytes], body: bytes, peer: str | None, respond: Callable[[ChannelResponse], None]
    ) -> None:
        """Call `respond` with the response to a request: at once when it is refused, else on the event loop after its commit."""
        try:
            self._submit_request(self._parse_request(headers, body, peer), respond)
        except Exception as error:  # noqa: BLE001 - it is logged
            respond(_answer_error(error))

    async def _answer_request(self, headers: dict[bytes, bytes], body: bytes, peer: str | None) -> ChannelResponse:
        answered: asyncio.Future[ChannelResponse] = asyncio.get_running_loop().create_future()

        def respond(response: ChannelResponse) -> None:
            if not answered.done():
                answered.set_result(response)

        if len(body) > PARSE_IN_THREAD_ABOVE:
            self._submit_request(await run_in_threadpool(self._parse_request, headers, body, peer), respond)
        else:
            self.start_request(headers, body, peer, respond)
        return await answered

    def _submit_request(self, request: ChannelRequest, respond: Callable[[ChannelResponse], None]) -> None:
        if self._limits.admit(request, self._clock.now()):
            self._batcher.submit(request, respond)
        else:
            log.warning("channel.too_many_requests", udid=request.message.ids.device_key)
            respond(BUSY)

    def _parse_request(self, headers: dict[bytes, bytes], body: bytes, peer: str | None) -> ChannelRequest:
        """Return the parsed request with its verified certificate. Raises `DeviceRequestRejected`."""
        identity = self._verifier.verify_request(headers, body, peer, self._clock.now())
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        checkin, host = False, headers.get(b"host", b"")
        try:
            message = plist.loads_leniently(body)
            checkin = is_checkin(content_type, message)
            if checkin:
                return ChannelRequest(
                    parse_checkin(message), identity.fingerprint, b"", certificate=identity.certificate, host=host
                )
            return ChannelRequest(parse_connect(message), identity.fingerprint, body, certificate=identity.certificate, host=host)
        except (BadPlist, BadMessage) as error:
            request = None if checkin else build_unreadable_request(body, identity.fingerprint, content_type)
            if request is not None:
                return request
            reason = RejectionReason.BAD_PLIST if isinstance(error, BadPlist) else RejectionReason.BAD_MESSAGE
            raise DeviceRequestRejected(reason, str(error)[:80]) from error

    def _serve_reference(self, scope: Scope) -> ChannelResponse:
        """Return what a declaration refers to, for tablets it is published to. The signature covers an empty body."""
        try:
            if scope["method"] != "GET":
                return build_rejection(405)
            identity = self._verifier.verify_request(dict(scope["headers"]), b"", _get_peer(scope), self._clock.now())
            with self._runtime.open_unit_of_work() as work:
                return _find_reference(work, identity.fingerprint, scope["path"])
        except Exception as error:  # noqa: BLE001 - it is logged
            return _answer_error(error)


def _get_peer(scope: Scope) -> str | None:
    """Return the address of the client."""
    client = scope.get("client")
    return client[0] if client else None


def _find_reference(work: UnitOfWork, fingerprint: str, path: str) -> ChannelResponse:
    if path.startswith(PROFILE_PATH):
        profile = ChannelRepository(work.session).get_signed_profile(fingerprint, path.removeprefix(PROFILE_PATH)[:64])
        return ChannelResponse(404) if profile is None else ChannelResponse(200, profile, PROFILE_MEDIA_TYPE)
    values = render_app_values(work, fingerprint, path.removeprefix(APP_VALUES_PATH)[:80])
    return ChannelResponse(404) if values is None else ChannelResponse(200, values, APP_VALUES_MEDIA_TYPE.encode())


async def _read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
    """Return the body; None when the client has disconnected. Raises `DeviceRequestRejected` above `MAX_BODY` bytes."""
    content_length = headers.get(b"content-length", b"0")
    if content_length.isdigit() and int(content_length) > MAX_BODY:
        raise DeviceRequestRejected(RejectionReason.TOO_LARGE, status=413)
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
            raise DeviceRequestRejected(RejectionReason.TOO_LARGE, status=413)
    return b"".join(chunks)


def _answer_error(error: Exception) -> ChannelResponse:
    """Log an error and return the response: the tablet comes again soon when only the database is at fault."""
    if isinstance(error, DeviceRequestRejected):
        log.warning("channel.request_rejected", reason=error.reason.value, detail=error.detail)
        return build_rejection(error.status)
    log.error("channel.request_failed", exc_info=error)
    return SERVER_ERROR if find_outage(error) is None else BUSY


def build_response_headers(status: int, length: int, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with a body of `length` bytes."""
    headers = [(b"content-length", str(length).encode())]
    if length:
        headers.append((b"content-type", content_type))
    if status == BUSY.status:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    if status in CLOSING_STATUSES:
        headers.append((b"connection", b"close"))
    return headers


async def _send_response(response: ChannelResponse, send: Send) -> None:
    headers = build_response_headers(response.status, len(response.body), response.content_type)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
