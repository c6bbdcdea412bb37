"""Keys of tablets: which kinds a certificate may name. Makes and keeps none."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

#: RSA by SCEP and ACME; P-256 and P-384 by ACME: the curves of the Secure Enclave.
DeviceKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
CURVES = (ec.SECP256R1, ec.SECP384R1)


def load(spki: bytes) -> DeviceKey:
    """A public key from its SubjectPublicKeyInfo (DER). Raises `ValueError` for another kind or curve."""
    key = load_der_public_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return key
    raise ValueError("no key for a tablet")


def fingerprint(key: DeviceKey) -> str:
    """SHA-256 of the public key, hex."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
