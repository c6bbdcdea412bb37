"""SCEP messages (RFC 8894 section 3): builds requests and reads CertReps. `scep` sends them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from simulator import cms, der
from simulator.errors import InvalidSignedData, ScepFailed
from simulator.identity import Identity
from simulator.signature import DATA, RSA_ENCRYPTION, build_signed_data, encode_attribute

ENVELOPED_DATA = "1.2.840.113549.1.7.3"
_VERISIGN = "2.16.840.1.113733.1.9"
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = f"{_VERISIGN}.2", f"{_VERISIGN}.3", f"{_VERISIGN}.4"
SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION = f"{_VERISIGN}.5", f"{_VERISIGN}.6", f"{_VERISIGN}.7"
CERT_REP = "3"


class PkiMessageType(StrEnum):
    """What a request asks for."""

    PKCS_REQ = "19"
    RENEWAL_REQ = "17"


class EnvelopeCipher(StrEnum):
    """Content encryption by its OID."""

    AES_128 = "2.16.840.1.101.3.4.1.2"
    AES_192 = "2.16.840.1.101.3.4.1.22"
    AES_256 = "2.16.840.1.101.3.4.1.42"
    TRIPLE_DES = "1.2.840.113549.3.7"
    DES = "1.3.14.3.2.7"


_KEY_BYTES = {
    EnvelopeCipher.AES_128: 16,
    EnvelopeCipher.AES_192: 24,
    EnvelopeCipher.AES_256: 32,
    EnvelopeCipher.TRIPLE_DES: 24,
    EnvelopeCipher.DES: 8,
}


@dataclass(frozen=True)
class PkiRequest:
    """A request that is ready to send, and the values that its CertRep must repeat."""

    message: bytes
    transaction: str
    nonce: bytes
    signer: Identity


def build_request(
    signer: Identity,
    csr: bytes,
    recipient: bytes,
    *,
    kind: PkiMessageType,
    cipher: EnvelopeCipher,
    digest: str,
    transaction: str,
) -> PkiRequest:
    """Build a pkiMessage with `csr` (DER), encrypted for `recipient` (DER certificate). `digest` is an OID."""
    nonce = os.urandom(16)
    message = build_signed_data(
        signer,
        encrypt_enveloped(csr, recipient, cipher),
        digest,
        _build_attributes(kind, nonce, transaction),
        attached=True,
    )
    return PkiRequest(message, transaction, nonce, signer)


def build_request_attributes(kind: PkiMessageType, request: PkiRequest) -> list[bytes]:
    """Build the signed attributes of a request, for a message whose inner parts another program made."""
    return _build_attributes(kind, request.nonce, request.transaction)


def _build_attributes(kind: PkiMessageType, nonce: bytes, transaction: str) -> list[bytes]:
    return [
        encode_attribute(MESSAGE_TYPE, der.encode_printable_string(kind.value)),
        encode_attribute(SENDER_NONCE, der.encode_octet_string(nonce)),
        encode_attribute(TRANSACTION, der.encode_printable_string(transaction)),
    ]


def encrypt_enveloped(data: bytes, recipient: bytes, cipher: EnvelopeCipher) -> bytes:
    """Encrypt data as an EnvelopedData for one RSA recipient (RFC 5652 section 6). Raises `ScepFailed` for another key type."""
    public = x509.load_der_x509_certificate(recipient).public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise ScepFailed("the SCEP server's certificate has no RSA key")
    key = os.urandom(_KEY_BYTES[cipher])
    algorithm = _build_cipher_algorithm(cipher, key)
    vector = os.urandom(algorithm.block_size // 8)  # type: ignore[attr-defined]
    padder = PKCS7(len(vector) * 8).padder()
    encryptor = Cipher(algorithm, modes.CBC(vector)).encryptor()
    hidden = encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
    body = asn1_x509.Certificate.load(recipient)["tbs_certificate"]
    holder = der.encode_sequence(
        der.encode_integer(0),
        der.encode_sequence(body["issuer"].dump(), body["serial_number"].dump()),
        der.encode_algorithm(RSA_ENCRYPTION),
        der.encode_octet_string(public.encrypt(key, padding.PKCS1v15())),
    )
    content = der.encode_sequence(
        der.encode_oid(DATA),
        der.encode_algorithm(cipher.value, der.encode_octet_string(vector)),
        der.encode_tlv(der.CONTEXT_0_PRIMITIVE, hidden),
    )
    enveloped = der.encode_sequence(der.encode_integer(0), der.encode_set_of([holder]), content)
    return der.encode_sequence(der.encode_oid(ENVELOPED_DATA), der.encode_tlv(der.CONTEXT_0, enveloped))


def decrypt_enveloped(data: bytes, reader: Identity) -> bytes:
    """Decrypt an EnvelopedData with the key of `reader`. Raises `ScepFailed`."""
    try:
        info = asn1_cms.ContentInfo.load(data)
        enveloped = info["content"]
        wrapped = enveloped["recipient_infos"][0].chosen["encrypted_key"].native
        content = enveloped["encrypted_content_info"]
        algorithm = content["content_encryption_algorithm"]
        cipher = EnvelopeCipher(algorithm["algorithm"].dotted)
        if not isinstance(reader.key, rsa.RSAPrivateKey):
            raise ScepFailed("SCEP knows only RSA")
        key = reader.key.decrypt(wrapped, padding.PKCS1v15())
        vector = algorithm["parameters"].native
        decryptor = Cipher(_build_cipher_algorithm(cipher, key), modes.CBC(vector)).decryptor()
        padded = decryptor.update(content["encrypted_content"].native) + decryptor.finalize()
        unpadder = PKCS7(len(vector) * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ScepFailed(f"the envelope of the answer does not open: {error}") from error


def read_cert_rep(answer: bytes, request: PkiRequest, authority: frozenset[bytes]) -> bytes:
    """Return the issued certificate (DER) of a CertRep. `authority` are the certificates of GetCACert. Raises `ScepFailed`."""
    try:
        opened = cms.verify_signed_data(answer)
    except InvalidSignedData as error:
        raise ScepFailed(f"the answer is no CertRep: {error}") from error
    if opened.signer not in authority:
        raise ScepFailed("the answer is signed by somebody else than GetCACert's certificates")
    attributes = {oid: value.native for oid, value in opened.attributes.items()}
    for oid, expected in ((MESSAGE_TYPE, CERT_REP), (TRANSACTION, request.transaction), (RECIPIENT_NONCE, request.nonce)):
        if attributes.get(oid) != expected:
            raise ScepFailed(f"attribute {oid} of the answer is {attributes.get(oid)!r}, not {expected!r}")
    status = attributes.get(PKI_STATUS)
    if status == "2":
        raise ScepFailed("refused", int(attributes.get(FAIL_INFO, "2")))
    if status != "0":
        raise ScepFailed(f"pkiStatus {status!r}")
    certificates = cms.parse_degenerate_certificates(decrypt_enveloped(opened.content, request.signer))
    if not certificates:
        raise ScepFailed("no certificate in the answer")
    return certificates[0]


def _build_cipher_algorithm(cipher: EnvelopeCipher, key: bytes) -> CipherAlgorithm:
    if cipher is EnvelopeCipher.DES:
        return TripleDES(key * 3)
    return TripleDES(key) if cipher is EnvelopeCipher.TRIPLE_DES else algorithms.AES(key)
