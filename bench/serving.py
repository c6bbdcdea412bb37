"""Runs the real server as a process of its own, and reads what it and its database cost: CPU, memory, statements, commits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_TICK = os.sysconf("SC_CLK_TCK")
PORT = 18080


@dataclass(frozen=True, slots=True)
class Cost:
    """What has been used so far. CPU in seconds, memory in bytes."""

    server_cpu: float
    database_cpu: float
    statements: int
    commits: int
    memory: int

    def __sub__(self, other: Cost) -> Cost:
        return Cost(
            self.server_cpu - other.server_cpu,
            self.database_cpu - other.database_cpu,
            self.statements - other.statements,
            self.commits - other.commits,
            self.memory,
        )


@dataclass(slots=True)
class Serving:
    """A running server."""

    process: subprocess.Popen[bytes]
    counts: Path
    database_pid: int | None

    def cost(self) -> Cost:
        """Ask the server to write its counters, and read the processes' accounts."""
        self.counts.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not self.counts.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        counted = json.loads(self.counts.read_text())
        return Cost(
            _cpu(self.process.pid),
            sum(_cpu(pid) for pid in _family(self.database_pid)) if self.database_pid else 0.0,
            counted["statements"],
            counted["commits"],
            _memory(self.process.pid),
        )


@contextmanager
def serving(data: Path, database_url: str, database_pid: int | None) -> Iterator[Serving]:
    """Serve plain HTTP on loopback, as behind a proxy that ends TLS; signatures are verified all the same."""
    counts = data / "counts.json"
    environment = {
        **os.environ,
        "CARTABLE_DATA_DIR": str(data),
        "CARTABLE_DATABASE_URL": database_url,
        "CARTABLE_PUBLIC_URL": "https://bench.invalid",
        "BENCH_COUNTS": str(counts),
        "BENCH_PORT": str(PORT),
    }
    with (data / "server.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "bench.serve"], env=environment, stdout=log, stderr=log)
        try:
            _wait(process, data / "server.log")
            yield Serving(process, counts, database_pid)
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        try:
            with urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=2):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(log.read_text()[-2000:])


def _cpu(pid: int) -> float:
    """Seconds of CPU, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _memory(pid: int) -> int:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
