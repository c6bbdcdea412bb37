"""Reading uploaded files outside any transaction: few at a time, each with a time limit that its parser asks for. Knows no format."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cartable.errors import DomainError
from cartable.i18n import Message

#: Files that one process reads at the same time. Parsers are bounded in memory, so this bounds all of them.
MAX_READERS = 2
#: Seconds that one file may be read, and that a request waits for its turn.
READING_SECONDS = 120.0
WAITING_SECONDS = 30.0

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


def check_time() -> None:
    """Raise `UploadTooSlow` when the time of `reading_upload` is over. Parsers call it every few thousand lines."""
    deadline = _deadline.get()
    if deadline is not None and time.monotonic() > deadline:
        raise UploadTooSlow
