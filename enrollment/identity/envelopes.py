"""CMS envelopes (RFC 5652 section 6) of SCEP and of Apple's server tokens: RSA key transport, AES, 3DES, single DES for old clients."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from asn1crypto import cms, core, parser, x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_der_public_key


class ContentCipher(StrEnum):
    """Content ciphers; the value is the object identifier."""

    AES128 = "2.16.840.1.101.3.4.1.2"
    AES192 = "2.16.840.1.101.3.4.1.22"
    AES256 = "2.16.840.1.101.3.4.1.42"
    TRIPLE_DES = "1.2.840.113549.3.7"
    DES = "1.3.14.3.2.7"


@dataclass(frozen=True, slots=True)
class _CipherSizes:
    key_bytes: int
    block_bytes: int


_SIZES = {
    ContentCipher.AES128: _CipherSizes(16, 16),
    ContentCipher.AES192: _CipherSizes(24, 16),
    ContentCipher.AES256: _CipherSizes(32, 16),
    ContentCipher.TRIPLE_DES: _CipherSizes(24, 8),
    ContentCipher.DES: _CipherSizes(8, 8),
}


def _build_algorithm(cipher: ContentCipher, key: bytes) -> CipherAlgorithm:
    if len(key) != _SIZES[cipher].key_bytes:
        raise ValueError("key length")
    if cipher is ContentCipher.DES:
        return TripleDES(key * 3)  # three equal keys are single DES
    return TripleDES(key) if cipher is ContentCipher.TRIPLE_DES else AES(key)


def decrypt_envelope(der: bytes, certificate: bytes, key: rsa.RSAPrivateKey) -> tuple[bytes, ContentCipher]:
    """Return the decrypted content of an envelope for a certificate (DER), and its cipher.

    Raises exceptions of many types; the caller must answer all of them alike, or it becomes a padding oracle.
    """
    info = cms.ContentInfo.load(der)
    if info["content_type"].native != "enveloped_data":
        raise ValueError("not EnvelopedData")
    enveloped = info["content"]
    content = enveloped["encrypted_content_info"]
    algorithm = content["content_encryption_algorithm"]
    cipher = ContentCipher(algorithm["algorithm"].dotted)
    wrapped = _find_encrypted_key(enveloped, certificate)
    # PKCS#1 v1.5 with implicit rejection in the library: a wrong padding yields a random key and no error.
    content_key = key.decrypt(wrapped, padding.PKCS1v15())
    decryptor = BlockCipher(_build_algorithm(cipher, content_key), CBC(bytes(algorithm["parameters"].native))).decryptor()
    padded = decryptor.update(_read_encrypted_content(content)) + decryptor.finalize()
    unpadder = block_padding.PKCS7(_SIZES[cipher].block_bytes * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize(), cipher


def _read_encrypted_content(content: cms.EncryptedContentInfo) -> bytes:
    """Return the encrypted content: implicitly tagged, in one or several pieces, or (micromdm's client) an octet string in the tag."""
    remaining: bytes = content.contents
    for _ in range(2):  # skip content type and algorithm
        remaining = remaining[_measure_der(remaining) :]
    _, method, _, _, inside, _ = parser.parse(remaining)
    if method == 0:
        return bytes(inside)
    pieces = b""
    while inside and inside != b"\x00\x00":
        pieces += parser.parse(inside)[4]
        inside = inside[_measure_der(inside) :]
    return pieces


def _measure_der(der: bytes) -> int:
    """Return the length of the first value, with header and trailer."""
    _, _, _, header, content, trailer = parser.parse(der)
    return len(header) + len(content) + len(trailer)


def _find_encrypted_key(enveloped: cms.EnvelopedData, der: bytes) -> bytes:
    certificate = x509.Certificate.load(der)
    for recipient in enveloped["recipient_infos"]:
        if recipient.name != "ktri":
            continue
        rid = recipient.chosen["rid"]
        if rid.name == "issuer_and_serial_number":
            matches = rid.chosen["serial_number"].native == certificate.serial_number
        else:
            matches = rid.native == certificate.key_identifier
        if matches:
            return bytes(recipient.chosen["encrypted_key"].native)
    raise ValueError("not for this certificate")


def encrypt_envelope(plain: bytes, recipient: x509.Certificate, cipher: ContentCipher) -> bytes:
    """Return an envelope for the key of `recipient`, in the cipher of the client's request: it may not support another."""
    shape = _SIZES[cipher]
    key, iv = os.urandom(shape.key_bytes), os.urandom(shape.block_bytes)
    padder = block_padding.PKCS7(shape.block_bytes * 8).padder()
    encryptor = BlockCipher(_build_algorithm(cipher, key), CBC(iv)).encryptor()
    encrypted = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    public_key = load_der_public_key(recipient.public_key.dump())
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise TypeError("not an RSA key")
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [
                cms.RecipientInfo(
                    name="ktri",
                    value={
                        "version": "v0",
                        "rid": cms.RecipientIdentifier(
                            name="issuer_and_serial_number",
                            value={"issuer": recipient.issuer, "serial_number": recipient.serial_number},
                        ),
                        "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
                        "encrypted_key": public_key.encrypt(key, padding.PKCS1v15()),
                    },
                )
            ],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {"algorithm": cipher.value, "parameters": core.OctetString(iv)},
                "encrypted_content": encrypted,
            },
        }
    )
    return bytes(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())
