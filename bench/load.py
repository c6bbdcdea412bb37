"""A small load generator: keep-alive HTTP/1.1 connections that replay prepared requests. Knows nothing about MDM.

It runs in its own process, so its CPU time is part of the machine's load but not of the server's figures. Requests are
prepared before the measurement; a response is only framed and counted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop


@dataclass(slots=True)
class LoadResult:
    """The result of one run. Latencies are in seconds, one per request."""

    seconds: float = 0.0
    requests: int = 0
    conversations: int = 0
    failures: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency below which `share` of the requests stayed, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class _LoadConnection(asyncio.Protocol):
    """One keep-alive connection that replays conversations until there are no more or the time is over."""

    def __init__(self, work: Iterator[list[bytes]], outcome: LoadResult, until: float, done: asyncio.Future[None]) -> None:
        self.work = work
        self.outcome = outcome
        self.until = until
        self.done = done
        self.steps: Iterator[bytes] = iter(())
        self.buffer = b""
        self.sent = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is not a subclass
        self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else len(head)])
        if len(self.buffer) < end + 4 + length:
            return
        self.buffer = self.buffer[end + 4 + length :]
        self.outcome.requests += 1
        self.outcome.latencies.append(time.perf_counter() - self.sent)
        if not head.startswith(b"http/1.1 200"):
            self.outcome.failures += 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.outcome.failures += 1
            self.done.set_result(None)

    def _next(self) -> None:
        step = next(self.steps, None)
        if step is None:
            if time.perf_counter() < self.until and (conversation := next(self.work, None)) is not None:
                self.outcome.conversations += 1
                self.steps = iter(conversation)
                step = next(self.steps)
            else:
                self.done.set_result(None)
                self.transport.close()
                return
        self.sent = time.perf_counter()
        self.transport.write(step)


async def _replay(host: str, port: int, work: Iterator[list[bytes]], connections: int, seconds: float) -> LoadResult:
    loop = asyncio.get_running_loop()
    outcome = LoadResult()
    started = time.perf_counter()
    waits = [loop.create_future() for _ in range(connections)]
    for done in waits:
        await loop.create_connection(partial(_LoadConnection, work, outcome, started + seconds, done), host, port)
    await asyncio.gather(*waits)
    outcome.seconds = time.perf_counter() - started
    return outcome


def replay_conversations(
    host: str, port: int, conversations: list[list[bytes]], connections: int, seconds: float, *, once: bool = False
) -> LoadResult:
    """Replay conversations on `connections` connections for `seconds`; with `once`, until each was replayed once."""
    work = iter(conversations) if once else itertools.cycle(conversations)
    return uvloop.run(_replay(host, port, work, connections, seconds))


def build_request(method: str, path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    """Build the bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
