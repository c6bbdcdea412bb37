"""Host names: as they are stored, with A-labels for letters beyond ASCII, and as people write them. Pure."""

from __future__ import annotations

import idna

from profiles.catalog.text_formats import TextFormat


def clean_host(text: str) -> str | None:
    """Return a host as lists keep it, without scheme and path, with A-labels for letters beyond ASCII; None when it is none."""
    host = text.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0].strip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return None
    return host if TextFormat.FILTER_HOST.matches(host) else None


def display_host(host: str) -> str:
    """Return a host as people write it: with the letters that its A-labels stand for."""
    try:
        return idna.decode(host) if "xn--" in host else host
    except idna.IDNAError:
        return host
