"""Parsing of the client certificate header that a TLS-terminating proxy adds: RFC 9440 or URL-escaped PEM. Checks no trust."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from mdm.protocol.errors import BadSignature

MAX_HEADER = 16 * 1024


def parse_certificate_header(value: str | bytes) -> bytes:
    """Return the DER certificate of a `Client-Cert` header (RFC 9440 section 2.2) or of a header with escaped PEM.

    Raises `BadSignature`.
    """
    raw = value.encode("latin-1") if isinstance(value, str) else value
    raw = raw.strip()
    if len(raw) > MAX_HEADER:
        raise BadSignature("header too long")
    if raw.startswith(b":") and raw.endswith(b":") and len(raw) > 2:
        return _decode_base64(raw[1:-1])
    pem = unquote_to_bytes(raw.replace(b"+", b"%2B") if b"%" in raw else raw)
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin not in pem or end not in pem:
        raise BadSignature("neither RFC 9440 nor PEM")
    # Some proxies fold the lines of the PEM into one, with spaces or tabs between.
    return _decode_base64(b"".join(pem.split(begin, 1)[1].split(end, 1)[0].split()))


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadSignature("not base64") from error
