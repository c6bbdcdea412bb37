"""Verification of CMS SignedData (RFC 5652) as tablets send it: `Mdm-Signature` and MachineInfo. Checks no trust.

A verified signature proves possession of the certificate's key. Whether this server issued the certificate is checked
elsewhere: many damaged certificates still verify here, since only their key is used. Genuine tablets send
indefinite-length BER with SHA-1 and no signed attributes; other clients send DER with SHA-256 and signed attributes.
Content attached to an `Mdm-Signature` is ignored: the signature must cover the request body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from cartable.certificates import list_extensions, read_certificate
from mdm.protocol import ber
from mdm.protocol.errors import BadSignature
from mdm.protocol.flat_cms import parse_flat_signature

T = TypeVar("T")
MAX_HEADER = 16 * 1024
MAX_CMS = 256 * 1024

_OID_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_OID_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_OID_RSA_PSS = bytes.fromhex("2a864886f70d01010a")


class DigestName(StrEnum):
    """The accepted digest algorithms. MD5 is refused."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


_DIGESTS: dict[bytes, tuple[DigestName, hashes.HashAlgorithm]] = {
    bytes.fromhex("2b0e03021a"): (DigestName.SHA1, hashes.SHA1()),  # noqa: S303 - genuine tablets sign with it
    bytes.fromhex("608648016503040201"): (DigestName.SHA256, hashes.SHA256()),
    bytes.fromhex("608648016503040202"): (DigestName.SHA384, hashes.SHA384()),
    bytes.fromhex("608648016503040203"): (DigestName.SHA512, hashes.SHA512()),
    # Some clients name the algorithm of the signature where that of the digest belongs.
    bytes.fromhex("2a864886f70d010105"): (DigestName.SHA1, hashes.SHA1()),  # noqa: S303 - genuine tablets sign with it
    bytes.fromhex("2a864886f70d01010b"): (DigestName.SHA256, hashes.SHA256()),
    bytes.fromhex("2a864886f70d01010c"): (DigestName.SHA384, hashes.SHA384()),
    bytes.fromhex("2a864886f70d01010d"): (DigestName.SHA512, hashes.SHA512()),
}


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A valid signature and the certificate whose key made it."""

    signer: SignerCertificate
    digest: DigestName

    @property
    def certificate_der(self) -> bytes:
        return self.signer.der

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hex."""
        return self.signer.fingerprint


@dataclass(frozen=True, slots=True)
class _SignerInfo:
    identifier: bytes  # content of IssuerAndSerialNumber, or the key identifier
    is_key_identifier: bool
    digest_oid: bytes
    attributes: ber.Element | None
    algorithm_oid: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class _SignedData:
    content: bytes | None
    certificates: list[bytes]
    signer: _SignerInfo


def verify_detached(header: str | bytes, body: bytes, certificates: SignerCertificateCache | None = None) -> VerifiedSignature:
    """Return the signature of an `Mdm-Signature` header (base64 of CMS), verified over `body`. Raises only `BadSignature`.

    `certificates` spares reading those that were verified before.
    """
    if len(header) > MAX_HEADER:
        raise BadSignature("header too long")
    try:
        der = _decode_header(header.encode("latin-1") if isinstance(header, str) else header)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("not base64") from error
    return _convert_errors(lambda: _verify_signature(_parse_signed_data(der), body, certificates))


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _decode_header(header: bytes) -> bytes:
    """Return the decoded header."""
    try:
        return binascii.a2b_base64(header, strict_mode=True)  # as iPads send it
    except binascii.Error:
        return _decode_any_spelling(header)


def _decode_any_spelling(header: bytes) -> bytes:
    """Return the decoded header: base64 in the standard or the URL-safe alphabet, with spaces and without padding."""
    text = header.translate(_URL_SAFE, b" \t")
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def verify_attached(der: bytes) -> tuple[bytes, VerifiedSignature]:
    """Return the attached content of a CMS structure (MachineInfo) and its verified signature. Raises only `BadSignature`."""
    if len(der) > MAX_CMS:
        raise BadSignature("too large")

    def parse_and_verify() -> tuple[bytes, VerifiedSignature]:
        signed_data = _parse_signed_data(der)
        if signed_data.content is None:
            raise BadSignature("no content")
        return signed_data.content, _verify_signature(signed_data, signed_data.content, None)

    return _convert_errors(parse_and_verify)


def _convert_errors(action: Callable[[], T]) -> T:
    """Return what `action` returns; every error that damaged input can cause becomes `BadSignature`."""
    try:
        return action()
    except BadSignature:
        raise
    except (ValueError, KeyError, IndexError, StopIteration, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadSignature(type(error).__name__) from error


def _parse_signed_data(der: bytes) -> _SignedData:
    """Parse ContentInfo with SignedData inside (RFC 5652 sections 3 and 5.1)."""
    usual = parse_flat_signature(der)
    if usual is not None:
        signer = _SignerInfo(usual.identifier, False, usual.digest_oid, None, usual.algorithm_oid, usual.signature)
        return _SignedData(None, [usual.certificate], signer)
    return _parse_any_signed_data(der)


def _parse_any_signed_data(der: bytes) -> _SignedData:
    outer = ber.read_element(der, 0, len(der))
    content_type, wrapper = _read_exactly(outer, 2)
    if outer.tag != ber.SEQUENCE or content_type.content != _OID_SIGNED_DATA:
        raise BadSignature("not SignedData")
    [signed_data] = _read_exactly(wrapper, 1)
    parts = list(signed_data.read_children())
    encapsulated = list(parts[2].read_children())
    content = None
    if len(encapsulated) > 1:
        [octets] = _read_exactly(encapsulated[1], 1)
        content = octets.read_octets()
    certificates = [c.encoded for part in parts[3:] if part.tag == ber.CONTEXT_0 for c in part.read_children()]
    if len(certificates) > 10:
        raise BadSignature("too many certificates")
    [signer] = _read_exactly(parts[-1], 1)
    return _SignedData(content, certificates, _parse_signer_info(list(signer.read_children())))


def _parse_signer_info(parts: list[ber.Element]) -> _SignerInfo:
    """Parse SignerInfo (RFC 5652 section 5.3)."""
    is_key_identifier = parts[1].tag in (ber.CONTEXT_0_PRIMITIVE, ber.CONTEXT_0)
    digest_oid = next(parts[2].read_children()).content
    index = 3
    attributes = None
    if parts[3].tag == ber.CONTEXT_0:
        attributes, index = parts[3], 4
    algorithm_oid = next(parts[index].read_children()).content
    return _SignerInfo(
        identifier=parts[1].read_octets() if is_key_identifier else parts[1].content,
        is_key_identifier=is_key_identifier,
        digest_oid=digest_oid,
        attributes=attributes,
        algorithm_oid=algorithm_oid,
        signature=parts[index + 1].read_octets(),
    )


def _read_exactly(element: ber.Element, count: int) -> list[ber.Element]:
    children = list(element.read_children())
    if len(children) != count:
        raise BadSignature("unexpected structure")
    return children


def _verify_signature(signed_data: _SignedData, body: bytes, certificates: SignerCertificateCache | None) -> VerifiedSignature:
    signer = signed_data.signer
    digest_name, digest_algorithm = _DIGESTS[signer.digest_oid]
    certificate = _find_signer_certificate(signed_data.certificates, signer, certificates or SignerCertificateCache(0))
    key = certificate.public_key
    digest = hashlib.new(digest_name.value, body, usedforsecurity=False).digest()
    if signer.attributes is not None:
        if _read_message_digest(signer.attributes) != digest:
            raise BadSignature("the signature is over another body")
        # RFC 5652 section 5.4: the signature covers the attributes encoded as a SET, not with the context tag as sent.
        retagged = b"\x31" + signer.attributes.encoded[1:]
        digest = hashlib.new(digest_name.value, retagged, usedforsecurity=False).digest()
    prehashed = utils.Prehashed(digest_algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey) and signer.algorithm_oid != _OID_RSA_PSS:
            key.verify(signer.signature, digest, padding.PKCS1v15(), prehashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, digest, ec.ECDSA(prehashed))
        else:
            raise BadSignature("key type")
    except InvalidSignature:
        raise BadSignature("the signature does not match") from None
    return VerifiedSignature(certificate, digest_name)


def _read_message_digest(attributes: ber.Element) -> bytes:
    for attribute in attributes.read_children():
        attribute_type, values = _read_exactly(attribute, 2)
        if attribute_type.content == _OID_MESSAGE_DIGEST:
            [value] = _read_exactly(values, 1)
            return value.read_octets()
    raise BadSignature("no messageDigest")


def _find_signer_certificate(
    encoded: list[bytes], signer: _SignerInfo, certificates: SignerCertificateCache
) -> SignerCertificate:
    """Return the certificate that SignerInfo names by issuer and serial number or by key identifier, never by position."""
    for der in encoded:
        known = certificates.get(der)
        if signer.is_key_identifier:
            if _read_key_identifier(der) == signer.identifier:
                return known or load_signer_certificate(der)
        elif (known.issuer_and_serial if known is not None else _encode_issuer_and_serial(der)) == signer.identifier:
            return known or load_signer_certificate(der)
    raise BadSignature("the signer's certificate is missing")


def _read_key_identifier(der: bytes) -> bytes | None:
    try:
        return list_extensions(read_certificate(der)).get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _encode_issuer_and_serial(der: bytes) -> bytes:
    """Return the content of the IssuerAndSerialNumber that names this certificate."""
    certificate = ber.read_element(der, 0, len(der))
    tbs = next(certificate.read_children())
    fields = list(tbs.read_children())
    if fields[0].tag == ber.CONTEXT_0:
        fields = fields[1:]
    return fields[2].encoded + fields[0].encoded


@dataclass(frozen=True, slots=True)
class SignerCertificate:
    """What a signature needs of the certificate that made it. `fingerprint`: SHA-256, hex."""

    der: bytes
    fingerprint: str
    public_key: object
    issuer_and_serial: bytes


def load_signer_certificate(der: bytes) -> SignerCertificate:
    """Return a certificate for signatures. Raises `ValueError` and others for one that cannot be read."""
    key = read_certificate(der).public_key()
    return SignerCertificate(der, hashlib.sha256(der).hexdigest(), key, _encode_issuer_and_serial(der))


class SignerCertificateCache:
    """Certificates by their bytes, since a tablet sends the same one each time. Limited in number; the oldest go first.

    The caller adds those that it trusts, so that nobody else fills it, and its size follows the fleet: about 3 kB for each tablet.
    """

    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._certificates: dict[bytes, SignerCertificate] = {}
        self._lock = threading.Lock()

    def get(self, der: bytes) -> SignerCertificate | None:
        return self._certificates.get(der)

    def keep(self, certificate: SignerCertificate) -> None:
        """Add a certificate that is trusted."""
        if certificate.der in self._certificates:
            return
        with self._lock:
            while self._certificates and len(self._certificates) >= self._size:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[certificate.der] = certificate
