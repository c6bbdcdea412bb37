"""QR codes of invitation URLs, as SVG or for a terminal."""

from __future__ import annotations

import io

import segno


def render_svg(url: str) -> bytes:
    """Return a QR code of `url` as an SVG document, error correction M."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", scale=6, border=4, xmldecl=False)
    return out.getvalue()


def render_terminal(url: str) -> str:
    """Return a QR code of `url` drawn in half blocks, for a terminal."""
    out = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(out=out, compact=True, border=2)
    return out.getvalue()
