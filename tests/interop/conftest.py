"""Fixtures for tests with independent programs. A program that is missing on this machine is reported with a warning."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette

from cartable.clock import ManualClock
from enrollment.identity.scep.endpoint import routes as scep_routes
from tests.conftest import KEYRING
from tests.enrollment.identity.scep.conftest import Requester
from tests.interop import missing
from tests.support.server import LiveServer, find_free_port, start_live_server, wait_until_started


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database. One dialect is enough, because these tests compare protocols."""
    from tests.support import databases

    engine = databases.create_sqlite_engine(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime.now(UTC))) as running:
        yield running


@pytest.fixture
def scep(server: LiveServer) -> Iterator[Requester]:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as http:
        yield Requester(server, http)


@pytest.fixture
def plain_url(server: LiveServer) -> Iterator[str]:
    """The URL of the SCEP server over plain HTTP, as SCEP clients expect it: SCEP messages are encrypted and signed."""
    port = find_free_port()
    application = Starlette(routes=scep_routes(server.runtime))
    running = uvicorn.Server(uvicorn.Config(application, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_until_started(running, thread)
    yield f"http://127.0.0.1:{port}/scep"
    running.should_exit = True
    thread.join(10)


def require_program(*names: str) -> str:
    """Return the path of a program by one of its names. Without it the test is skipped with a warning, or fails."""
    for name in names:
        path = shutil.which(name) or (name if Path(name).exists() else None)
        if path:
            return path
    missing.warn_not_compared(names[0])
    pytest.skip(f"{names[0]} is not installed: run `make interop` (Debian, root)")


def run_command(*command: str | Path, folder: Path, wrong: bool = False) -> str:
    """Run a program and return its output. With `wrong` it must fail."""
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) is wrong, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr
