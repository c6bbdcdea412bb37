"""Configures logging: structured lines, for people or as JSON. Log events hold ids, never names or secrets.

Tracebacks are plain: they never print the values of local variables, which may be secrets or names. Every line passes `redaction`.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any

import structlog

from cartable.redaction import print_exception, redact
from cartable.tracing import add_trace_id

#: Libraries that give their loggers handlers of their own.
_WITH_HANDLERS = ("uvicorn", "uvicorn.error", "celery", "celery.task")


class RedactingFormatter(logging.Formatter):
    """Formats the records of libraries as `inner` does, without secrets, tracebacks included."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record))


def configure_logging(*, json: bool, level: str = "info") -> None:
    """Configure structlog and the logging of libraries to write to standard error, and print uncaught errors without secrets.

    Each process calls it once; a command calls it before the process knows its settings, and again when it does.
    """
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_trace_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
            _redact_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    for logger in (logging.root, *(logging.getLogger(name) for name in _WITH_HANDLERS)):
        for each in logger.handlers:
            if not isinstance(each.formatter, RedactingFormatter):
                each.setFormatter(RedactingFormatter(each.formatter or logging.Formatter()))
    sys.excepthook = print_exception
    threading.excepthook = _print_thread_exception


def _redact_line(_logger: object, _method: str, line: MutableMapping[str, Any] | str) -> MutableMapping[str, Any] | str:
    return redact(line) if isinstance(line, str) else line


def _print_thread_exception(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        print_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
