"""Bypass codes of activation lock: 16 random bytes, the code that people type, and the hash for Apple. Pure but for the random bytes.

See docs/domain/apple-services.md#bypass-codes.
"""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "0123456789ACDEFGHJKLMNPQRTUVWXYZ"
_GROUPS = ((0, 5), (5, 10), (10, 14), (14, 18), (18, 22), (22, 26))
_ROUNDS = 50_000
_BYTES = 16


def generate_bypass_key() -> bytes:
    """Return 16 random bytes."""
    return secrets.token_bytes(_BYTES)


def format_bypass_code(raw: bytes) -> str:
    """Return the code that people type. Its last character is the value of the last three bits, not shifted left as in RFC 4648."""
    bits = f"{int.from_bytes(raw, 'big'):0{_BYTES * 8}b}"
    characters = "".join(_ALPHABET[int(bits[start : start + 5], 2)] for start in range(0, len(bits), 5))
    return "-".join(characters[start:end] for start, end in _GROUPS)


def derive_escrow_key(raw: bytes) -> str:
    """Return the hash of the code that Apple stores."""
    return hashlib.pbkdf2_hmac("sha256", raw, bytes(4), _ROUNDS, 32).hex()
