"""The load generator: replays prepared requests on keep-alive HTTP/1.1 connections. Knows nothing about MDM.

The replaying itself is `replay.c`, compiled when it is first needed: a generator in Python takes as much CPU as the server that it measures. Requests are
prepared before the measurement; a response is only framed and counted.
"""

from __future__ import annotations

import subprocess
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_PROGRAM = Path(__file__).with_name("replay.c")


@dataclass(slots=True)
class LoadResult:
    """The result of one run. Latencies are in microseconds, one per request."""

    seconds: float
    requests: int
    conversations: int
    failures: int
    latencies: array[int] = field(repr=False)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency below which `share` of the requests stayed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000 if ordered else 0.0


def replay_conversations(
    host: str, port: int, conversations: Sequence[Sequence[bytes]], connections: int, seconds: float, *, once: bool = False
) -> LoadResult:
    """Replay conversations on `connections` connections for `seconds`; with `once`, until each was replayed once."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(_encode_number(len(conversations)))
        for conversation in conversations:
            file.write(_encode_number(len(conversation)))
            for request in conversation:
                file.write(_encode_number(len(request)) + request)
        file.flush()
        limits = [str(connections), str(seconds), str(int(once))]
        output = subprocess.run(
            [_build_program(), host, str(port), file.name, *limits], stdout=subprocess.PIPE, check=True
        ).stdout
    line, _, encoded = output.partition(b"\n")
    took, *counts = line.split()
    latencies = array("I", encoded)
    requests, finished, failures = map(int, counts)
    return LoadResult(float(took), requests, finished, failures, latencies)


def _encode_number(number: int) -> bytes:
    return number.to_bytes(4, "little")


@cache
def _build_program() -> str:
    """Compile the program into a folder of its own and return its path."""
    program = Path(tempfile.mkdtemp(prefix="cartable-replay-")) / "replay"
    try:
        subprocess.run(["cc", "-O2", "-o", str(program), str(_PROGRAM)], check=True)
    except FileNotFoundError:
        raise SystemExit("the load generator needs a C compiler: install gcc or clang") from None
    return str(program)


def build_request(method: str, path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    """Build the bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
