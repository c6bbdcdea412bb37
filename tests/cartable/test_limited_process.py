"""A function in a limited process: its result and errors come back, and whatever it uses up ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cartable import limited_process
from cartable.errors import Invalid
from cartable.limited_process import FileTooDemanding, NoProcessFree, run_limited
from tests.cartable import hostile


def _run(function: Callable[..., object], *arguments: object) -> object:
    return run_limited(function, *arguments, cpu_seconds=1, memory_bytes=2**27, wall_seconds=1.5)


def test_result_and_error_come_back_from_another_process() -> None:
    assert _run(os.getpid) != os.getpid()
    assert _run(sorted, ["b", "a"]) == ["a", "b"]
    with pytest.raises(Invalid) as refusal:
        _run(hostile.refuse)
    assert refusal.value.details == {"field": "file"}


def test_the_process_has_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTABLE_MASTER_KEY", "secret")
    limited_process.stop_server()
    assert not [name for name in _run(hostile.get_environment) if name.startswith("CARTABLE")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("function", [hostile.loop_forever, hostile.sleep_forever, hostile.allocate, hostile.crash])
def test_a_limit_or_a_crash_ends_the_process(function: Callable[[], object]) -> None:
    _run(os.getpid)  # the server runs
    begun = time.monotonic()
    with pytest.raises(FileTooDemanding):
        _run(function)
    assert time.monotonic() - begun < 5


def test_processes_run_beside_one_another() -> None:
    results: list[object] = []
    endless = threading.Thread(target=test_a_limit_or_a_crash_ends_the_process, args=(hostile.loop_forever,))
    endless.start()
    others = [threading.Thread(target=lambda: results.append(_run(len, "abc"))) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(20)
    assert results == [3] * 4
    endless.join(20)


def test_a_server_that_was_ended_is_started_again() -> None:
    _run(os.getpid)
    os.kill(_run(os.getppid), signal.SIGKILL)  # type: ignore[arg-type]
    with suppress(NoProcessFree):  # it may end while it is asked
        _run(len, "abc")
    assert _run(len, "abc") == 3


def test_elsewhere_it_runs_in_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert _run(os.getpid) == os.getpid()


def test_the_process_writes_nothing_to_a_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large"):
        _run(hostile.write_file, str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size == 0
