"""Creates the virtual environment with Python's standard library only. Installs exactly what the lock files name.

    python3 deploy/bootstrap.py run     what the server needs
    python3 deploy/bootstrap.py dev     that, and what the tests and checks need

A second call returns at once when the lock file has not changed. Needs a package index (the one pip is
configured for); a Python without ensurepip, such as Debian's, is given pip from its wheel on the index.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(os.environ.get("CARTABLE_VENV", ROOT / ".venv"))
LOCK_FILES = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
MINIMUM_PYTHON = (3, 11)


class BootstrapError(Exception):
    """The environment cannot be created; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Create or update the environment. Returns the exit status of the process."""
    kind = arguments[0] if arguments else "run"
    if kind not in LOCK_FILES:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        prepare_environment(kind)
    except BootstrapError as error:
        print(f"\nCartable cannot be set up: {error}", file=sys.stderr)
        return 1
    return 0


def prepare_environment(kind: str) -> None:
    """Install what the lock file of `kind` names, unless it is already installed. Raises `BootstrapError`."""
    if sys.version_info < MINIMUM_PYTHON:
        raise BootstrapError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}. Try PYTHON=python3.11")
    lock = ROOT / LOCK_FILES[kind]
    if any(_read_stamp(name) == compute_stamp(name) for name in (kind, "dev")):
        return
    python = VENV / "bin" / "python"
    if not has_working_pip(python):
        with Progress("Creating the virtual environment"):
            create_environment()
    with Progress(f"Installing the locked packages ({lock.name})"):
        run_command([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
             "--require-hashes", "-r", str(lock)])  # fmt: skip
    (VENV / f".cartable-{kind}").write_text(compute_stamp(kind))


def compute_stamp(kind: str) -> str:
    """Return the stamp of an up-to-date environment of `kind`."""
    return hashlib.sha256((ROOT / LOCK_FILES[kind]).read_bytes() + sys.version.encode()).hexdigest()


def _read_stamp(kind: str) -> str:
    path = VENV / f".cartable-{kind}"
    return path.read_text() if path.exists() else ""


def has_working_pip(python: Path) -> bool:
    """Return whether the environment's interpreter runs and has pip."""
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def create_environment() -> None:
    """Create the environment with pip. Raises `BootstrapError`."""
    try:
        VENV.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(VENV, ignore_errors=True)
        done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
        if done.returncode == 0 and has_working_pip(VENV / "bin" / "python"):
            return
        # Debian ships Python without ensurepip: an environment without pip, then pip's own wheel.
        shutil.rmtree(VENV, ignore_errors=True)
        run_command([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    except OSError as error:
        raise BootstrapError(f"cannot write {VENV}: {error.strerror}. Set CARTABLE_VENV to a folder you can write.") from error
    with tempfile.TemporaryDirectory() as folder:
        wheel = fetch_pip(Path(folder))
        run_command([str(VENV / "bin" / "python"), f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)])


def fetch_pip(folder: Path) -> Path:
    """Download pip's newest wheel from the index and check its digest. Raises `BootstrapError`."""
    page_url = INDEX.rstrip("/") + "/pip/"
    try:
        with urllib.request.urlopen(page_url, timeout=60) as answer:
            page = answer.read().decode()
        links = re.findall(r'href="([^"]*?pip-([0-9.]+)-py3-none-any\.whl)#sha256=([0-9a-f]{64})"', page)
        if not links:
            raise BootstrapError(f"{page_url} lists no pip wheel.")
        link, version, digest = max(links, key=lambda found: tuple(int(part) for part in found[1].split(".")))
        with urllib.request.urlopen(urljoin(page_url, link), timeout=120) as answer:
            content = answer.read()
    except urllib.error.URLError as error:
        raise BootstrapError(f"the package index {INDEX} did not answer ({error.reason}). Is there a network?") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise BootstrapError("the downloaded pip wheel has a wrong digest.")
    wheel = folder / f"pip-{version}-py3-none-any.whl"
    wheel.write_bytes(content)
    return wheel


def run_command(command: list[str]) -> None:
    """Run a command; its output is shown only when it fails. Raises `BootstrapError`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BootstrapError((done.stderr or done.stdout).strip()[-2000:] or f"{command[0]} failed")


class Progress:
    """Shows on one line what is in progress and for how long; redrawn on a terminal, a new line every 10 seconds elsewhere."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        print(f"{self.what} …", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        seconds = time.monotonic() - self.started
        print(f"\r{self.what} … {seconds:.0f} s" if sys.stderr.isatty() else f"  done in {seconds:.0f} s", file=sys.stderr)

    def _tick(self) -> None:
        terminal = sys.stderr.isatty()
        while not self.done.wait(0.5 if terminal else 10):
            seconds = time.monotonic() - self.started
            print(f"\r{self.what} … {seconds:.0f} s" if terminal else f"  {seconds:.0f} s …",
                  end="" if terminal else "\n", file=sys.stderr, flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
