"""Conflicts between transactions: a deadlock or a failed serialisation. Nothing was written, and the transaction may be run again."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

#: How often a transaction is run again after a conflict.
MAX_RETRIES = 3
#: SQLSTATE of a failed serialisation and of a deadlock.
_CONFLICTS = frozenset({"40001", "40P01"})


def is_conflict(error: BaseException) -> bool:
    """Return whether a statement failed because of another transaction, and not by itself."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS
