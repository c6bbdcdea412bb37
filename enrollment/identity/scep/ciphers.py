"""CMS envelopes (RFC 5652 section 6), as SCEP and Apple's server tokens use them: RSA key transport, AES, 3DES and, for old clients, single DES."""

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


class Cipher(StrEnum):
    """Content ciphers by their object identifier."""

    AES128 = "2.16.840.1.101.3.4.1.2"
    AES192 = "2.16.840.1.101.3.4.1.22"
    AES256 = "2.16.840.1.101.3.4.1.42"
    TRIPLE_DES = "1.2.840.113549.3.7"
    DES = "1.3.14.3.2.7"


@dataclass(frozen=True, slots=True)
class _Shape:
    key_bytes: int
    block_bytes: int


_SHAPES = {
    Cipher.AES128: _Shape(16, 16),
    Cipher.AES192: _Shape(24, 16),
    Cipher.AES256: _Shape(32, 16),
    Cipher.TRIPLE_DES: _Shape(24, 8),
    Cipher.DES: _Shape(8, 8),
}


def _algorithm(cipher: Cipher, key: bytes) -> CipherAlgorithm:
    if len(key) != _SHAPES[cipher].key_bytes:
        raise ValueError("key length")
    if cipher is Cipher.DES:
        return TripleDES(key * 3)  # three equal keys are single DES
    return TripleDES(key) if cipher is Cipher.TRIPLE_DES else AES(key)


def open_envelope(der: bytes, certificate: bytes, key: rsa.RSAPrivateKey) -> tuple[bytes, Cipher]:
    """Decrypt what was enveloped for the owner of a certificate (DER). Raises anything: the caller gives one answer to all of it."""
    info = cms.ContentInfo.load(der)
    if info["content_type"].native != "enveloped_data":
        raise ValueError("not EnvelopedData")
    enveloped = info["content"]
    content = enveloped["encrypted_content_info"]
    algorithm = content["content_encryption_algorithm"]
    cipher = Cipher(algorithm["algorithm"].dotted)
    wrapped = _recipient(enveloped, certificate)
    # PKCS#1 v1.5 with implicit rejection in the library: a wrong padding gives a random key, not an error.
    content_key = key.decrypt(wrapped, padding.PKCS1v15())
    decryptor = BlockCipher(_algorithm(cipher, content_key), CBC(bytes(algorithm["parameters"].native))).decryptor()
    padded = decryptor.update(_encrypted(content)) + decryptor.finalize()
    unpadder = block_padding.PKCS7(_SHAPES[cipher].block_bytes * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize(), cipher


def _encrypted(content: cms.EncryptedContentInfo) -> bytes:
    """The encrypted content: implicitly tagged, in one piece or several, or (micromdm's client) an octet string in the tag."""
    rest: bytes = content.contents
    for _ in range(2):  # content type and algorithm stand before it
        rest = rest[_length(rest) :]
    _, method, _, _, inside, _ = parser.parse(rest)
    if method == 0:
        return bytes(inside)
    pieces = b""
    while inside and inside != b"\x00\x00":
        pieces += parser.parse(inside)[4]
        inside = inside[_length(inside) :]
    return pieces


def _length(der: bytes) -> int:
    """How long the first value is, header and trailer included."""
    _, _, _, header, content, trailer = parser.parse(der)
    return len(header) + len(content) + len(trailer)


def _recipient(enveloped: cms.EnvelopedData, der: bytes) -> bytes:
    certificate = x509.Certificate.load(der)
    for recipient in enveloped["recipient_infos"]:
        if recipient.name != "ktri":
            continue
        rid = recipient.chosen["rid"]
        if rid.name == "issuer_and_serial_number":
            mine = rid.chosen["serial_number"].native == certificate.serial_number
        else:
            mine = rid.native == certificate.key_identifier
        if mine:
            return bytes(recipient.chosen["encrypted_key"].native)
    raise ValueError("not for this certificate")


def seal_envelope(plain: bytes, recipient: x509.Certificate, cipher: Cipher) -> bytes:
    """Encrypt for the key of `recipient`, in the client's own cipher: one that sent AES-256 cannot read DES."""
    shape = _SHAPES[cipher]
    key, iv = os.urandom(shape.key_bytes), os.urandom(shape.block_bytes)
    padder = block_padding.PKCS7(shape.block_bytes * 8).padder()
    encryptor = BlockCipher(_algorithm(cipher, key), CBC(iv)).encryptor()
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
