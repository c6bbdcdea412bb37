"""Keys and signatures of ACME requests (RFC 7515, 7517; flattened JSON). `acme` sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AcmeKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def encode_base64url(data: bytes) -> str:
    """Encode bytes as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def build_jwk(key: AcmeKey) -> dict[str, str]:
    """Return the public key as a JWK (RFC 7518 section 6)."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _encode_number(public.n), "e": _encode_number(public.e)}
    size = (key.curve.key_size + 7) // 8
    point = key.public_key().public_numbers()
    return {"kty": "EC", "crv": f"P-{key.curve.key_size}", "x": _encode_number(point.x, size), "y": _encode_number(point.y, size)}


def sign_jws(key: AcmeKey, protected: Mapping[str, Any], payload: Any) -> dict[str, str]:
    """Return a flattened JWS. `payload` None gives the empty payload of POST-as-GET; `alg` is added unless it is given."""
    head = {"alg": "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256", **protected}
    first = encode_base64url(json.dumps(head).encode())
    second = "" if payload is None else encode_base64url(json.dumps(payload).encode())
    return {"protected": first, "payload": second, "signature": encode_base64url(_sign_bytes(key, f"{first}.{second}".encode()))}


def _sign_bytes(key: AcmeKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _encode_number(value: int, size: int | None = None) -> str:
    return encode_base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
