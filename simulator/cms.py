"""Verifies and reads CMS SignedData. Building CMS is in `signature` and `scep_message`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from simulator.errors import InvalidSignedData

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True)
class VerifiedSignedData:
    """A verified SignedData: content, the signer's certificate (DER), all certificates, signed attributes by OID."""

    content: bytes
    signer: bytes
    certificates: tuple[bytes, ...]
    attributes: dict[str, Any]


def parse_degenerate_certificates(data: bytes) -> tuple[bytes, ...]:
    """Return the certificates (DER) of a degenerate SignedData, in their order. Raises `InvalidSignedData`."""
    try:
        return tuple(choice.chosen.dump() for choice in _parse_signed_data(data)["certificates"] or ())
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSignedData(f"no degenerate SignedData: {error}") from error


def verify_signed_data(data: bytes) -> VerifiedSignedData:
    """Verify an attached SignedData and return its parts. Raises `InvalidSignedData`."""
    try:
        signed = _parse_signed_data(data)
        return _verify_content(signed)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise InvalidSignedData(f"no SignedData: {error}") from error
    except InvalidSignature as error:
        raise InvalidSignedData("the signature does not verify") from error


def _parse_signed_data(data: bytes) -> Any:
    info = cms.ContentInfo.load(data)
    if info["content_type"].native != "signed_data":
        raise InvalidSignedData(f"a SignedData was expected, not {info['content_type'].native}")
    return info["content"]


def _verify_content(signed: Any) -> VerifiedSignedData:
    content = signed["encap_content_info"]["content"].native or b""
    certificates = tuple(choice.chosen.dump() for choice in signed["certificates"] or ())
    signer_info = signed["signer_infos"][0]
    signer = _find_signer_certificate(certificates, signer_info["sid"])
    digest = signer_info["digest_algorithm"]["algorithm"].native
    attributes: dict[str, Any] = {}
    covered = content
    if signer_info["signed_attrs"]:
        attributes = {item["type"].dotted: item["values"][0] for item in signer_info["signed_attrs"]}
        if attributes["1.2.840.113549.1.9.4"].native != hashlib.new(digest, content).digest():
            raise InvalidSignedData("messageDigest is not the digest of the content")
        covered = b"\x31" + signer_info["signed_attrs"].dump()[1:]
    _verify_signature(signer, signer_info["signature"].native, covered, _HASHES[digest]())
    return VerifiedSignedData(content, signer, certificates, attributes)


def _find_signer_certificate(certificates: tuple[bytes, ...], sid: Any) -> bytes:
    for candidate in certificates:
        parsed = asn1_x509.Certificate.load(candidate)
        if sid.name == "issuer_and_serial_number":
            issuer_and_serial = sid.chosen
            same_issuer = parsed.issuer.dump() == issuer_and_serial["issuer"].dump()
            if same_issuer and parsed.serial_number == issuer_and_serial["serial_number"].native:
                return candidate
        elif parsed.key_identifier == sid.chosen.native:
            return candidate
    raise InvalidSignedData("the signer's certificate is not included")


def _verify_signature(signer: bytes, signature: bytes, data: bytes, digest: hashes.HashAlgorithm) -> None:
    key = x509.load_der_x509_certificate(signer).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(digest))
    else:
        raise InvalidSignedData("the signer's key is neither RSA nor EC")
