"""Replay nonces (RFC 8555 section 6.5): made by signing, spent by writing. ADR 28 says why.

Giving one out costs nothing and any process accepts it; using one leaves a row, whose key lets exactly one use pass.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta

from cartable.crypto import Keyring
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme.errors import Kind, Problem
from enrollment.identity.acme.jws import from_base64url, to_base64url
from enrollment.identity.acme.repository import AcmeRepository

#: Longer than a tablet waits for Apple's attestation servers between two requests.
LIFE = timedelta(hours=1)
#: Another process's clock may run a little ahead of ours.
SKEW = timedelta(minutes=1)
_TIME, _RANDOM, _PROOF = 5, 11, 16


def make(keyring: Keyring, now: datetime) -> str:
    """A fresh nonce."""
    body = int(now.timestamp()).to_bytes(_TIME, "big") + secrets.token_bytes(_RANDOM)
    return to_base64url(body + _proof(keyring, body))


def spend(work: UnitOfWork, nonce: str | None) -> None:
    """Use a nonce up, even if the request is refused afterwards. Raises `Problem` badNonce: the client asks again."""
    born = _born(work.keyring, nonce)
    if nonce is None or born is None or not born - SKEW <= work.now < born + LIFE:
        raise Problem(Kind.BAD_NONCE, "the nonce is not one of ours, or too old")
    if not AcmeRepository(work.session).spend(nonce, born + LIFE):
        raise Problem(Kind.BAD_NONCE, "the nonce was used before")


def _born(keyring: Keyring, nonce: str | None) -> datetime | None:
    try:
        data = from_base64url(nonce or "")
    except Problem:
        return None
    body, proof = data[: _TIME + _RANDOM], data[_TIME + _RANDOM :]
    if not hmac.compare_digest(proof, _proof(keyring, body)):
        return None
    return datetime.fromtimestamp(int.from_bytes(body[:_TIME], "big"), UTC)


def _proof(keyring: Keyring, body: bytes) -> bytes:
    return bytes.fromhex(keyring.keyed_hash(body, "acme.nonce"))[:_PROOF]
