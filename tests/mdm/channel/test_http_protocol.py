"""Requests of tablets in the usual shape pass by ASGI, all others do not, and both get the same responses over a real socket."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import parse_headers
from typing import BinaryIO

import pytest
import uvicorn
from sqlalchemy import update
from starlette.types import Receive, Scope, Send

from bench.fleet import SeededTablet, seed_fleet
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.identity.service import ensure_authority
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.channel.http_protocol import ChannelHttpProtocol
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import CommandState, QueuedCommand
from mdm.web import create_app
from tests.support.server import find_free_port, wait_until_started

pytestmark = pytest.mark.one_database


class CountingRouter(DeviceRequestRouter):
    """Counts the requests that come by ASGI."""

    count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += scope["type"] == "http"
        await super().__call__(scope, receive, send)


@dataclass
class RunningServer:
    runtime: Runtime
    router: CountingRouter
    port: int
    idle: SeededTablet
    waiting: SeededTablet

    def queue_again(self) -> None:
        """Undo the delivery of the command, which is delivered a few times only."""
        with self.runtime.open_unit_of_work() as work:
            work.session.execute(update(QueuedCommand).values(state=CommandState.QUEUED, delivery_count=0))

    def ask(self, *chunks: bytes, count: int = 1) -> list[tuple[int, bytes, bool]]:
        """Send the chunks on a new connection; return status, body and whether the connection ends, of `count` responses."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for chunk in chunks:
                client.sendall(chunk)
            stream = client.makefile("rb")
            return [_read_response(stream) for _ in range(count)]


def _read_response(stream: BinaryIO) -> tuple[int, bytes, bool]:
    status = int(stream.readline().split()[1])
    headers = parse_headers(stream)
    return status, stream.read(int(headers["content-length"])), headers["connection"] == "close"


@pytest.fixture
def running(runtime: Runtime) -> Iterator[RunningServer]:
    with runtime.open_unit_of_work() as work:
        ensure_authority(work)
    idle, waiting = seed_fleet(runtime, 2)
    with runtime.open_unit_of_work() as work:
        queue.enqueue_command(work, SYSTEM, SecurityInfo(), [waiting.enrollment_id])
    app = create_app(runtime)
    router = CountingRouter(app.channel_endpoint, app.default_app)
    port = find_free_port()
    config = uvicorn.Config(
        router, port=port, loop="uvloop", http=ChannelHttpProtocol, access_log=False, proxy_headers=False, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until_started(server, thread)
    yield RunningServer(runtime, router, port, idle, waiting)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def _chunk_body(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    head = re.sub(rb"\r\nContent-Length: \d+", b"\r\nTransfer-Encoding: chunked", head)
    return b"%b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)


def _add_header(header: bytes) -> Callable[[bytes], bytes]:
    return lambda request: request.replace(b"\r\n", b"\r\n" + header + b"\r\n", 1)


_OTHER_SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "chunked": _chunk_body,
    "HTTP/1.0": lambda request: request.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "closing": _add_header(b"Connection: close"),
    "with a query": lambda request: request.replace(b"/mdm", b"/mdm?a=b", 1),
    "escaped": lambda request: request.replace(b"/mdm", b"/%6ddm", 1),
}


def test_usual_requests_pass_by_asgi(running: RunningServer) -> None:
    request = running.idle.build_signed_request({"Status": "Idle"})
    pieces = [request[start : start + 300] for start in range(0, len(request), 300)]
    for chunks in ([request], pieces, [request.replace(b"PUT", b"POST", 1)], [request.replace(b"/mdm", b"/mdm/checkin", 1)]):
        assert running.ask(*chunks) == [(200, b"", False)]
    assert running.router.count == 0


def test_other_shapes_go_to_asgi_and_have_the_same_response(running: RunningServer) -> None:
    asked = running.waiting.build_signed_request({"Status": "Idle"})
    forged = asked.replace(b"Idle", b"Idly")
    usual = running.ask(asked) + running.ask(forged)
    assert [(status, bool(body)) for status, body, _ in usual] == [(200, True), (400, False)]
    assert running.router.count == 0
    for number, (shape, change) in enumerate(_OTHER_SHAPES.items(), start=1):
        running.queue_again()
        other = running.ask(change(asked)) + running.ask(change(forged))
        assert [response[:2] for response in other] == [response[:2] for response in usual], shape
        assert running.router.count == 2 * number, shape


def test_pipelined_requests_are_answered_in_their_order(running: RunningServer) -> None:
    idle = running.idle.build_signed_request({"Status": "Idle"})
    refused = idle.replace(b"Idle", b"Idly")
    waiting = running.waiting.build_signed_request({"Status": "Idle"})
    responses = running.ask(waiting + refused + idle + refused + idle, count=5)
    assert [(status, bool(body)) for status, body, _ in responses] == [
        (200, True), (400, False), (200, False), (400, False), (200, False),
    ]  # fmt: skip


def test_a_body_that_comes_too_slowly_ends_the_connection(running: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChannelHttpProtocol, "body_period_seconds", 0.2)
    request = running.idle.build_signed_request({"Status": "Idle"})
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as client:
        client.sendall(request[:-1])
        assert client.recv(1000) == b""
    assert running.ask(request) == [(200, b"", False)]


def test_who_disconnects_before_the_response_keeps_nobody_from_theirs(running: RunningServer) -> None:
    request = running.idle.build_signed_request({"Status": "Idle"})
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as client:
            client.sendall(request)
    assert running.ask(request) == [(200, b"", False)]
