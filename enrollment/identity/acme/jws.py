"""Requests of ACME as values (RFC 8555 section 6.2): flattened JWS in, its parts out, the signature checked. Decides nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from enrollment.identity.acme.errors import Kind, Problem

MAX_BODY = 64 * 1024
ALGORITHMS = ("ES256", "RS256")
AccountKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
#: The members that a thumbprint is made of (RFC 7638 section 3.2); others are not kept.
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWS, read but not verified. Exactly one of `jwk` and `kid` is there; `payload` is empty for POST-as-GET."""

    algorithm: str
    jwk: Mapping[str, Any] | None
    kid: str | None
    nonce: str | None
    url: str
    payload: bytes
    signature: bytes
    signed_bytes: bytes

    @property
    def is_read(self) -> bool:
        """POST-as-GET (RFC 8555 section 6.3)."""
        return not self.payload

    def document(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises `Problem`."""
        return parse_json(self.payload)


def read(body: bytes) -> Signed:
    """Take a JWS apart. Raises `Problem`."""
    return take_apart(parse_json(body))


def take_apart(outer: Mapping[str, Any]) -> Signed:
    """The same from JSON that was parsed before: the inner JWS of a key change."""
    if set(outer) != {"protected", "payload", "signature"}:
        raise Problem(Kind.MALFORMED, "not a flattened JWS with protected, payload and signature")
    protected, payload, signature = (_text(outer, name) for name in ("protected", "payload", "signature"))
    head = parse_json(from_base64url(protected))
    algorithm = _text(head, "alg")
    if algorithm not in ALGORITHMS:
        raise Problem(Kind.BAD_SIGNATURE_ALGORITHM, "ES256 or RS256", algorithms=list(ALGORITHMS))
    if "crit" in head or "b64" in head:
        raise Problem(Kind.MALFORMED, "an extension that is not understood")
    jwk, kid, nonce = head.get("jwk"), head.get("kid"), head.get("nonce")
    if (jwk is None) is (kid is None) or not isinstance(jwk, dict | None) or not isinstance(kid, str | None):
        raise Problem(Kind.MALFORMED, "exactly one of jwk and kid")
    if not isinstance(nonce, str | None):
        raise Problem(Kind.MALFORMED, "nonce")
    return Signed(
        algorithm=algorithm,
        jwk=jwk,
        kid=kid,
        nonce=nonce,
        url=_text(head, "url"),
        payload=from_base64url(payload),
        signature=from_base64url(signature),
        signed_bytes=f"{protected}.{payload}".encode(),
    )


def verify(signed: Signed, jwk: Mapping[str, Any]) -> None:
    """Check the signature with a key that `public_jwk` has accepted. Raises `Problem`."""
    key, algorithm = _load(jwk)
    if (signed.algorithm == "ES256") is not isinstance(key, ec.EllipticCurvePublicKey):
        raise Problem(Kind.MALFORMED, "the algorithm does not suit the key")
    if not algorithm.verify(signed.signed_bytes, key, signed.signature):
        raise Problem(Kind.MALFORMED, "the signature does not fit")


def public_jwk(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a public key that count, written anew: P-256, or RSA of 2048 to 4096 bits. Raises `Problem`.

    Written anew, because one key may be spelt in many ways, and what a client spells is not kept.
    """
    kind = jwk.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None or any(not isinstance(jwk.get(name), str) for name in members) or "d" in jwk:
        raise Problem(Kind.BAD_PUBLIC_KEY, "a public key of kind EC or RSA")
    key, algorithm = _load(jwk)
    spelt: dict[str, Any] = algorithm.to_jwk(key, as_dict=True)
    return {name: spelt[name] for name in members}


def account_key(jwk: Mapping[str, Any]) -> AccountKey:
    """The key itself. Raises `Problem`."""
    return _load(jwk)[0]


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 thumbprint of what `public_jwk` gave."""
    canonical = json.dumps(dict(sorted(jwk.items())), separators=(",", ":"))
    return to_base64url(sha256(canonical.encode()).digest())


def _load(jwk: Mapping[str, Any]) -> tuple[AccountKey, Algorithm]:
    kind: type[ECAlgorithm | RSAAlgorithm] = ECAlgorithm if jwk["kty"] == "EC" else RSAAlgorithm
    try:
        key = kind.from_jwk(dict(jwk))
    except (InvalidKeyError, ValueError, TypeError, KeyError) as error:
        raise Problem(Kind.BAD_PUBLIC_KEY, "the key does not read") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, ECAlgorithm(ECAlgorithm.SHA256)
    if isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 4096:
        return key, RSAAlgorithm(RSAAlgorithm.SHA256)
    raise Problem(Kind.BAD_PUBLIC_KEY, "P-256, or RSA of 2048 to 4096 bits")


def parse_json(data: bytes) -> dict[str, Any]:
    """A JSON object without a name twice. Raises `Problem`."""
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(Kind.MALFORMED, "not JSON") from error
    if not isinstance(value, dict):
        raise Problem(Kind.MALFORMED, "not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise Problem(Kind.MALFORMED, f"{name} is missing")
    return value


def from_base64url(text: str) -> bytes:
    """Base64url without padding; anything else is refused (RFC 8555 section 6.1). Raises `Problem`."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(Kind.MALFORMED, "not base64url") from error
    if to_base64url(data) != text:
        raise Problem(Kind.MALFORMED, "not base64url")
    return data


def to_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
