"""`cartable resolver` as an operator starts it: it serves what the database says, and ends with both of its programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mdm.cli.main import main
from mdm.cli.resolver import READY
from mdm.resolver.service import ResolverStatus, load_resolver_state
from tests.interop.resolver.conftest import create_runtime
from tests.support.waiting import wait_until


def test_the_command_runs_until_it_is_stopped(internet: str, tmp_path: Path) -> None:
    runtime = create_runtime(tmp_path, internet)
    values = {
        "DATA_DIR": tmp_path / "data", "DATABASE_URL": runtime.engine.url.render_as_string(hide_password=False),
        "RESOLVER_URL": "https://localhost", "RESOLVER_HOST": "127.0.0.1", "RESOLVER_PORT": "0", "RESOLVER_FORWARD_TO": internet,
        "RESOLVER_CERTIFICATE": tmp_path / "chain.pem", "RESOLVER_KEY": tmp_path / "key.pem",
    }  # fmt: skip
    environment = os.environ | {f"CARTABLE_{name}": str(value) for name, value in values.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "mdm", "resolver"], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(READY):
                break
        assert lines[-1].startswith(READY), "".join(lines)
        with runtime.open_unit_of_work() as work:
            assert load_resolver_state(work).status is ResolverStatus.ANSWERING
        children = list_children(process.pid)
        assert len(children) == 2
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        process.stderr.read()
    assert process.returncode == 0
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    with runtime.open_unit_of_work() as work:
        assert load_resolver_state(work).processes == []
    runtime.engine.dispose()


def list_children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_it_does_not_start_where_tablets_could_not_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CARTABLE_RESOLVER_URL", raising=False)
    assert main(["resolver"]) == 1
    assert "CARTABLE_RESOLVER_URL" in capsys.readouterr().err
