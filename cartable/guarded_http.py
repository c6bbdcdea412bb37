"""The HTTP protocol of the server with limits for slow and for many connections. It knows no request and no path.

A connection that sends no complete head in time, a head without end, or a body too slowly, is closed: whoever opens thousands of them
would else take the places or the memory of tablets. Idle connections between two requests are closed by uvicorn (`timeout_keep_alive`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import Enum, auto
from functools import cache
from ipaddress import ip_address
from typing import ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cartable.settings import Settings

log = structlog.get_logger()


@cache
def _load_settings() -> Settings:
    return Settings()


class Awaited(Enum):
    """What the client has to send next before a limit of time."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


class GuardedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which closes slow connections and bounds the connections of one address."""

    #: A request's head must be complete after this time, from the connection or from its first byte on.
    head_seconds: ClassVar[float] = 20.0
    #: In each period a body must grow by so many bytes, or be complete.
    body_period_seconds: ClassVar[float] = 20.0
    body_period_bytes: ClassVar[int] = 8 * 1024
    _connections: ClassVar[Counter[str]] = Counter()
    #: A head of more bytes is not read on: SCEP requests by GET and signed messages need far fewer.
    head_bytes: ClassVar[int] = 256 * 1024
    _timer: asyncio.TimerHandle | None = None
    _awaited = Awaited.HEAD
    _has_changed = False
    _address: str | None = None
    _received = 0
    _reads_head = True
    _head_received = 0
    _chunk_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else None
        if address is not None:
            self._address = address
            self._connections[address] += 1
            if self._connections[address] > self.get_limit(address):
                log.warning("http.too_many_connections", address=address)
                transport.abort()
                return
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._address is not None:
            self._connections[self._address] -= 1
            if not self._connections[self._address]:
                del self._connections[self._address]
        super().connection_lost(exc)

    def get_limit(self, address: str) -> int:
        """Return how many connections an address may have: a trusted proxy stands for everybody behind it."""
        settings = _load_settings()
        is_proxy = any(ip_address(address) in network for network in settings.proxy_networks)
        return settings.connections_per_address * (1000 if is_proxy else 1)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        self._chunk_size = len(data)
        self._has_changed = False
        super().data_received(data)
        if self._has_changed:
            self._restart_timer()
        if self._reads_head:
            self._head_received += len(data)
            if self._head_received > self.head_bytes:
                log.warning("http.head_too_large", address=self._address)
                self.transport.abort()

    def on_message_begin(self) -> None:
        # The chunk in which a head begins may end the body before it, and is not counted.
        self._reads_head, self._head_received = True, -self._chunk_size
        self._expect(Awaited.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.expect_body()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.expect_nothing()
        super().on_message_complete()

    def expect_body(self) -> None:
        """The head is complete: limit the time of the body."""
        self._reads_head = False
        self._received = 0
        self._expect(Awaited.BODY)

    def expect_nothing(self) -> None:
        """The body is complete: the client waits for the server."""
        self._expect(Awaited.NOTHING)

    def _expect(self, awaited: Awaited) -> None:
        # The timer is set at the end of a chunk: most requests come in one, and need none.
        self._awaited, self._has_changed = awaited, True

    def _restart_timer(self) -> None:
        self._stop_timer()
        if self._awaited is Awaited.HEAD:
            self._timer = self.loop.call_later(self.head_seconds, self._close_slow_head)
        elif self._awaited is Awaited.BODY:
            self._timer = self.loop.call_later(self.body_period_seconds, self._check_body)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_slow_head(self) -> None:
        self.transport.abort()

    def _check_body(self) -> None:
        if self._received < self.body_period_bytes:
            self.transport.abort()
            return
        self._received = 0
        self._restart_timer()
