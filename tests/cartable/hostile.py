"""Functions that use up what a process has; only ever run in a limited one."""

from __future__ import annotations

import os
import signal
import time

from cartable.errors import Invalid


def loop_forever() -> None:
    """Use CPU time without end."""
    while True:
        pass


def sleep_forever() -> None:
    """Use no CPU time, without end."""
    while True:
        time.sleep(60)


def allocate() -> int:
    """Use ten gigabytes."""
    return len([b"x" * 2**20 for _ in range(10_000)])


def crash() -> None:
    """End the process as a fault in a library would."""
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse() -> None:
    """Raise an error with details."""
    raise Invalid(field="file")


def get_environment() -> list[str]:
    """Return the names of the variables of the process."""
    return sorted(os.environ)


def write_file(path: str) -> int:
    """Write to a disk."""
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123
        return file.write(b"MARTIN")
