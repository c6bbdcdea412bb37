"""Public keys of tablets: which kinds are accepted, and their fingerprint."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

#: RSA with SCEP and ACME; with ACME also P-256 and P-384, the curves of the Secure Enclave.
DeviceKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
CURVES = (ec.SECP256R1, ec.SECP384R1)


def load_public_key(spki: bytes) -> DeviceKey:
    """Return the public key of a SubjectPublicKeyInfo (DER). Raises `ValueError` for another kind or curve."""
    key = load_der_public_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return key
    raise ValueError("no key for a tablet")


def encode_public_key(key: DeviceKey) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of a key."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def compute_fingerprint(key: DeviceKey) -> str:
    """Return the SHA-256 of the public key, in hex."""
    return sha256(encode_public_key(key)).hexdigest()
