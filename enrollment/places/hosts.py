"""The host name of a town: what it may be, and the address that is made of it. Pure.

A tablet keeps the address at which it enrolled for ever. With a name of its own a town can move to another server by a change in the DNS.
See docs/operator/town-hosts.md.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: The longest name in the DNS.
MAX_HOST = 253
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#: Two labels at least, the last with a letter: no address (192.0.2.1), and no name that only one network knows (`server`).
_HOST = re.compile(rf"({_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}")


def normalise_host(text: str) -> str:
    """Return a host name as it is stored and compared: small letters, without spaces around it and without the final point."""
    return text.strip().lower().removesuffix(".")


def is_host(text: str) -> bool:
    """Return whether a normalised text is a host name that tablets can be given. Letters with accents are written in Punycode."""
    return len(text) <= MAX_HOST and _HOST.fullmatch(text) is not None


def build_town_url(public_url: str, host: str | None) -> str:
    """Return the address of a town with this host, at the port of the installation; that of the installation without one."""
    if host is None:
        return public_url
    port = urlsplit(public_url).port
    return f"https://{host}" if port is None else f"https://{host}:{port}"


def read_host(header: str) -> str:
    """Return the normalised name in a Host header, without the port; empty for a header that holds none."""
    try:
        return normalise_host(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return ""
