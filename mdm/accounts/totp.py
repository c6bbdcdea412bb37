"""One-time codes by time, as telephone apps compute them: RFC 6238 with SHA-1, six digits, thirty seconds. Pure."""

from __future__ import annotations

import hmac
from base64 import b32encode
from datetime import datetime
from urllib.parse import quote, urlencode

#: RFC 4226 asks for 160 bits.
SECRET_BYTES = 20
PERIOD_SECONDS, DIGITS = 30, 6
#: A telephone may be one step ahead or behind.
DRIFT_STEPS = 1


def compute_code(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def get_step(instant: datetime) -> int:
    """Return the time step of an instant."""
    return int(instant.timestamp()) // PERIOD_SECONDS


def find_step(secret: bytes, code: str, now: datetime, last_step: int) -> int | None:
    """Return the time step of a code that is valid now, later than `last_step`; None for any other code."""
    steps = range(get_step(now) - DRIFT_STEPS, get_step(now) + DRIFT_STEPS + 1)
    matching = [step for step in steps if hmac.compare_digest(compute_code(secret, step).encode(), code.encode())]
    return next((step for step in matching if step > last_step), None)


def spell_secret(secret: bytes) -> str:
    """Return a secret as people type it into an app."""
    return b32encode(secret).decode().rstrip("=")


def build_uri(secret: bytes, login: str, issuer: str) -> str:
    """Return the address that an app reads from a QR code."""
    label = quote(f"{issuer}:{login}", safe="")
    return f"otpauth://totp/{label}?{urlencode({'secret': spell_secret(secret), 'issuer': issuer})}"
