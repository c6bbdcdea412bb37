"""CMS SignedData (RFC 5652) as tablets send it: `Mdm-Signature`, MachineInfo. Proves possession of a key, no more.

Whether the certificate is one of ours is asked elsewhere: many damaged certificates still "verify" here, since
only their key is used. Genuine tablets send indefinite-length BER, SHA-1, no signed attributes; others DER,
SHA-256, with them. A content that is attached to an `Mdm-Signature` is ignored: the body counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from mdm.protocol import ber
from mdm.protocol.errors import BadSignature

T = TypeVar("T")
MAX_HEADER = 16 * 1024
MAX_CMS = 256 * 1024

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_PSS = bytes.fromhex("2a864886f70d01010a")


class DigestName(StrEnum):
    """Digests that tablets use. MD5 is not among them."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


_DIGESTS: dict[bytes, tuple[DigestName, hashes.HashAlgorithm]] = {
    bytes.fromhex("2b0e03021a"): (DigestName.SHA1, hashes.SHA1()),  # noqa: S303 - genuine tablets sign with it
    bytes.fromhex("608648016503040201"): (DigestName.SHA256, hashes.SHA256()),
    bytes.fromhex("608648016503040202"): (DigestName.SHA384, hashes.SHA384()),
    bytes.fromhex("608648016503040203"): (DigestName.SHA512, hashes.SHA512()),
}


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that fits the body, and the certificate whose key made it. `fingerprint`: SHA-256, hex."""

    certificate_der: bytes
    fingerprint: str
    digest: DigestName


@dataclass(frozen=True, slots=True)
class _Signer:
    chosen_by: bytes  # IssuerAndSerialNumber content, or the key identifier
    by_key_id: bool
    digest: bytes
    attributes: ber.Element | None
    algorithm: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Parsed:
    content: bytes | None
    certificates: list[bytes]
    signer: _Signer


def verify_detached(header: str | bytes, body: bytes) -> VerifiedSignature:
    """Verify an `Mdm-Signature` header value (base64 of CMS) over `body`. Raises `BadSignature` and nothing else."""
    if len(header) > MAX_HEADER:
        raise BadSignature("header too long")
    try:
        der = base64.b64decode(header)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("not base64") from error
    return _guard(lambda: _verify(_parse(der), body))


def read_signed(der: bytes) -> tuple[bytes, VerifiedSignature]:
    """Verify CMS with attached content (MachineInfo, OTA phase). Returns the content. Raises `BadSignature`."""
    if len(der) > MAX_CMS:
        raise BadSignature("too large")

    def act() -> tuple[bytes, VerifiedSignature]:
        parsed = _parse(der)
        if parsed.content is None:
            raise BadSignature("no content")
        return parsed.content, _verify(parsed, parsed.content)

    return _guard(act)


def _guard(act: Callable[[], T]) -> T:
    try:
        return act()
    except BadSignature:
        raise
    except (ValueError, KeyError, IndexError, StopIteration, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadSignature(type(error).__name__) from error


def _parse(der: bytes) -> _Parsed:
    """ContentInfo → SignedData (RFC 5652 sections 3 and 5.1)."""
    outer = ber.read(der, 0, len(der))
    kind, explicit = _exactly(outer, 2)
    if outer.tag != ber.SEQUENCE or kind.content != _SIGNED_DATA:
        raise BadSignature("not SignedData")
    [signed] = _exactly(explicit, 1)
    parts = list(signed.children())
    encapsulated = list(parts[2].children())
    content = None
    if len(encapsulated) > 1:
        [octets] = _exactly(encapsulated[1], 1)
        content = octets.octets()
    certificates = [c.encoded for part in parts[3:] if part.tag == ber.CONTEXT_0 for c in part.children()]
    if len(certificates) > 10:
        raise BadSignature("too many certificates")
    [signer] = _exactly(parts[-1], 1)
    return _Parsed(content, certificates, _signer(list(signer.children())))


def _signer(parts: list[ber.Element]) -> _Signer:
    """SignerInfo (RFC 5652 section 5.3)."""
    by_key_id = parts[1].tag in (ber.CONTEXT_0_PRIMITIVE, ber.CONTEXT_0)
    digest = next(parts[2].children()).content
    index = 3
    attributes = None
    if parts[3].tag == ber.CONTEXT_0:
        attributes, index = parts[3], 4
    algorithm = next(parts[index].children()).content
    return _Signer(
        parts[1].octets() if by_key_id else parts[1].content, by_key_id, digest, attributes, algorithm, parts[index + 1].octets()
    )


def _exactly(element: ber.Element, count: int) -> list[ber.Element]:
    children = list(element.children())
    if len(children) != count:
        raise BadSignature("unexpected structure")
    return children


def _verify(parsed: _Parsed, body: bytes) -> VerifiedSignature:
    signer = parsed.signer
    name, algorithm = _DIGESTS[signer.digest]
    certificate = _choose(parsed.certificates, signer)
    digest = hashlib.new(name.value, body, usedforsecurity=False).digest()
    if signer.attributes is not None:
        if _message_digest(signer.attributes) != digest:
            raise BadSignature("the signature is over another body")
        # RFC 5652 section 5.4: what is signed is the SET, not the context tag it travels under.
        retagged = b"\x31" + signer.attributes.encoded[1:]
        digest = hashlib.new(name.value, retagged, usedforsecurity=False).digest()
    key, fingerprint = _public_key(certificate)
    prehashed = utils.Prehashed(algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey) and signer.algorithm != _PSS:
            key.verify(signer.signature, digest, padding.PKCS1v15(), prehashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, digest, ec.ECDSA(prehashed))
        else:
            raise BadSignature("key type")
    except InvalidSignature:
        raise BadSignature("the signature does not fit") from None
    return VerifiedSignature(certificate, fingerprint, name)


def _message_digest(attributes: ber.Element) -> bytes:
    for attribute in attributes.children():
        kind, values = _exactly(attribute, 2)
        if kind.content == _MESSAGE_DIGEST:
            [value] = _exactly(values, 1)
            return value.octets()
    raise BadSignature("no messageDigest")


def _choose(certificates: list[bytes], signer: _Signer) -> bytes:
    """The signer's certificate, by issuer and serial number or by key identifier, never by position."""
    for der in certificates:
        if signer.by_key_id:
            if _key_identifier(der) == signer.chosen_by:
                return der
        elif _issuer_and_serial(der) == signer.chosen_by:
            return der
    raise BadSignature("the signer's certificate is missing")


@lru_cache(maxsize=8192)
def _issuer_and_serial(der: bytes) -> bytes:
    """The content of the IssuerAndSerialNumber that names this certificate."""
    certificate = ber.read(der, 0, len(der))
    tbs = next(certificate.children())
    fields = list(tbs.children())
    if fields[0].tag == ber.CONTEXT_0:
        fields = fields[1:]
    return fields[2].encoded + fields[0].encoded


@lru_cache(maxsize=8192)
def _key_identifier(der: bytes) -> bytes | None:
    try:
        return x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


@lru_cache(maxsize=16384)
def _public_key(der: bytes) -> tuple[object, str]:
    """The key and fingerprint of a certificate; kept, since a tablet sends the same certificate each time."""
    return x509.load_der_x509_certificate(der).public_key(), hashlib.sha256(der).hexdigest()
