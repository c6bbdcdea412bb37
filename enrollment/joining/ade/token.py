"""The server token of device assignment: the key pair it is encrypted to, and reading the file from Apple's portal. Pure.

The file is a S/MIME message around CMS EnvelopedData; inside is a MIME text with JSON between two lines
(school-services.md section A.1).
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

from enrollment.identity.ca import BACKDATE
from enrollment.identity.scep.ciphers import open_envelope
from enrollment.joining.ade.errors import BadAssignmentToken
from enrollment.joining.ade.oauth import Secrets

#: Real files have about 3 kB.
MAX_FILE = 64 * 1024
_LONGEST = 512
#: Longer than anybody keeps a portal entry: the certificate only carries the key there.
_LIFE = timedelta(days=3650)
_BEGIN, _END = "-----BEGIN MESSAGE-----", "-----END MESSAGE-----"


@dataclass(frozen=True, slots=True)
class Token:
    """What a server token says."""

    secrets: Secrets
    expires: datetime


def make_pair(name: str, now: datetime) -> tuple[bytes, str]:
    """A new RSA key (PKCS#8 DER) and its self-signed certificate (PEM) for Apple's portal."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + _LIFE)
        .sign(key, SHA256())
    )
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return der, certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_key(der: bytes) -> rsa.RSAPrivateKey:
    """The private key as it was kept."""
    key = serialization.load_der_private_key(der, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def read(file: bytes, key_der: bytes, certificate_pem: str) -> Token:
    """Read the file from the portal. Raises `BadAssignmentToken` with the step at which it is none of ours."""
    if len(file) > MAX_FILE:
        raise BadAssignmentToken(why="too_large")
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    try:
        plain, _ = open_envelope(_cms(file), certificate.public_bytes(serialization.Encoding.DER), load_key(key_der))
    except BadAssignmentToken:
        raise
    except Exception as error:  # asn1crypto raises many types on damaged input, and a wrong key shows itself in many ways
        raise BadAssignmentToken(why="not_for_this_key") from error
    return _told(_message(plain))


def _cms(file: bytes) -> bytes:
    """The CMS inside the S/MIME wrapper. A file that is bare base64 or DER will do."""
    text = file.strip()
    if text[:1] == b"\x30":
        return file
    if b"content-" in text[:4096].lower():
        text = _body(text)
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAssignmentToken(why="not_smime") from error
    if der[:1] != b"\x30":
        raise BadAssignmentToken(why="not_smime")
    return der


def _body(text: bytes) -> bytes:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(text)
    if message.is_multipart():
        raise BadAssignmentToken(why="not_smime")
    payload = message.get_payload()
    return payload.encode("ascii", "replace") if isinstance(payload, str) else b""


def _message(plain: bytes) -> str:
    """The text between the two lines, whatever MIME headers and transfer encoding stand around it."""
    found = _between(plain.decode("utf-8", "replace"))
    if found is None:
        inner = BytesParser(EmailMessage, policy=policy.default).parsebytes(plain)
        decoded = None if inner.is_multipart() else inner.get_payload(decode=True)
        found = _between(decoded.decode("utf-8", "replace")) if isinstance(decoded, bytes) else None
    if found is None:
        raise BadAssignmentToken(why="no_message")
    return found


def _between(text: str) -> str | None:
    _, begin, rest = text.partition(_BEGIN)
    inside, end, _ = rest.partition(_END)
    return inside if begin and end else None


def _told(message: str) -> Token:
    try:
        said = json.loads(message)
        expires = datetime.fromisoformat(_word(said, "access_token_expiry"))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadAssignmentToken(why="wrong_shape") from error
    if expires.tzinfo is None:
        raise BadAssignmentToken(why="wrong_shape")
    names = ("consumer_key", "consumer_secret", "access_token", "access_secret")
    return Token(Secrets(*(_word(said, name) for name in names)), expires.astimezone(UTC))


def _word(said: Any, name: str) -> str:
    value = said.get(name) if isinstance(said, dict) else None
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST or not value.isascii() or not value.isprintable():
        raise BadAssignmentToken(why="wrong_shape")
    return value
