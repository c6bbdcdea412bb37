"""Fetching one file from an rsync daemon with the program of that name. Knows neither lists nor tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from profiles.filters.models import UpdateProblem

SCHEME = "rsync://"
_CONNECT_SECONDS, _SILENT_SECONDS = 20, 60
#: What one listing or transfer may take.
_LISTING_SECONDS, _TRANSFER_SECONDS = 90, 1800
_OPTIONS = (
    f"--contimeout={_CONNECT_SECONDS}",
    f"--timeout={_SILENT_SECONDS}",
    "--no-motd",
    "--no-human-readable",
    "--copy-links",
)
#: A line of a listing: permissions, size, day, time, name.
_FILE = re.compile(r"-\S+\s+(\d+)\s+(\S+\s+\S+)\s+.+")


class MirrorProblem(Exception):
    """No archive could be fetched, or not the one that the checksum names."""

    def __init__(self, problem: UpdateProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on an rsync daemon: its size, and a name for its version, made of size and time of change."""

    url: str
    size: int
    version: str


def is_rsync(url: str) -> bool:
    """Return whether an address is that of an rsync daemon."""
    return url.startswith(SCHEME)


def find_rsync() -> str | None:
    """Return the path of the program, or None."""
    return shutil.which("rsync")


def look_up_file(url: str) -> RemoteFile:
    """Return what a daemon says of a file. Raises `MirrorProblem`, also for a folder or several files."""
    lines = _run(_LISTING_SECONDS, "--list-only", "--", url).splitlines()
    files = [match for match in map(_FILE.fullmatch, lines) if match]
    if len(files) != 1 or len(lines) != 1:
        raise MirrorProblem(UpdateProblem.UNREADABLE)
    size, changed = files[0].groups()
    return RemoteFile(url, int(size), f"{size} {changed}")


def fetch_file(file: RemoteFile, target: Path, max_bytes: int) -> None:
    """Write a file to `target`. Raises `MirrorProblem`, also for one that is larger than `max_bytes`."""
    if file.size > max_bytes:
        raise MirrorProblem(UpdateProblem.TOO_LARGE)
    _run(_TRANSFER_SECONDS, f"--max-size={max_bytes}", "--", file.url, str(target))
    if not target.exists():  # it has grown since it was looked up
        raise MirrorProblem(UpdateProblem.TOO_LARGE)


def _run(seconds: float, *arguments: str) -> str:
    program = find_rsync()
    if program is None:
        raise MirrorProblem(UpdateProblem.PROGRAM_MISSING)
    try:
        done = subprocess.run(  # noqa: S603 - a program found by name, an address of the operator's after `--`
            [program, *_OPTIONS, *arguments], capture_output=True, timeout=seconds, check=False, env={"LC_ALL": "C.UTF-8"}
        )
    except subprocess.TimeoutExpired as error:
        raise MirrorProblem(UpdateProblem.UNREACHABLE) from error
    if done.returncode != 0:
        raise MirrorProblem(UpdateProblem.UNREACHABLE)
    return done.stdout.decode("utf-8", "replace")
