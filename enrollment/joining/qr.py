"""QR codes of invitation addresses, as SVG or for a terminal. Holds no name: only the address."""

from __future__ import annotations

import io

import segno


def svg(url: str) -> bytes:
    """Return a QR code of `url` as an SVG document, error correction M."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", scale=6, border=4, xmldecl=False)
    return out.getvalue()


def terminal(url: str) -> str:
    """Return a QR code of `url` drawn in half blocks, for a terminal."""
    out = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(out=out, compact=True, border=2)
    return out.getvalue()
