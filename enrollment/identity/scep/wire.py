"""SCEP messages as values (RFC 8894 section 3): reading a pkiMessage, writing a CertRep. Decides nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from asn1crypto import algos, cms, core, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from enrollment.identity import csr
from enrollment.identity.ca import Authority
from enrollment.identity.scep.ciphers import Cipher, open_envelope, seal_envelope

_PREFIX = "2.16.840.1.113733.1.9."
_ATTRIBUTES = {
    "scep_message_type": (_PREFIX + "2", core.PrintableString),
    "scep_pki_status": (_PREFIX + "3", core.PrintableString),
    "scep_fail_info": (_PREFIX + "4", core.PrintableString),
    "scep_sender_nonce": (_PREFIX + "5", core.OctetString),
    "scep_recipient_nonce": (_PREFIX + "6", core.OctetString),
    "scep_transaction_id": (_PREFIX + "7", core.PrintableString),
}


#: asn1crypto's own tables stay as they are: other code in the process may read these attributes in its own way.
_OID = {name: oid for name, (oid, _) in _ATTRIBUTES.items()}
_KIND = {name: kind for name, (_, kind) in _ATTRIBUTES.items()}


def _value(attributes: dict[str, Any], name: str) -> Any:
    """The single value of a signed attribute. Raises `KeyError`, or what a damaged one raises."""
    values = attributes[_OID[name]]
    raw = values[0].dump()
    return _KIND[name].load(raw).native


class MessageType(StrEnum):
    """RFC 8894 section 3.2.1.2."""

    CERT_REP = "3"
    RENEWAL_REQ = "17"
    PKCS_REQ = "19"


class FailInfo(IntEnum):
    """RFC 8894 section 3.2.1.4.5."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4


class ScepFailure(Exception):
    """A request that is refused; the client is told `info`, the log `why`."""

    def __init__(self, info: FailInfo, why: str) -> None:
        super().__init__(why)
        self.info = info
        self.why = why


class NotScep(ValueError):
    """The bytes are no pkiMessage: there is nobody to answer in the protocol."""


@dataclass(frozen=True, slots=True)
class PkiMessage:
    """A pkiMessage whose signature holds. `signer` is the certificate that signed, and receives the answer."""

    message_type: str
    transaction_id: str
    sender_nonce: bytes
    digest: str
    signer: x509.Certificate
    signer_key: rsa.RSAPublicKey
    content: bytes


_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old clients offer nothing better (RFC 8894 section 2.9)
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def read(der: bytes) -> PkiMessage:
    """Read and verify a pkiMessage. Raises `NotScep` when it cannot be answered, `ScepFailure` when it can."""
    try:
        info = cms.ContentInfo.load(der)
        if info["content_type"].native != "signed_data":
            raise NotScep("not SignedData")
        signed = info["content"]
        [signer_info] = signed["signer_infos"]
        attributes = {attribute["type"].dotted: attribute["values"] for attribute in signer_info["signed_attrs"]}
        signer = _signer_certificate(signed, signer_info)
        message = PkiMessage(
            message_type=str(_value(attributes, "scep_message_type")),
            transaction_id=str(_value(attributes, "scep_transaction_id")),
            sender_nonce=bytes(_value(attributes, "scep_sender_nonce")),
            digest=signer_info["digest_algorithm"]["algorithm"].native,
            signer=signer,
            signer_key=rsa_key(signer.public_key.dump()),
            content=bytes(signed["encap_content_info"]["content"].native or b""),
        )
        _verify(message, signer_info, attributes)
    except (NotScep, ScepFailure):
        raise
    except Exception as error:  # asn1crypto raises many types on damaged input, some only when a part is touched
        raise NotScep(type(error).__name__) from error
    return message


def _signer_certificate(signed: Any, signer_info: Any) -> x509.Certificate:
    wanted = signer_info["sid"]
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if wanted.name == "issuer_and_serial_number":
            if (
                certificate.serial_number == wanted.chosen["serial_number"].native
                and certificate.issuer.dump() == wanted.chosen["issuer"].dump()
            ):
                return certificate
        elif certificate.key_identifier == wanted.native:
            return certificate
    raise NotScep("the signer's certificate is missing")


def rsa_key(spki: bytes) -> rsa.RSAPublicKey:
    """Load an RSA public key. Raises `ScepFailure` for another kind."""
    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ScepFailure(FailInfo.BAD_ALG, "not an RSA key")
    return key


def _verify(message: PkiMessage, signer_info: Any, attributes: dict[str, Any]) -> None:
    algorithm = _HASHES.get(message.digest)
    if algorithm is None:
        raise ScepFailure(FailInfo.BAD_ALG, "digest")
    digest = hashes.Hash(algorithm)
    digest.update(message.content)
    if bytes(attributes["1.2.840.113549.1.9.4"][0].native) != digest.finalize():
        raise NotScep("messageDigest")
    # The attributes exactly as they were sent, under the tag of a SET (RFC 5652 section 5.4).
    signed_bytes = b"\x31" + signer_info["signed_attrs"].dump()[1:]
    try:
        message.signer_key.verify(bytes(signer_info["signature"].native), signed_bytes, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise NotScep("signature") from None


@dataclass(frozen=True, slots=True)
class Request:
    """The PKCS#10 request inside: its key, the challenge, and the cipher the client used."""

    key: rsa.RSAPublicKey
    challenge: str | None
    cipher: Cipher


def open_request(message: PkiMessage, authority: Authority) -> Request:
    """Decrypt and read the request. Raises `ScepFailure`, with one answer for every failure to decrypt."""
    try:
        plain, cipher = open_envelope(message.content, authority)
    except Exception as error:  # one answer, whatever went wrong: PKCS#1 v1.5 is a padding oracle
        raise ScepFailure(FailInfo.BAD_MESSAGE_CHECK, "envelope") from error
    try:
        request = csr.read(plain)
    except csr.BadRequest as error:
        raise ScepFailure(FailInfo.BAD_REQUEST, f"request: {error}") from error
    if not isinstance(request.key, rsa.RSAPublicKey):
        raise ScepFailure(FailInfo.BAD_ALG, "not an RSA key")
    return Request(request.key, request.challenge, cipher)


def success(message: PkiMessage, authority: Authority, certificate_der: bytes, cipher: Cipher) -> bytes:
    """A CertRep that carries the certificate, enveloped for the key that signed the request."""
    content = seal_envelope(degenerate_cms(x509.Certificate.load(certificate_der)), message.signer, cipher)
    return _reply(message, authority, content, {"scep_pki_status": "0"})


def failure(message: PkiMessage, authority: Authority, info: FailInfo) -> bytes:
    """A CertRep that says no."""
    return _reply(message, authority, None, {"scep_pki_status": "2", "scep_fail_info": str(info.value)})


def _attribute(name: str, value: Any) -> cms.CMSAttribute:
    """One signed attribute, SCEP's own by their identifiers."""
    if name in _KIND:
        return cms.CMSAttribute({"type": _OID[name], "values": [_KIND[name](value)]})
    return cms.CMSAttribute({"type": name, "values": [value]})


def degenerate_cms(certificate: x509.Certificate) -> bytes:
    """A SignedData that only carries the issued certificate. The CA stays out: DER would sort it to the front of the
    SET, and clients take the first certificate they find.
    """
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [],
            "encap_content_info": {"content_type": "data"},
            "certificates": [certificate],
            "signer_infos": [],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def _reply(message: PkiMessage, authority: Authority, content: bytes | None, status: dict[str, str]) -> bytes:
    algorithm = _HASHES[message.digest]
    digest = hashes.Hash(algorithm)
    digest.update(content or b"")
    values: dict[str, Any] = {
        "content_type": cms.ContentType("data"),
        "message_digest": digest.finalize(),
        "scep_message_type": MessageType.CERT_REP.value,
        "scep_transaction_id": message.transaction_id,
        "scep_sender_nonce": secrets.token_bytes(16),
        "scep_recipient_nonce": message.sender_nonce,
        **status,
    }
    attributes = cms.CMSAttributes([_attribute(name, value) for name, value in values.items()])
    signature = authority.key.sign(attributes.dump(), padding.PKCS1v15(), algorithm)
    certificate = x509.Certificate.load(authority.der)
    digest_algorithm = algos.DigestAlgorithm({"algorithm": message.digest})
    encapsulated: dict[str, Any] = {"content_type": "data"}
    if content is not None:
        encapsulated["content"] = content
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [digest_algorithm],
            "encap_content_info": encapsulated,
            "certificates": [certificate],
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": cms.SignerIdentifier(
                        name="issuer_and_serial_number",
                        value={"issuer": certificate.issuer, "serial_number": certificate.serial_number},
                    ),
                    "digest_algorithm": digest_algorithm,
                    "signed_attrs": attributes,
                    # One client refuses sha1WithRSAEncryption here.
                    "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
                    "signature": signature,
                }
            ],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())
