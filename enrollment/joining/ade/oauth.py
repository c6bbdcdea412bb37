"""OAuth 1.0a requests signed with HMAC-SHA1 (RFC 5849 section 3), as `GET /session` wants them. Pure; sends nothing."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha1
from urllib.parse import parse_qsl, quote, urlsplit

METHOD = "HMAC-SHA1"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The four words of a server token."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    access_secret: str = field(repr=False)


def authorization(secrets: Secrets, method: str, url: str, *, realm: str, timestamp: int, nonce: str) -> str:
    """The value of the `Authorization` header (section 3.5.1). `timestamp` in seconds since 1970."""
    said = {
        "oauth_consumer_key": secrets.consumer_key,
        "oauth_token": secrets.access_token,
        "oauth_signature_method": METHOD,
        "oauth_timestamp": str(timestamp),
        "oauth_nonce": nonce,
        "oauth_version": "1.0",
    }
    said["oauth_signature"] = signature(method, url, said.items(), secrets.consumer_secret, secrets.access_secret)
    return f'OAuth realm="{realm}", ' + ", ".join(f'{name}="{_quoted(value)}"' for name, value in said.items())


def signature(method: str, url: str, parameters: Iterable[tuple[str, str]], consumer_secret: str, token_secret: str) -> str:
    """The signature of a request (section 3.4.2)."""
    key = f"{_quoted(consumer_secret)}&{_quoted(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), base_string(method, url, parameters).encode(), sha1).digest()).decode()


def base_string(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """What is signed (section 3.4.1). `parameters`: those of the header without realm and signature, and of a form body."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    address = f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path or '/'}"
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *parameters]
    sorted_pairs = sorted((_quoted(name), _quoted(value)) for name, value in pairs)
    listed = "&".join(f"{name}={value}" for name, value in sorted_pairs)
    return "&".join((method.upper(), _quoted(address), _quoted(listed)))


def _quoted(text: str) -> str:
    """Percent-encoding of section 3.6: everything but letters, digits, `-`, `.`, `_`, `~`."""
    return quote(text, safe="-._~")
