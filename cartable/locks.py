"""Locks that serialise writers until the end of a transaction. Row locks are taken by the repositories that read the rows."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from sqlalchemy import text

from cartable.unit_of_work import UnitOfWork


def lock_town(work: UnitOfWork, town_id: UUID | None) -> None:
    """Take the lock of a town until the transaction ends, so that there is only one writer per town at a time.

    A service that reads a state and then changes it takes this lock first, so that of two concurrent requests the second
    sees what the first did. The audit chain needs it too: two writers that read the same last link would fork the chain. On
    SQLite transactions are already serial (`BEGIN IMMEDIATE`).

    Lock order: the town first, then rows; rows to which other tables refer only with `key_share`. A transaction that has
    locked a row and waits for the town could deadlock with one that has locked the town and waits for that row.
    """
    _lock_name(work, str(town_id))


def lock_account(work: UnitOfWork, account_id: UUID) -> None:
    """Take the lock of an account until the transaction ends, after that of a town: for what one person does in several towns."""
    _lock_name(work, f"account {account_id}")


def lock_installation(work: UnitOfWork) -> None:
    """Take the lock of what an installation has once, such as its device CA, until the transaction ends."""
    _lock_name(work, "installation")


def _lock_name(work: UnitOfWork, name: str) -> None:
    if work.session.get_bind().dialect.name == "postgresql":
        lock = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
        work.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
