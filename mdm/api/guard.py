"""The outermost layer around the API and the console: body limits, security headers, a request id, the access log.

It is plain ASGI, because the device channel passes here too and must not pay for it. It knows no routes.
"""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mdm.api.errors import BodyTooLarge

MAX_BODY = 10 * 2**20
#: Archives of filter lists are larger than any other upload.
MAX_ARCHIVE = 64 * 2**20
#: An uploaded file stays in memory. Starlette would write a larger one to a temporary folder, with data that must never be kept.
MultiPartParser.spool_max_size = MAX_BODY + 1
REQUEST_ID_HEADER = "X-Request-ID"
_SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")
#: What follows is the code of an invitation of tablets, or the token of a link of people.
_SECRET_PATHS = ("/join/", "/welcome/")
log = structlog.get_logger()


class RequestGuard:
    """ASGI middleware. It leaves the paths of tablets alone: the device channel has its own limits, checks and log."""

    def __init__(self, app: ASGIApp, hsts_seconds: int = 0) -> None:
        self.app = app
        self.headers = dict(_SECURITY_HEADERS)
        if hsts_seconds:
            self.headers["Strict-Transport-Security"] = f"max-age={hsts_seconds}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/mdm"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client_id = headers.get(REQUEST_ID_HEADER, "")
        request_id = client_id if _REQUEST_ID_FORM.fullmatch(client_id) else uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await _GuardedRequest(scope, receive, send, request_id, self.headers).run(self.app, headers.get("content-length"))


class _GuardedRequest:
    """One request and its response, with the bytes read and the status sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: dict[str, str]) -> None:
        self.scope, self.receive, self.send, self.request_id, self.headers = scope, receive, send, request_id, headers
        self.bytes_read, self.status, self.too_large = 0, 0, False
        self.limit = MAX_ARCHIVE if scope["path"].endswith("/filter-lists") else MAX_BODY

    async def run(self, app: ASGIApp, length: str | None) -> None:
        started = time.perf_counter()
        try:
            if length is not None and (not length.isdigit() or int(length) > self.limit):
                await self._reject_too_large()
                return
            try:
                await app(self.scope, self._receive_bounded, self._send_with_headers)
            except BodyTooLarge:
                if not self.status:
                    await self._reject_too_large()
        finally:
            # Neither the query string nor what follows in a link that lets somebody in is logged: both can be secrets.
            path = next(
                (f"{start}…" for start in _SECRET_PATHS if self.scope["path"].startswith(start)), self.scope["path"][:200]
            )
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            log.info("http.request", method=self.scope["method"], path=path, status=self.status, ms=milliseconds)

    async def _receive_bounded(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.bytes_read += len(message.get("body", b""))
            if self.bytes_read > self.limit:
                self.too_large = True
                raise BodyTooLarge
        return message

    async def _send_with_headers(self, message: Message) -> None:
        if self.too_large:  # Starlette catches the exception and answers 400; 413 is right
            if not self.status:
                await self._reject_too_large()
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self.headers.items():
                headers.setdefault(name, value)
            if self.scope["path"].startswith("/api/"):
                headers.setdefault("Cache-Control", "no-store")
            headers[REQUEST_ID_HEADER] = self.request_id
        await self.send(message)

    async def _reject_too_large(self) -> None:
        self.status = 413
        answer = self.scope["app"].exception_handlers[BodyTooLarge]
        response = await answer(Request(self.scope), BodyTooLarge())
        await response(self.scope, self.receive, self.send)
