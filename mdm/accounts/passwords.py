"""Passwords: how they are hashed and checked, and how guessing is slowed down for logins that nobody has."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mdm.accounts.errors import WeakPassword

MINIMUM_PASSWORD, MAXIMUM_PASSWORD = 12, 200
LOCK_AFTER, LOCK_FOR = 5, timedelta(minutes=5)
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's parameters
#: Checked when the login is unknown, so that the answer takes as long.
NOBODY = _HASHER.hash("nobody")
#: Each check holds 19 MiB: many at once would be an easy way to fill the memory.
_at_once = BoundedSemaphore(4)


def hashed(password: str) -> str:
    """Hash a new password. Raises `WeakPassword`."""
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise WeakPassword(minimum=MINIMUM_PASSWORD)
    with _at_once:
        return _HASHER.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Whether this is the password."""
    with _at_once:
        try:
            return _HASHER.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def lock_after(failures: int, now: datetime) -> datetime | None:
    """Until when a login is locked after its latest failure: every fifth one locks, each time for longer."""
    return None if failures % LOCK_AFTER else now + LOCK_FOR * (failures // LOCK_AFTER)


class Strangers:
    """Failures of logins that do not exist, so that they are locked like those that do and cannot be told from them.

    Kept by keyed hash, in this process alone, the newest `limit` of them.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._seen: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()
        self._lock = Lock()

    def is_locked(self, key: str, now: datetime) -> bool:
        with self._lock:
            _, until = self._seen.get(key, (0, None))
        return until is not None and until > now

    def fail(self, key: str, now: datetime) -> None:
        """Count one failure."""
        with self._lock:
            failures, until = self._seen.pop(key, (0, None))
            self._seen[key] = failures + 1, lock_after(failures + 1, now) or until
            while len(self._seen) > self._limit:
                self._seen.popitem(last=False)
