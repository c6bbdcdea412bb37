"""Bypass codes of activation lock (school-services.md section A.6): 16 random bytes as people type them, and their hash. Pure."""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "0123456789ACDEFGHJKLMNPQRTUVWXYZ"
_GROUPS = ((0, 5), (5, 10), (10, 14), (14, 18), (18, 22), (22, 26))
_ROUNDS = 50_000
_BYTES = 16


def new_raw() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(_BYTES)


def code_of(raw: bytes) -> str:
    """The code as people type it. Its last sign is the value of the last three bits, not shifted left as in RFC 4648."""
    bits = f"{int.from_bytes(raw, 'big'):0{_BYTES * 8}b}"
    signs = "".join(_ALPHABET[int(bits[start : start + 5], 2)] for start in range(0, len(bits), 5))
    return "-".join(signs[start:end] for start, end in _GROUPS)


def escrow_key(raw: bytes) -> str:
    """The hash by which Apple knows the code."""
    return hashlib.pbkdf2_hmac("sha256", raw, bytes(4), _ROUNDS, 32).hex()
