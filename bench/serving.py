"""Runs the server in its own processes, and reads the resources that it and its database use: CPU, memory, statements, commits."""

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

_TICK = os.sysconf("SC_CLK_TCK")
PORT = int(os.environ.get("BENCH_PORT", "18080"))
PUBLIC_URL = f"https://localhost:{PORT}"


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """The resources used so far. CPU is in seconds, memory in bytes."""

    server_cpu: float
    database_cpu: float
    statements: int
    commits: int
    memory: int

    def __sub__(self, other: ResourceUsage) -> ResourceUsage:
        return ResourceUsage(
            self.server_cpu - other.server_cpu,
            self.database_cpu - other.database_cpu,
            self.statements - other.statements,
            self.commits - other.commits,
            self.memory,
        )


@dataclass(slots=True)
class RunningServer:
    """A running server: one process, or several on one port."""

    processes: list[subprocess.Popen[bytes]]
    folder: Path
    database_pid: int | None

    def read_usage(self) -> ResourceUsage:
        """Let each process write its counters, and return the resources that all have used."""
        counters = [self._read_counters(process) for process in self.processes]
        return ResourceUsage(
            sum(_read_cpu_seconds(process.pid) for process in self.processes),
            sum(_read_cpu_seconds(pid) for pid in _list_process_tree(self.database_pid)) if self.database_pid else 0.0,
            sum(each["statements"] for each in counters),
            sum(each["commits"] for each in counters),
            max(_read_memory(process.pid) for process in self.processes),
        )

    def _read_counters(self, process: subprocess.Popen[bytes]) -> dict[str, int]:
        path = self.folder / f"counts-{process.pid}.json"
        path.unlink(missing_ok=True)
        process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        counters: dict[str, int] = json.loads(path.read_text())
        return counters


@contextmanager
def run_server(
    data: Path, database_url: str, database_pid: int | None, workers: int = 1, *, https: bool = False
) -> Iterator[RunningServer]:
    """Start the server on loopback and stop it afterwards: plain HTTP, as behind a proxy that ends TLS, or HTTPS."""
    environment = {
        **os.environ,
        "CARTABLE_DATA_DIR": str(data),
        "CARTABLE_DATABASE_URL": database_url,
        "CARTABLE_PUBLIC_URL": PUBLIC_URL,
        "BENCH_FOLDER": str(data),
        "BENCH_PORT": str(PORT),
        "BENCH_HTTPS": "1" if https else "",
    }
    command = [sys.executable, "-m", "bench.serve"]
    with (data / "server.log").open("wb") as log:
        processes = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(workers)]
        try:
            for process in processes:
                _wait_until_ready(process, data)
            yield RunningServer(processes, data, database_pid)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path) -> None:
    for _ in range(1800):
        if process.poll() is not None:
            break
        if (data / f"ready-{process.pid}").exists():
            return
        time.sleep(0.05)
    raise RuntimeError((data / "server.log").read_text()[-2000:])


def _read_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _list_process_tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _list_process_tree(int(child)))]


def _read_memory(pid: int) -> int:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
