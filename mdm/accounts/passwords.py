"""Password hashes, and the lock of logins after failed attempts, for logins without an account too."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mdm.accounts.errors import WeakPassword

MINIMUM_PASSWORD, MAXIMUM_PASSWORD = 12, 200
#: A login is locked after so many failures, each time for one step longer.
ATTEMPTS_PER_LOCK, LOCK_STEP = 5, timedelta(minutes=5)
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's parameters
#: Verified when the login is unknown, so that the response takes as long.
DUMMY_HASH = _HASHER.hash("nobody")
#: Each hash needs 19 MiB: without a limit, many sign-ins at once would fill the memory.
_hash_slots = BoundedSemaphore(4)


def hash_password(password: str) -> str:
    """Return the hash of a new password. Raises `WeakPassword`."""
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise WeakPassword(minimum=MINIMUM_PASSWORD)
    with _hash_slots:
        return _HASHER.hash(password)


def verify_password(password_hash: str, password: str) -> bool:
    """Return whether the password matches the hash."""
    with _hash_slots:
        try:
            return _HASHER.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def compute_locked_until(failures: int, now: datetime) -> datetime | None:
    """Return until when a login is locked after its latest failure; None unless the failure completes a series."""
    return None if failures % ATTEMPTS_PER_LOCK else now + LOCK_STEP * (failures // ATTEMPTS_PER_LOCK)


class UnknownLoginThrottle:
    """Counts failures of logins without an account, which are locked like the others, so that the two cannot be told apart.

    Keys are keyed hashes; only this process holds them, and only the newest `limit` ones.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._failures_by_key: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()
        self._lock = Lock()

    def is_locked(self, key: str, now: datetime) -> bool:
        with self._lock:
            _, until = self._failures_by_key.get(key, (0, None))
        return until is not None and until > now

    def record_failure(self, key: str, now: datetime) -> None:
        """Count one failure."""
        with self._lock:
            failures, until = self._failures_by_key.pop(key, (0, None))
            self._failures_by_key[key] = failures + 1, compute_locked_until(failures + 1, now) or until
            while len(self._failures_by_key) > self._limit:
                self._failures_by_key.popitem(last=False)
