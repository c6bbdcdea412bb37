"""Password hashes (Argon2id). Limits of attempts are in `sign_in_limits`."""

from __future__ import annotations

from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mdm.accounts.errors import WeakPassword

MINIMUM_PASSWORD, MAXIMUM_PASSWORD = 12, 200
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's parameters
#: Stored while an account has no password: no password matches it.
NO_PASSWORD = "!"  # noqa: S105 - it is none
#: Each hash needs 19 MiB: without a limit, many sign-ins at once would fill the memory.
_hash_slots = BoundedSemaphore(4)


def hash_password(password: str) -> str:
    """Return the hash of a new password. Raises `WeakPassword`."""
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise WeakPassword(minimum=MINIMUM_PASSWORD)
    with _hash_slots:
        return _HASHER.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether the password matches the hash. Without a hash (no account, or none chosen yet) it takes as long, and is False."""
    if password_hash is None or password_hash == NO_PASSWORD:
        verify_password(_hash_of_nobody(), password)
        return False
    with _hash_slots:
        try:
            return _HASHER.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hash_of_nobody() -> str:
    """Return a hash that is verified when there is none, so that the response takes as long."""
    return _HASHER.hash("nobody")
