"""Carries the requests of simulated tablets to the application without sockets: some are lost, repeated, late or without response."""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message

from simulator.errors import Disconnected
from simulator.http_connection import HttpConnection, ServerResponse
from tests.simulation.faults import ProcessCrash


class Fate(StrEnum):
    """What the network does with one request."""

    ARRIVES = "arrives"
    LOST = "lost"
    RESPONSE_LOST = "response lost"
    REPEATED = "repeated"
    """It arrives twice, and the tablet gets the second response."""
    ARRIVES_AGAIN_LATER = "arrives again later"


_WEIGHTS = {Fate.ARRIVES: 88, Fate.LOST: 3, Fate.RESPONSE_LOST: 4, Fate.REPEATED: 3, Fate.ARRIVES_AGAIN_LATER: 2}
MAX_LATE_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it leaves a tablet."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_connect(self) -> bool:
        return urlsplit(self.url).path.startswith("/mdm") and b"<key>MessageType</key>" not in self.body and self.method == "PUT"


@dataclass
class SimulatedNetwork:
    """The way from all tablets to the server. `on_exchange` sees each request that was answered, whether or not the tablet sees it.

    `draw` decides the fates; None: every request arrives. `on_crash` is called when the process ends while it answers.
    """

    get_app: Callable[[], ASGIApp]
    on_exchange: Callable[[Request, ServerResponse], None]
    on_crash: Callable[[], None]
    draw: random.Random | None = None

    def __post_init__(self) -> None:
        self._late: list[Request] = []

    def connect(
        self,
        context: ssl.SSLContext,
        *,
        on_request_duration: Callable[[float], None] | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> SimulatedConnection:
        """Make a connection for a tablet."""
        return SimulatedConnection(context, self.send)

    async def send(self, request: Request) -> ServerResponse:
        """Return the response, as the tablet gets it. Raises `Disconnected`."""
        fate = Fate.ARRIVES if self.draw is None else self.draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if fate is Fate.LOST:
            raise Disconnected(f"{request.method} {request.url}: lost")
        response = await self._deliver(request)
        if fate is Fate.REPEATED:
            response = await self._deliver(request)
        if fate is Fate.ARRIVES_AGAIN_LATER and request.is_connect:
            self._late = [*self._late, request][-MAX_LATE_REQUESTS:]
        if fate is Fate.RESPONSE_LOST:
            raise Disconnected(f"{request.method} {request.url}: no response")
        return response

    async def deliver_late_request(self) -> None:
        """Let one request arrive that was on its way for long. Nobody waits for its response."""
        if self._late and self.draw is not None:
            request = self._late.pop(self.draw.randrange(len(self._late)))
            try:
                await self._deliver(request)
            except Disconnected:
                return

    def forget_late_requests(self) -> None:
        """Lose the requests that are still on their way."""
        self._late.clear()

    async def _deliver(self, request: Request) -> ServerResponse:
        try:
            response = await _call_app(self.get_app(), request)
        except ProcessCrash:
            self.on_crash()
            raise Disconnected(f"{request.method} {request.url}: the server ended") from None
        self.on_exchange(request, response)
        return response


class SimulatedConnection(HttpConnection):
    """A tablet's connection that hands each request to the network of the simulation."""

    def __init__(self, context: ssl.SSLContext, send: Callable[[Request], Awaitable[ServerResponse]]) -> None:
        super().__init__(context)
        self._send_request = send

    async def request(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> ServerResponse:
        return await self._send_request(Request(method, url, headers or {}, body))

    async def send_and_disconnect(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        await self._send_request(Request(method, url, headers, body))


async def _call_app(app: ASGIApp, request: Request) -> ServerResponse:
    parts = urlsplit(request.url)
    headers = {"host": parts.netloc, "content-length": str(len(request.body)), **request.headers}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 50000),
        "server": (parts.hostname, parts.port or 443),
        "state": {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    received = {name.decode().lower(): value.decode("latin-1") for name, value in start.get("headers", [])}
    return ServerResponse(start["status"], received, b"".join(message.get("body", b"") for message in sent[1:]))
