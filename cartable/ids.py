"""Random identifiers for rows, and short codes that people can read and type."""

from __future__ import annotations

import secrets
import uuid

_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> uuid.UUID:
    """Return a random identifier (RFC 9562 version 4)."""
    return uuid.uuid4()


def make_short_code(length: int = 10) -> str:
    """Return a random code that a person can type, without 0/O, 1/I/L and U. 10 characters are about 49 bits."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(length))


def normalise_code(typed: str) -> str:
    """Return a typed code in upper case, without spaces and dashes."""
    return "".join(ch for ch in typed.upper() if ch.isalnum())[:64]
