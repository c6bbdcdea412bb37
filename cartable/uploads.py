"""Reading uploaded files outside any transaction: few at a time, in a child process with limits. Knows no format."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cartable.errors import DomainError
from cartable.i18n import Message
from cartable.limited_process import run_limited

Result = TypeVar("Result")
#: Files that one process reads at the same time. Parsers are bounded in memory, so this bounds all of them.
MAX_READERS = 2
#: Seconds that one file may be read, and that a request waits for its turn.
READING_SECONDS = 120.0
WAITING_SECONDS = 30.0

_readers = threading.BoundedSemaphore(MAX_READERS)


class UploadsBusy(DomainError):
    """Other files are being read: the request comes again later."""

    code = "uploads_busy"
    status = 503
    message = Message("Other files are being read. Try again in a minute.")


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What one file may use up in its child process. A roster of 5000 lines takes 0.3 seconds, a calendar of 49,000 rows one."""

    cpu_seconds: int = 30
    memory_bytes: int = 512 * 2**20
    seconds: float = READING_SECONDS


DEFAULT_LIMITS = ReadingLimits()


@contextmanager
def hold_upload_slot() -> Iterator[None]:
    """Give the block a turn to read a file. Raises `UploadsBusy`.

    No unit of work may be open: on SQLite every tablet would wait for its end.
    """
    if not _readers.acquire(timeout=WAITING_SECONDS):
        raise UploadsBusy
    try:
        yield
    finally:
        _readers.release()


def read_upload(function: Callable[..., Result], *arguments: object, limits: ReadingLimits | None = None) -> Result:
    """Return what a parser makes of a file, in a turn and in a child process. Raises `UploadsBusy`, `FileTooDemanding`, the parser's errors.

    The parser is a function of a module; arguments and result are plain data. As for `hold_upload_slot`, no unit of work may be open.
    """
    with hold_upload_slot():
        limits = limits or DEFAULT_LIMITS
        return run_limited(
            function, *arguments,
            cpu_seconds=limits.cpu_seconds, memory_bytes=limits.memory_bytes, wall_seconds=limits.seconds,
        )  # fmt: skip
