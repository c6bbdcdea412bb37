"""Identifiers and short codes: random ids for things, human codes for paper."""

from __future__ import annotations

import secrets
import uuid

_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> uuid.UUID:
    """Return a random identifier (RFC 9562 version 4)."""
    return uuid.uuid4()


def short_code(length: int = 10) -> str:
    """Return a random code a person can type: no 0/O, 1/I/L, U. 10 characters are about 49 bits."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(length))


def normalise_code(typed: str) -> str:
    """Undo what people do to codes: lower case, spaces and dashes."""
    return "".join(ch for ch in typed.upper() if ch.isalnum())[:64]
