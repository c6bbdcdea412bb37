"""Conflicts between transactions: a deadlock, a failed serialisation, a row that another one has added or deleted meanwhile. Nothing was
written, and the transaction may be run again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SAWarning
from sqlalchemy.orm.exc import StaleDataError

T = TypeVar("T")
log = structlog.get_logger()

#: How often a transaction is run again after a conflict.
MAX_RETRIES = 3
#: SQLSTATE of a failed serialisation and of a deadlock.
_CONFLICTS = frozenset({"40001", "40P01"})
#: SQLSTATE of a unique key that exists, and of a reference to a row that does not: when the statement before it found otherwise, another
#: transaction has written in between.
_OVERTAKEN = frozenset({"23505", "23503"})
#: How SQLAlchemy's warning begins that a row to be deleted is gone. (For a row to be updated it raises `StaleDataError`.)
_LOST_DELETE = "DELETE statement on table"
warnings.filterwarnings("error", message=_LOST_DELETE, category=SAWarning)


def is_conflict(error: BaseException) -> bool:
    """Return whether a statement failed because of another transaction, and not by itself."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS


def may_be_conflict(error: BaseException) -> bool:
    """Return whether running the transaction again may end otherwise: it then sees what another one has written.

    Two equal requests at once, from an impatient double click, find the same state; the second then gets the response that it would have
    got a moment later. An error of our own in the data fails again and comes through.
    """
    if isinstance(error, DBAPIError):
        return is_conflict(error) or getattr(error.orig, "sqlstate", None) in _OVERTAKEN
    return isinstance(error, StaleDataError) or (isinstance(error, SAWarning) and _LOST_DELETE in str(error))


def run_with_retries(act: Callable[[], T], description: str) -> T:
    """Return what `act` returns. It opens its own transaction, and is called again after a conflict with another one."""
    for _ in range(MAX_RETRIES):
        try:
            return act()
        except Exception as error:
            if not may_be_conflict(error):
                raise
            log.warning("database.transaction_conflict", act=description)
    return act()
