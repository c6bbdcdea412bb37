"""The server token of an ADE server: the key pair that it is encrypted to, and reading the file from Apple's portal.

The file is an S/MIME message around CMS EnvelopedData; inside is a MIME text with JSON between two marker lines.
See docs/domain/apple-services.md#device-assignment.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cartable.certificates import read_certificates_pem
from enrollment.identity.ca import BACKDATE
from enrollment.identity.envelopes import decrypt_envelope
from enrollment.joining.ade.errors import InvalidServerToken
from enrollment.joining.ade.oauth import TokenSecrets

#: Apple's files have about 3 kB.
MAX_FILE = 64 * 1024
_MAX_TEXT = 512
#: The certificate only transports the key to the portal; its end has no meaning there.
_CERTIFICATE_LIFETIME = timedelta(days=3650)
_BEGIN, _END = "-----BEGIN MESSAGE-----", "-----END MESSAGE-----"


@dataclass(frozen=True, slots=True)
class ServerToken:
    """The content of a server token."""

    secrets: TokenSecrets
    expires_at: datetime


def create_key_pair(name: str, now: datetime) -> tuple[bytes, str]:
    """Return a new RSA key (PKCS#8 DER) and its self-signed certificate (PEM) for Apple's portal."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + _CERTIFICATE_LIFETIME)
        .sign(key, SHA256())
    )
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return der, certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_private_key(der: bytes) -> rsa.RSAPrivateKey:
    """Return the private key of a DER that `create_key_pair` has made."""
    # Its numbers were checked when it was made, and are sealed since: checking again takes longer than decrypting the token.
    key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def read_token(file: bytes, key_der: bytes, certificate_pem: str) -> ServerToken:
    """Return the token in a file from the portal. Raises `InvalidServerToken` with the step that failed."""
    if len(file) > MAX_FILE:
        raise InvalidServerToken(why="too_large")
    certificate = read_certificates_pem(certificate_pem.encode())[0]
    try:
        plain, _ = decrypt_envelope(
            _extract_cms(file), certificate.public_bytes(serialization.Encoding.DER), load_private_key(key_der)
        )
    except InvalidServerToken:
        raise
    except Exception as error:  # asn1crypto raises many types on damaged input, and so does a wrong key
        raise InvalidServerToken(why="not_for_this_key") from error
    return _parse_token(_extract_message(plain))


def _extract_cms(file: bytes) -> bytes:
    """Return the CMS inside the S/MIME message; the file may also be plain base64 or DER."""
    text = file.strip()
    if text[:1] == b"\x30":
        return file
    if b"content-" in text[:4096].lower():
        text = _read_mime_body(text)
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidServerToken(why="not_smime") from error
    if der[:1] != b"\x30":
        raise InvalidServerToken(why="not_smime")
    return der


def _read_mime_body(text: bytes) -> bytes:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(text)
    if message.is_multipart():
        raise InvalidServerToken(why="not_smime")
    payload = message.get_payload()
    return payload.encode("ascii", "replace") if isinstance(payload, str) else b""


def _extract_message(plain: bytes) -> str:
    """Return the text between the two marker lines, with or without MIME headers and transfer encoding around it."""
    message = _cut_message(plain.decode("utf-8", "replace"))
    if message is None:
        inner = BytesParser(EmailMessage, policy=policy.default).parsebytes(plain)
        decoded = None if inner.is_multipart() else inner.get_payload(decode=True)
        message = _cut_message(decoded.decode("utf-8", "replace")) if isinstance(decoded, bytes) else None
    if message is None:
        raise InvalidServerToken(why="no_message")
    return message


def _cut_message(text: str) -> str | None:
    _, begin, rest = text.partition(_BEGIN)
    inside, end, _ = rest.partition(_END)
    return inside if begin and end else None


def _parse_token(message: str) -> ServerToken:
    try:
        fields = json.loads(message)
        expires = datetime.fromisoformat(_require_text(fields, "access_token_expiry"))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidServerToken(why="wrong_shape") from error
    if expires.tzinfo is None:
        raise InvalidServerToken(why="wrong_shape")
    names = ("consumer_key", "consumer_secret", "access_token", "access_secret")
    return ServerToken(TokenSecrets(*(_require_text(fields, name) for name in names)), expires.astimezone(UTC))


def _require_text(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_TEXT or not value.isascii() or not value.isprintable():
        raise InvalidServerToken(why="wrong_shape")
    return value
