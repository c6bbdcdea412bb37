"""The two programs, dnsdist and Unbound: their configuration is checked before it is taken, and they are started again when they end."""

from __future__ import annotations

import ctypes
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from cartable.errors import Invalid
from cartable.i18n import Message
from cartable.private_files import open_private
from mdm.resolver.configuration import EngineSettings, render_dnsdist, render_unbound

log = structlog.get_logger()
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_CHECK_SECONDS = 20
_STOP_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_PR_SET_PDEATHSIG = 1
#: Bytes after which a program's log begins anew. It has its starts and its errors, and nothing of a question.
_MAX_LOG = 2**20


class ResolverUnavailable(Invalid):
    """The resolver cannot run here: a program is missing, or refuses its configuration."""

    code = "resolver_unavailable"
    message = Message("The resolver cannot start: {why}")


def find_program(name: str) -> str:
    """Return the path of a program. Raises `ResolverUnavailable`."""
    path = shutil.which(name) or shutil.which(name, path=_FOLDERS)
    if path is None:
        raise ResolverUnavailable(why=f"{name} is not installed (Debian: apt-get install dnsdist unbound)")
    return path


def accept_configuration(engine: EngineSettings) -> str | None:
    """Write the configuration of both programs where they accept it; keep the last one that they accepted otherwise.

    Returns why a new one was refused, or None. Raises `ResolverUnavailable` when it was and there is none to keep.
    """
    refusals = [
        _accept_file(engine.folder / "unbound.conf", render_unbound(engine), (find_program("unbound-checkconf"),)),
        _accept_file(engine.folder / "dnsdist.conf", render_dnsdist(engine), (find_program("dnsdist"), "--check-config", "-C")),
    ]
    return "; ".join(refusal for refusal in refusals if refusal) or None


def _accept_file(path: Path, text: str, check: Sequence[str]) -> str | None:
    new_file = path.with_name(f"new-{path.name}")
    with open_private(new_file, "wb") as file:
        file.write(text.encode())
    checked = subprocess.run(  # noqa: S603 - programs found by name, a file of ours
        [*check, str(new_file)], capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False
    )
    if checked.returncode == 0:
        new_file.replace(path)
        return None
    why = f"{path.name}: {(checked.stderr + checked.stdout).strip()[-300:]}"
    log.error("resolver.configuration_refused", why=why)
    if not path.exists():
        raise ResolverUnavailable(why=why)
    return why


@dataclass(slots=True)
class EngineProgram:
    """One of the programs as a child process. `restarts` counts how often it ended without being asked to."""

    name: str
    command: list[str]
    log_file: Path
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _pause: float = field(default=_FIRST_PAUSE)

    @property
    def pid(self) -> int | None:
        """The number of the process while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def keep_running(self) -> None:
        """Start the program if it does not run. One that ends at once is started again after pauses that grow."""
        if self.pid is not None:
            if time.monotonic() - self._started_at > _LONGEST_PAUSE:
                self._pause = _FIRST_PAUSE
            return
        if self._process is not None:
            if time.monotonic() - self._started_at < self._pause:
                return
            self.restarts += 1
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            log.error("resolver.program_ended", program=self.name, code=self._process.returncode)
        is_long = self.log_file.exists() and self.log_file.stat().st_size > _MAX_LOG
        with open_private(self.log_file, "wb" if is_long else "ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - programs found by name, files of ours
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_prepare_child,  # noqa: PLW1509
            )
        self._started_at = time.monotonic()

    def has_run_for(self, seconds: float) -> bool:
        """Return whether the program runs and was started at least so long ago."""
        return self.pid is not None and time.monotonic() - self._started_at >= seconds

    def read_last_line(self) -> str:
        """Return the last line of the program's log: its error, when it has just ended."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines() if self.log_file.exists() else []
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """Kill a program that does not answer; `keep_running` starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask the program to end, and wait for it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


def _prepare_child() -> None:
    """Let the program end with its parent, and open as many files as it may: each store is one."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def create_programs(engine: EngineSettings) -> tuple[EngineProgram, EngineProgram]:
    """Return Unbound and dnsdist, not yet started, in the order in which they start."""
    return (
        EngineProgram(
            "unbound",
            [find_program("unbound"), "-d", "-p", "-c", str(engine.folder / "unbound.conf")],
            engine.folder / "unbound.log",
        ),
        EngineProgram(
            "dnsdist",
            [find_program("dnsdist"), "--supervised", "--disable-syslog", "-C", str(engine.folder / "dnsdist.conf")],
            engine.folder / "dnsdist.log",
        ),
    )
