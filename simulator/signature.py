"""Builds the `Mdm-Signature` header in every shape that clients send. The server verifies it with its own code."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from simulator import der
from simulator.identity import Identity

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
SHA1 = "1.3.14.3.2.26"
SHA256 = "2.16.840.1.101.3.4.2.1"
ECDSA = {SHA1: "1.2.840.10045.4.1", SHA256: "1.2.840.10045.4.3.2"}
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"

_HASHES: dict[str, tuple[str, hashes.HashAlgorithm]] = {SHA1: ("sha1", hashes.SHA1()), SHA256: ("sha256", hashes.SHA256())}  # noqa: S303


class SignatureShape(StrEnum):
    """The encoding and the algorithms of a client's signature."""

    IPAD = "ber-sha1"
    """Indefinite-length BER, detached, SHA-1, no signed attributes: what iPads send."""
    BER_SHA256 = "ber-sha256"
    """The same with SHA-256."""
    ATTRIBUTES = "der-sha256"
    """DER, detached, SHA-256, signed attributes."""
    ATTACHED = "attached"
    """DER, SHA-256, signed attributes, and the body once more inside."""


def build_mdm_signature(identity: Identity, body: bytes, shape: SignatureShape, now: datetime) -> str:
    """Return the value of `Mdm-Signature` for `body`, base64 on one line. `now` is the time of the tablet's clock."""
    if shape in {SignatureShape.IPAD, SignatureShape.BER_SHA256}:
        signed = _build_indefinite_signed_data(identity, body, SHA1 if shape is SignatureShape.IPAD else SHA256)
    else:
        signed = build_signed_data(identity, body, SHA256, [encode_signing_time(now)], attached=shape is SignatureShape.ATTACHED)
    return base64.b64encode(signed).decode("ascii")


def sign_bytes(identity: Identity, data: bytes, digest: str) -> bytes:
    """Sign `data` with RSA PKCS#1 v1.5 or ECDSA; `digest` is an OID."""
    if isinstance(identity.key, rsa.RSAPrivateKey):
        return identity.key.sign(data, padding.PKCS1v15(), _HASHES[digest][1])
    return identity.key.sign(data, ec.ECDSA(_HASHES[digest][1]))


def compute_digest(data: bytes, digest: str) -> bytes:
    """Return the digest of `data`; `digest` is an OID."""
    return hashlib.new(_HASHES[digest][0], data, usedforsecurity=False).digest()


def encode_attribute(dotted: str, value: bytes) -> bytes:
    """Encode an Attribute with one value that is already encoded."""
    return der.encode_sequence(der.encode_oid(dotted), der.encode_tlv(der.SET, value))


def encode_signing_time(now: datetime) -> bytes:
    """Encode the signingTime attribute (RFC 5652 section 11.3)."""
    return encode_attribute(SIGNING_TIME, der.encode_utc_time(now.strftime("%y%m%d%H%M%SZ")))


def build_signed_data(identity: Identity, content: bytes, digest: str, attributes: list[bytes], *, attached: bool) -> bytes:
    """Build a DER ContentInfo with one signer; contentType and messageDigest are added to `attributes` (RFC 5652 section 5)."""
    signed = [
        encode_attribute(CONTENT_TYPE, der.encode_oid(DATA)),
        encode_attribute(MESSAGE_DIGEST, der.encode_octet_string(compute_digest(content, digest))),
        *attributes,
    ]
    signature = sign_bytes(identity, der.encode_set_of(signed), digest)
    inner = der.encode_tlv(der.CONTEXT_0, der.encode_octet_string(content)) if attached else b""
    return der.encode_sequence(
        der.encode_oid(SIGNED_DATA),
        der.encode_tlv(
            der.CONTEXT_0,
            der.encode_sequence(
                der.encode_integer(1),
                der.encode_set_of([der.encode_algorithm(digest)]),
                der.encode_sequence(der.encode_oid(DATA), inner),
                der.encode_tlv(der.CONTEXT_0, identity.certificate_der),
                der.encode_set_of([_build_signer_info(identity, digest, signature, der.encode_set_of(signed, der.CONTEXT_0))]),
            ),
        ),
    )


def _build_signer_info(identity: Identity, digest: str, signature: bytes, attributes: bytes = b"") -> bytes:
    return der.encode_sequence(
        der.encode_integer(1),
        identity.issuer_and_serial,
        der.encode_algorithm(digest),
        attributes,
        _signature_algorithm(identity, digest),
        der.encode_octet_string(signature),
    )


def _signature_algorithm(identity: Identity, digest: str) -> bytes:
    """Encode the signature algorithm: RSA with NULL parameters, ECDSA without parameters (RFC 5754 section 3.3)."""
    if isinstance(identity.key, rsa.RSAPrivateKey):
        return der.encode_algorithm(RSA_ENCRYPTION)
    return der.encode_algorithm(ECDSA[digest], b"")


def _build_indefinite_signed_data(identity: Identity, body: bytes, digest: str) -> bytes:
    return der.encode_indefinite(
        der.SEQUENCE,
        der.encode_oid(SIGNED_DATA),
        der.encode_indefinite(
            der.CONTEXT_0,
            der.encode_indefinite(
                der.SEQUENCE,
                der.encode_integer(1),
                der.encode_set_of([der.encode_algorithm(digest)]),
                der.encode_indefinite(der.SEQUENCE, der.encode_oid(DATA)),
                der.encode_indefinite(der.CONTEXT_0, identity.certificate_der),
                der.encode_set_of([_build_signer_info(identity, digest, sign_bytes(identity, body, digest))]),
            ),
        ),
    )
