"""Slow heads, slow bodies and too many connections are closed over a real socket; a patient client is served."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import uvicorn

from cartable.guarded_http import GuardedHttpProtocol
from tests.support.server import find_free_port, wait_until_started


class _QuickProtocol(GuardedHttpProtocol):
    head_seconds: ClassVar[float] = 0.3
    body_period_seconds: ClassVar[float] = 0.3
    body_period_bytes: ClassVar[int] = 100
    head_bytes: ClassVar[int] = 100_000

    def get_limit(self, address: str) -> int:
        return 5


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = find_free_port()
    server = uvicorn.Server(uvicorn.Config(_answer, port=port, http=_QuickProtocol, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until_started(server, thread)
    yield port
    server.should_exit = True
    thread.join(5)


def _is_closed(client: socket.socket) -> bool:
    client.settimeout(3)
    try:
        return client.recv(1000) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "sent", [b"", b"POST / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nab"]
)
def test_a_connection_that_sends_too_slowly_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        assert _is_closed(client)


def test_a_head_without_end_is_not_kept(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: ")
        with pytest.raises(ConnectionError):
            for _ in range(200):
                client.sendall(b"x" * 64 * 1024)
                time.sleep(0.001)


def test_a_body_and_what_follows_it_do_not_count_as_a_head(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" + b"x" * 150_000
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request * 2 + request[:40])
        client.settimeout(3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            received += client.recv(10_000)


def test_a_body_that_comes_slowly_but_steadily_is_read(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(5):
            client.sendall(b"x" * 200)
            time.sleep(0.12)
        client.settimeout(3)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_connections_of_one_address_are_bounded_and_places_become_free(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", port)) as surplus:
        assert _is_closed(surplus)
    for client in clients:
        client.close()
    time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.settimeout(3)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
