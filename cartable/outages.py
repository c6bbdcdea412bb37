"""Outages of the database: it is away, read-only, or has no room. Nothing was written, and the same request succeeds later."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Final

from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from cartable.errors import DomainError
from cartable.i18n import Message

#: When whoever was turned away may try again.
RETRY_AFTER_SECONDS: Final = 60


class Outage(StrEnum):
    """Why nothing can be stored at the moment, as `/readyz` names it."""

    READ_ONLY = "database_read_only"
    FULL = "database_full"
    AWAY = "database_not_writable"


class DatabaseUnavailable(DomainError):
    """The database stores nothing at the moment; nothing was changed."""

    code: ClassVar[str] = "database_unavailable"
    status: ClassVar[int] = 503
    message: ClassVar[Message] = Message("Nothing can be stored at the moment, and nothing was changed. Try again in a minute.")


#: SQLSTATE: of the whole code, else of its class (its first two characters).
_SQLSTATES = {
    "25006": Outage.READ_ONLY,
    "53100": Outage.FULL,
    "08": Outage.AWAY,  # connection
    "53300": Outage.AWAY,  # too many connections; out of memory is not here: one statement may be its cause
    "57P": Outage.AWAY,  # shut down, starting
    "58": Outage.AWAY,  # input and output
}
#: Primary result codes of SQLite: READONLY, FULL; BUSY, IOERR, CANTOPEN.
_SQLITE_CODES = {8: Outage.READ_ONLY, 13: Outage.FULL, 5: Outage.AWAY, 10: Outage.AWAY, 14: Outage.AWAY}


def find_outage(error: BaseException) -> Outage | None:
    """Return the outage behind an error; None when the statement itself is wrong.

    A failure to roll back hides the first error: SQLite ends the transaction by itself when its disk is full.
    """
    return next((outage for each in _list_chain(error) if (outage := _classify(each)) is not None), None)


def renew_read_only_connections(engine: Engine) -> Engine:
    """Return the engine, which drops its connections when one turns out to be read-only.

    A session of PostgreSQL keeps the setting that it began with, so it would stay read-only after the database no longer is.
    """
    event.listen(engine, "handle_error", _drop_read_only)
    return engine


def _drop_read_only(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) == "25006":
        context.is_disconnect = True


def _list_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _classify(error: BaseException) -> Outage | None:
    if isinstance(error, NoFreeConnection):
        return Outage.AWAY
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _SQLSTATES.get(state) or _SQLSTATES.get(state[:3]) or _SQLSTATES.get(state[:2])
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE_CODES.get(code & 0xFF)
    return Outage.AWAY if error.connection_invalidated or type(error.orig).__name__ == "OperationalError" else None
