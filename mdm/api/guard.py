"""What surrounds every request of people: bounded bodies, careful headers, a request number, one line of access log.

Plain ASGI, because the device channel passes here too and must not pay for it. Knows no route.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser

from mdm.api.errors import build_problem

AsgiMessage = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[AsgiMessage]]
AsgiSend = Callable[[AsgiMessage], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], AsgiReceive, AsgiSend], Awaitable[None]]

MAX_BODY = 10 * 2**20
#: Archives of filter lists are larger than anything else that people send.
MAX_ARCHIVE = 64 * 2**20
#: An uploaded file stays in memory, whole: a spooled one would lie in a temporary folder, with what is never to be kept.
MultiPartParser.spool_max_size = MAX_BODY + 1
REQUEST_ID_HEADER = "X-Request-ID"
_SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")
log = structlog.get_logger()


class BodyTooLarge(Exception):
    """The body has grown beyond the limit while it was read."""


class RequestGuard:
    """The outermost layer. The tablets' paths pass untouched: they bound, verify and log by themselves."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/mdm"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID_FORM.fullmatch(given) else uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await _GuardedRequest(scope, receive, send, request_id).run(self.app, headers.get("content-length"))


class _GuardedRequest:
    """One request and its response."""

    def __init__(self, scope: MutableMapping[str, Any], receive: AsgiReceive, send: AsgiSend, request_id: str) -> None:
        self.scope, self.receive, self.send, self.request_id = scope, receive, send, request_id
        self.bytes_read, self.status, self.too_large = 0, 0, False
        self.limit = MAX_ARCHIVE if scope["path"].endswith("/filter-lists") else MAX_BODY

    async def run(self, app: AsgiApp, length: str | None) -> None:
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
            # Never the query string, nor the code of an invitation: both are secrets that open something.
            path = "/join/…" if self.scope["path"].startswith("/join/") else self.scope["path"][:200]
            took = round((time.perf_counter() - started) * 1000, 1)
            log.info("http.request", method=self.scope["method"], path=path, status=self.status, ms=took)

    async def _receive_bounded(self) -> AsgiMessage:
        message = await self.receive()
        if message["type"] == "http.request":
            self.bytes_read += len(message.get("body", b""))
            if self.bytes_read > self.limit:
                self.too_large = True
                raise BodyTooLarge
        return message

    async def _send_with_headers(self, message: AsgiMessage) -> None:
        if self.too_large:  # a framework that caught the exception says 400; we know better
            if not self.status:
                await self._reject_too_large()
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if self.scope["path"].startswith("/api/"):
                headers.setdefault("Cache-Control", "no-store")
            headers[REQUEST_ID_HEADER] = self.request_id
        await self.send(message)

    async def _reject_too_large(self) -> None:
        self.status = 413
        await build_problem(413, "too_large", "The request is too large.")(self.scope, self.receive, self.send)
