"""Reading uploaded files outside any transaction: few at a time, in a child process with limits. Knows no format."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
#: What one file may use up in its child process: 5000 lines of a roster take 0.3 seconds, 49,000 rows of a calendar one.
CPU_SECONDS = 30
MEMORY_BYTES = 512 * 2**20

_readers = threading.BoundedSemaphore(MAX_READERS)
_deadline: ContextVar[float | None] = ContextVar("upload_deadline", default=None)


class UploadsBusy(DomainError):
    """Other files are being read: the request comes again later."""

    code = "uploads_busy"
    status = 503
    message = Message("Other files are being read. Try again in a minute.")


class UploadTooSlow(DomainError):
    """Reading the file took longer than any file of its size needs."""

    code = "upload_too_slow"
    status = 422
    message = Message("The file takes too long to read. It is damaged, or much larger unpacked than it looks.")


@contextmanager
def reading_upload(seconds: float = READING_SECONDS) -> Iterator[None]:
    """Give the block a turn to read a file, with a time limit. Raises `UploadsBusy`, and `UploadTooSlow` where a parser asks.

    No unit of work may be open: on SQLite every tablet would wait for its end.
    """
    if not _readers.acquire(timeout=WAITING_SECONDS):
        raise UploadsBusy
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)
        _readers.release()


def read_upload(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what a parser makes of a file, in a turn and in a child process. Raises `UploadsBusy`, `FileTooDemanding`, the parser's errors.

    The parser is a function of a module; arguments and result are plain data. As for `reading_upload`, no unit of work may be open.
    """
    with reading_upload():
        return run_limited(function, *arguments, cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES, wall_seconds=READING_SECONDS)


def check_time() -> None:
    """Raise `UploadTooSlow` when the time of `reading_upload` is over. Parsers call it every few thousand lines."""
    deadline = _deadline.get()
    if deadline is not None and time.monotonic() > deadline:
        raise UploadTooSlow
