"""Signed requests of ACME (RFC 8555 section 6.2): parsing flattened JWS, verifying signatures, keys, base64url. Decides nothing."""

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

from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType

MAX_BODY = 64 * 1024
ALGORITHMS = ("ES256", "RS256")
AccountKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
#: The members of a key that its thumbprint uses (RFC 7638 section 3.2); others are not stored.
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A parsed JWS, not verified yet. Exactly one of `jwk` and `kid` is set; `payload` is empty for POST-as-GET."""

    algorithm: str
    jwk: Mapping[str, Any] | None
    kid: str | None
    nonce: str | None
    url: str
    payload: bytes
    signature: bytes
    signed_bytes: bytes

    @property
    def is_post_as_get(self) -> bool:
        """Whether this is a POST-as-GET (RFC 8555 section 6.3)."""
        return not self.payload

    def parse_payload(self) -> dict[str, Any]:
        """Return the payload as JSON object. Raises `AcmeProblem`."""
        return parse_json(self.payload)


def parse_jws(body: bytes) -> SignedRequest:
    """Return the parsed JWS of a request body. Raises `AcmeProblem`."""
    return parse_flattened_jws(parse_json(body))


def parse_flattened_jws(outer: Mapping[str, Any]) -> SignedRequest:
    """Return the parsed JWS of a JSON object, also of the inner JWS of a key change. Raises `AcmeProblem`."""
    if set(outer) != {"protected", "payload", "signature"}:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "not a flattened JWS with protected, payload and signature")
    protected, payload, signature = (_require_text(outer, name) for name in ("protected", "payload", "signature"))
    head = parse_json(decode_base64url(protected))
    algorithm = _require_text(head, "alg")
    if algorithm not in ALGORITHMS:
        raise AcmeProblem(AcmeProblemType.BAD_SIGNATURE_ALGORITHM, "ES256 or RS256", algorithms=list(ALGORITHMS))
    if "crit" in head or "b64" in head:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "an extension that is not understood")
    jwk, kid, nonce = head.get("jwk"), head.get("kid"), head.get("nonce")
    if (jwk is None) is (kid is None) or not isinstance(jwk, dict | None) or not isinstance(kid, str | None):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "exactly one of jwk and kid")
    if not isinstance(nonce, str | None):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "nonce")
    return SignedRequest(
        algorithm=algorithm,
        jwk=jwk,
        kid=kid,
        nonce=nonce,
        url=_require_text(head, "url"),
        payload=decode_base64url(payload),
        signature=decode_base64url(signature),
        signed_bytes=f"{protected}.{payload}".encode(),
    )


def verify_signature(signed: SignedRequest, jwk: Mapping[str, Any]) -> None:
    """Verify the signature with a key that `normalise_jwk` has accepted. Raises `AcmeProblem`."""
    key, algorithm = _load_key(jwk)
    if (signed.algorithm == "ES256") is not isinstance(key, ec.EllipticCurvePublicKey):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "the algorithm does not suit the key")
    if not algorithm.verify(signed.signed_bytes, key, signed.signature):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "the signature does not fit")


def normalise_jwk(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Return the required members of a public key (P-256, or RSA of 2048 to 4096 bits), encoded anew. Raises `AcmeProblem`.

    One key can be encoded in several ways; after encoding it anew equal keys have equal thumbprints.
    """
    kind = jwk.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None or any(not isinstance(jwk.get(name), str) for name in members) or "d" in jwk:
        raise AcmeProblem(AcmeProblemType.BAD_PUBLIC_KEY, "a public key of kind EC or RSA")
    key, algorithm = _load_key(jwk)
    encoded: dict[str, Any] = algorithm.to_jwk(key, as_dict=True)
    return {name: encoded[name] for name in members}


def load_account_key(jwk: Mapping[str, Any]) -> AccountKey:
    """Return the public key of a JWK. Raises `AcmeProblem`."""
    return _load_key(jwk)[0]


def compute_thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the thumbprint (RFC 7638) of a key that `normalise_jwk` has returned."""
    canonical = json.dumps(dict(sorted(jwk.items())), separators=(",", ":"))
    return encode_base64url(sha256(canonical.encode()).digest())


def _load_key(jwk: Mapping[str, Any]) -> tuple[AccountKey, Algorithm]:
    kind: type[ECAlgorithm | RSAAlgorithm] = ECAlgorithm if jwk["kty"] == "EC" else RSAAlgorithm
    try:
        key = kind.from_jwk(dict(jwk))
    except (InvalidKeyError, ValueError, TypeError, KeyError) as error:
        raise AcmeProblem(AcmeProblemType.BAD_PUBLIC_KEY, "the key does not read") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, ECAlgorithm(ECAlgorithm.SHA256)
    if isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 4096:
        return key, RSAAlgorithm(RSAAlgorithm.SHA256)
    raise AcmeProblem(AcmeProblemType.BAD_PUBLIC_KEY, "P-256, or RSA of 2048 to 4096 bits")


def parse_json(data: bytes) -> dict[str, Any]:
    """Return a JSON object; a name that occurs twice is refused. Raises `AcmeProblem`."""
    try:
        value = json.loads(data, object_pairs_hook=_reject_duplicate_names, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "not JSON") from error
    if not isinstance(value, dict):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "not a JSON object")
    return value


def _reject_duplicate_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def _reject_constant(name: str) -> None:
    raise ValueError(name)


def _require_text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise AcmeProblem(AcmeProblemType.MALFORMED, f"{name} is missing")
    return value


def decode_base64url(text: str) -> bytes:
    """Return the bytes of a base64url text without padding (RFC 8555 section 6.1). Raises `AcmeProblem`."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "not base64url") from error
    if encode_base64url(data) != text:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "not base64url")
    return data


def encode_base64url(data: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
