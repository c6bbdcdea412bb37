"""Replay nonces (RFC 8555 section 6.5): created by a keyed hash without storage, stored when they are used (ADR 0024).

Every process accepts a nonce of another; the primary key of the stored row allows exactly one use.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta

from cartable.crypto import Keyring
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType
from enrollment.identity.acme.jws import decode_base64url, encode_base64url
from enrollment.identity.acme.repository import AcmeRepository

#: Longer than a tablet waits for Apple's attestation service between two requests.
NONCE_LIFETIME = timedelta(hours=1)
#: The clock of another process may be a little ahead.
SKEW = timedelta(minutes=1)
_TIME, _RANDOM, _PROOF = 5, 11, 16


def create_nonce(keyring: Keyring, now: datetime) -> str:
    """Return a new nonce."""
    body = int(now.timestamp()).to_bytes(_TIME, "big") + secrets.token_bytes(_RANDOM)
    return encode_base64url(body + _compute_proof(keyring, body))


def spend_nonce(work: UnitOfWork, nonce: str | None) -> None:
    """Mark a nonce as used, also if the request is refused later. Raises `AcmeProblem` badNonce: the client then retries."""
    created_at = _parse_creation_time(work.keyring, nonce)
    if nonce is None or created_at is None or not created_at - SKEW <= work.now < created_at + NONCE_LIFETIME:
        raise AcmeProblem(AcmeProblemType.BAD_NONCE, "the nonce is not one of ours, or too old")
    if not AcmeRepository(work.session).record_nonce(nonce, created_at + NONCE_LIFETIME):
        raise AcmeProblem(AcmeProblemType.BAD_NONCE, "the nonce was used before")


def _parse_creation_time(keyring: Keyring, nonce: str | None) -> datetime | None:
    try:
        data = decode_base64url(nonce or "")
    except AcmeProblem:
        return None
    body, proof = data[: _TIME + _RANDOM], data[_TIME + _RANDOM :]
    if not hmac.compare_digest(proof, _compute_proof(keyring, body)):
        return None
    return datetime.fromtimestamp(int.from_bytes(body[:_TIME], "big"), UTC)


def _compute_proof(keyring: Keyring, body: bytes) -> bytes:
    return bytes.fromhex(keyring.keyed_hash(body, "acme.nonce"))[:_PROOF]
