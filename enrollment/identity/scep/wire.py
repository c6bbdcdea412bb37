"""SCEP messages (RFC 8894 section 3): parsing a pkiMessage, building a CertRep. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from asn1crypto import algos, cms, core, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from enrollment.identity import csr
from enrollment.identity.ca import Authority
from enrollment.identity.envelopes import ContentCipher, encrypt_envelope
from enrollment.identity.signing.in_process import DIGESTS, SCEP_ATTRIBUTES
from enrollment.identity.signing.port import CertRepFields, DeviceSigner


def _get_attribute(attributes: dict[str, Any], name: str) -> Any:
    """Return the first value of a signed attribute. Raises `KeyError`, and other exceptions for a damaged one."""
    return core.load(attributes[SCEP_ATTRIBUTES[name][0]][0].dump()).native


def _get_text(attributes: dict[str, Any], name: str) -> str:
    """Return a text of a signed attribute, in whichever string type a client sends it: the response repeats it as PrintableString."""
    text = _get_attribute(attributes, name)
    if not isinstance(text, str) or not text.isascii() or any(character < " " for character in text):
        raise NotScep(name)
    return text


def _get_octets(attributes: dict[str, Any], name: str) -> bytes:
    octets = _get_attribute(attributes, name)
    if not isinstance(octets, bytes):
        raise NotScep(name)
    return octets


class ScepMessageType(StrEnum):
    """RFC 8894 section 3.2.1.2: the requests."""

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
    """The request is refused. `info` goes into the response, `why` into the log."""

    def __init__(self, info: FailInfo, reason: str) -> None:
        super().__init__(reason)
        self.info = info
        self.why = reason


class NotScep(ValueError):
    """The bytes are no pkiMessage: no SCEP response is possible."""


@dataclass(frozen=True, slots=True)
class PkiMessage:
    """A pkiMessage. `signer` is the certificate that signed it; the response is encrypted for it.

    `signed_bytes`, `signature` and `content_digest` are what `verify_signature` compares.
    """

    message_type: str
    transaction_id: str
    sender_nonce: bytes
    digest: str
    signer: x509.Certificate
    content: bytes
    content_digest: bytes
    signed_bytes: bytes
    signature: bytes

    @property
    def response_digest(self) -> str:
        """The digest of the response: that of the request, or SHA-256 where this server does not support it."""
        return self.digest if self.digest in DIGESTS else "sha256"


def parse_message(der: bytes) -> PkiMessage:
    """Return a pkiMessage, whose signature is not verified yet. Raises `NotScep`."""
    try:
        info = cms.ContentInfo.load(der)
        if info["content_type"].native != "signed_data":
            raise NotScep("not SignedData")
        signed = info["content"]
        [signer_info] = signed["signer_infos"]
        attributes = {attribute["type"].dotted: attribute["values"] for attribute in signer_info["signed_attrs"]}
        signer = _find_signer_certificate(signed, signer_info)
        return PkiMessage(
            message_type=_get_text(attributes, "scep_message_type"),
            transaction_id=_get_text(attributes, "scep_transaction_id"),
            sender_nonce=_get_octets(attributes, "scep_sender_nonce"),
            digest=signer_info["digest_algorithm"]["algorithm"].native,
            signer=signer,
            content=bytes(signed["encap_content_info"]["content"].native or b""),
            content_digest=bytes(attributes["1.2.840.113549.1.9.4"][0].native),
            # The signature covers the attributes as sent, with the tag of a SET (RFC 5652 section 5.4).
            signed_bytes=b"\x31" + signer_info["signed_attrs"].dump()[1:],
            signature=bytes(signer_info["signature"].native),
        )
    except NotScep:
        raise
    except Exception as error:  # asn1crypto raises many types on damaged input, some only when a part is touched
        raise NotScep(type(error).__name__) from error


def _find_signer_certificate(signed: Any, signer_info: Any) -> x509.Certificate:
    signer_id = signer_info["sid"]
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if signer_id.name == "issuer_and_serial_number":
            if (
                certificate.serial_number == signer_id.chosen["serial_number"].native
                and certificate.issuer.dump() == signer_id.chosen["issuer"].dump()
            ):
                return certificate
        elif certificate.key_identifier == signer_id.native:
            return certificate
    raise NotScep("the signer's certificate is missing")


def load_rsa_key(spki: bytes) -> rsa.RSAPublicKey:
    """Return the RSA public key of a SubjectPublicKeyInfo. Raises `ScepFailure` for another kind."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ScepFailure(FailInfo.BAD_ALG, "not an RSA key")
    return key


def verify_signature(message: PkiMessage) -> rsa.RSAPublicKey:
    """Return the key that made the signature of a message. Raises `ScepFailure` for an unsupported one, `NotScep` for a wrong one."""
    algorithm = DIGESTS.get(message.digest)
    if algorithm is None:
        raise ScepFailure(FailInfo.BAD_ALG, "digest")
    signer_key = load_rsa_key(message.signer.public_key.dump())
    digest = hashes.Hash(algorithm)
    digest.update(message.content)
    if message.content_digest != digest.finalize():
        raise NotScep("messageDigest")
    try:
        signer_key.verify(message.signature, message.signed_bytes, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise NotScep("signature") from None
    return signer_key


@dataclass(frozen=True, slots=True)
class ScepRequest:
    """The PKCS#10 request in a pkiMessage: its key, its challenge, and the cipher of the envelope."""

    key: rsa.RSAPublicKey
    challenge: str | None
    cipher: ContentCipher


def decrypt_request(message: PkiMessage, signer: DeviceSigner) -> ScepRequest:
    """Return the decrypted request of a message. Raises `SignerUnavailable`, and the same `ScepFailure` for every failure to decrypt."""
    try:
        plain, cipher = signer.decrypt_envelope(message.content)
    except ValueError as error:
        raise ScepFailure(FailInfo.BAD_MESSAGE_CHECK, "envelope") from error
    try:
        request = csr.parse_request(plain)
    except csr.InvalidRequest as error:
        raise ScepFailure(FailInfo.BAD_REQUEST, f"request: {error}") from error
    if not isinstance(request.key, rsa.RSAPublicKey):
        raise ScepFailure(FailInfo.BAD_ALG, "not an RSA key")
    return ScepRequest(request.key, request.challenge, cipher)


def build_success(
    message: PkiMessage, authority: Authority, signer: DeviceSigner, certificate_der: bytes, cipher: ContentCipher
) -> bytes:
    """Return a CertRep with the certificate, encrypted for the key that signed the request."""
    content = encrypt_envelope(build_degenerate_cms(x509.Certificate.load(certificate_der)), message.signer, cipher)
    return _build_cert_rep(message, authority, signer, content, None)


def build_failure(message: PkiMessage, authority: Authority, signer: DeviceSigner, info: FailInfo) -> bytes:
    """Return a CertRep of failure."""
    return _build_cert_rep(message, authority, signer, None, info)


def build_degenerate_cms(certificate: x509.Certificate) -> bytes:
    """Return a SignedData that contains only the issued certificate.

    The CA is left out: DER could sort it to the front of the SET, and clients use the first certificate.
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


def _build_cert_rep(
    message: PkiMessage, authority: Authority, signer: DeviceSigner, content: bytes | None, failure: FailInfo | None
) -> bytes:
    digest = hashes.Hash(DIGESTS[message.response_digest])
    digest.update(content or b"")
    signed_attributes = signer.sign_cert_rep(
        CertRepFields(
            message.transaction_id,
            message.sender_nonce,
            message.response_digest,
            digest.finalize(),
            None if failure is None else failure.value,
        )
    )
    attributes, signature = cms.CMSAttributes.load(signed_attributes.attributes), signed_attributes.signature
    certificate = x509.Certificate.load(authority.der)
    digest_algorithm = algos.DigestAlgorithm({"algorithm": message.response_digest})
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
