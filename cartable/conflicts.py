"""Conflicts between transactions: a deadlock or a failed serialisation. Nothing was written, and the transaction may be run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
log = structlog.get_logger()

#: How often a transaction is run again after a conflict.
MAX_RETRIES = 3
#: SQLSTATE of a failed serialisation and of a deadlock.
_CONFLICTS = frozenset({"40001", "40P01"})


def is_conflict(error: BaseException) -> bool:
    """Return whether a statement failed because of another transaction, and not by itself."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS


def run_with_retries(act: Callable[[], T], description: str) -> T:
    """Return what `act` returns. It opens its own transaction, and is called again after a conflict with another one."""
    for _ in range(MAX_RETRIES):
        try:
            return act()
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            log.warning("database.transaction_conflict", act=description)
    return act()
