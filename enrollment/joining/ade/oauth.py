"""OAuth 1.0a signatures with HMAC-SHA1 (RFC 5849 section 3), which `GET /session` requires. Pure; sends nothing."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha1
from urllib.parse import parse_qsl, quote, urlsplit

METHOD = "HMAC-SHA1"


@dataclass(frozen=True, slots=True)
class TokenSecrets:
    """The four secrets of a server token."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    access_secret: str = field(repr=False)


def build_authorization_header(secrets: TokenSecrets, method: str, url: str, *, realm: str, timestamp: int, nonce: str) -> str:
    """Return the value of the `Authorization` header (section 3.5.1). `timestamp` in seconds since 1970."""
    parameters = {
        "oauth_consumer_key": secrets.consumer_key,
        "oauth_token": secrets.access_token,
        "oauth_signature_method": METHOD,
        "oauth_timestamp": str(timestamp),
        "oauth_nonce": nonce,
        "oauth_version": "1.0",
    }
    parameters["oauth_signature"] = compute_signature(
        method, url, parameters.items(), secrets.consumer_secret, secrets.access_secret
    )
    return f'OAuth realm="{realm}", ' + ", ".join(f'{name}="{_percent_encode(value)}"' for name, value in parameters.items())


def compute_signature(
    method: str, url: str, parameters: Iterable[tuple[str, str]], consumer_secret: str, token_secret: str
) -> str:
    """Return the signature of a request (section 3.4.2)."""
    key = f"{_percent_encode(consumer_secret)}&{_percent_encode(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), build_base_string(method, url, parameters).encode(), sha1).digest()).decode()


def build_base_string(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the text that is signed (section 3.4.1). `parameters`: of the header without realm and signature, and of a form body."""
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in (None, default_port) else f":{parts.port}"
    address = f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path or '/'}"
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *parameters]
    sorted_pairs = sorted((_percent_encode(name), _percent_encode(value)) for name, value in pairs)
    joined_pairs = "&".join(f"{name}={value}" for name, value in sorted_pairs)
    return "&".join((method.upper(), _percent_encode(address), _percent_encode(joined_pairs)))


def _percent_encode(text: str) -> str:
    """Percent-encode everything but letters, digits, `-`, `.`, `_`, `~` (section 3.6)."""
    return quote(text, safe="-._~")
