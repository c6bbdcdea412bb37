"""The HTTP protocol of the server: hands usual requests of tablets to the channel endpoint without ASGI. It decides nothing about them.

Task, scope and messages of ASGI cost a fifth of an idle check-in. A request is usual when it has one of the channel's paths and methods,
a short body of known length, and comes alone on a connection that stays open; every other goes to the ASGI application, which has the same
endpoint. See docs/adr/0081-usual-requests-of-tablets-pass-by-asgi.md.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from cartable.guarded_http import GuardedHttpProtocol
from mdm.channel.endpoint import (
    CHANNEL_METHODS,
    CHANNEL_PATHS,
    CLOSING_STATUSES,
    PARSE_IN_THREAD_ABOVE,
    DeviceRequestRouter,
    build_response_headers,
)
from mdm.channel.messages import ChannelResponse

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_URLS = frozenset(path.encode() for path in CHANNEL_PATHS)
_METHODS = frozenset(method.encode() for method in CHANNEL_METHODS)


class DirectExchange:
    """A request that is answered without ASGI. uvicorn's protocol reads and sets `keep_alive` and `response_complete`."""

    __slots__ = ("body", "headers", "keep_alive", "protocol", "response_complete")

    def __init__(self, protocol: ChannelHttpProtocol, headers: dict[bytes, bytes]) -> None:
        self.protocol = protocol
        self.headers = headers
        self.body = b""
        self.keep_alive = True
        self.response_complete = False

    def respond(self, response: ChannelResponse) -> None:
        """Send the response, unless the client has disconnected meanwhile."""
        self.response_complete = True
        self.protocol.send_response(response, keep_alive=self.keep_alive)


class ChannelHttpProtocol(GuardedHttpProtocol):
    """uvicorn's protocol with limits, which answers usual requests of tablets without ASGI."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        app = self.config.loaded_app
        is_plain = self.limit_concurrency is None and not self.config.access_log and not self.root_path
        #: The request whose body is being read.
        self._exchange: DirectExchange | None = None
        self._endpoint = app.channel_endpoint if is_plain and isinstance(app, DeviceRequestRouter) else None

    def on_headers_complete(self) -> None:
        if self.url in _URLS and self._endpoint is not None:
            headers = dict(self.headers)
            if self._is_usual(headers):
                self.expect_body()
                self._exchange = DirectExchange(self, headers)
                self.cycle = cast("RequestResponseCycle", self._exchange)
                return
        super().on_headers_complete()

    def _is_usual(self, headers: dict[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"")
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and self.parser.get_method() in _METHODS
            and length.isdigit()
            and int(length) <= PARSE_IN_THREAD_ABOVE
            and not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._exchange.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None or self._endpoint is None:
            super().on_message_complete()
            return
        self.expect_nothing()
        self._endpoint.start_request(exchange.headers, exchange.body, self.client[0] if self.client else None, exchange.respond)

    def send_response(self, response: ChannelResponse, *, keep_alive: bool) -> None:
        """Send a response and make the connection ready for the next request; do nothing when the client has disconnected."""
        if self.transport.is_closing():
            return
        head = _build_head(response.status, len(response.body), response.content_type, keep_alive)
        if self.server_state.default_headers:
            head += _join_headers(self.server_state.default_headers)
        self.transport.write(b"%b\r\n%b" % (head, response.body))
        if not keep_alive or response.status in CLOSING_STATUSES:
            self.transport.close()
        self.on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        cycle: object = self.cycle
        if isinstance(cycle, DirectExchange):
            self.cycle = cast("RequestResponseCycle", None)  # uvicorn would tell it by an event
        super().connection_lost(exc)


@lru_cache(1024)
def _build_head(status: int, length: int, content_type: bytes, keep_alive: bool) -> bytes:
    """Return the status line and the headers of a response, without the empty line."""
    headers = build_response_headers(status, length, content_type)
    if not keep_alive and status not in CLOSING_STATUSES:
        headers.append((b"connection", b"close"))
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + _join_headers(headers)


def _join_headers(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
