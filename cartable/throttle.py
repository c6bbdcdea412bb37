"""Counts attempts per key in fixed windows, in the database, so that a limit holds across processes and restarts.

It knows no purpose: callers name their limits and what they count by. Keys are keyed hashes, so that the table names nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, case, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, UtcDateTime, get_insert
from cartable.unit_of_work import UnitOfWork


class AttemptCounter(Base):
    """The attempts of one key in its present window. The first attempt after `expires_at` begins a new window."""

    __tablename__ = "attempt_counter"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempts: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """So many attempts are allowed in a window. `purpose` keeps the keys of different limits apart."""

    purpose: str
    attempts: int
    window: timedelta


def count_attempt(work: UnitOfWork, limit: AttemptLimit, *key: str) -> int:
    """Count one attempt and return how many the window has now. The key stays locked until the transaction ends.

    Attempts with one key are thereby serial: many at once cannot all pass before the first one is counted. Callers with several
    limits count them in a fixed order, so that there is no deadlock.
    """
    insert = get_insert(work.session.get_bind().dialect.name)
    is_over = AttemptCounter.expires_at <= work.now
    statement = (
        insert(AttemptCounter)
        .values(key=_hash_key(work, limit, key), attempts=1, expires_at=work.now + limit.window)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "attempts": case((is_over, 1), else_=AttemptCounter.attempts + 1),
                "expires_at": case((is_over, work.now + limit.window), else_=AttemptCounter.expires_at),
            },
        )
        .returning(AttemptCounter.attempts)
    )
    return int(work.session.execute(statement).scalar_one())


def get_attempts(work: UnitOfWork, limit: AttemptLimit, *key: str) -> int:
    """Return how many attempts the present window has."""
    statement = select(AttemptCounter.attempts).where(
        AttemptCounter.key == _hash_key(work, limit, key), AttemptCounter.expires_at > work.now
    )
    return work.session.scalar(statement) or 0


def take_back_attempt(work: UnitOfWork, limit: AttemptLimit, *key: str) -> None:
    """Subtract one attempt that turned out to be legitimate."""
    work.session.execute(
        update(AttemptCounter)
        .where(AttemptCounter.key == _hash_key(work, limit, key), AttemptCounter.attempts > 0)
        .values(attempts=AttemptCounter.attempts - 1)
        .execution_options(synchronize_session=False)
    )


def reset_attempts(work: UnitOfWork, limit: AttemptLimit, *key: str) -> None:
    """Forget the attempts of a key."""
    work.session.execute(delete(AttemptCounter).where(AttemptCounter.key == _hash_key(work, limit, key)))


def purge_counters(work: UnitOfWork) -> None:
    """Delete the counters whose window is over."""
    work.session.execute(delete(AttemptCounter).where(AttemptCounter.expires_at <= work.now))


def _hash_key(work: UnitOfWork, limit: AttemptLimit, key: tuple[str, ...]) -> str:
    return work.keyring.keyed_hash("\x00".join(key), f"throttle.{limit.purpose}")
