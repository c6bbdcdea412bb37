"""Pictures of pages for the guides, taken by the tests that walk them: `make pictures` makes docs/pictures anew. Otherwise nothing is taken."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

_LANGUAGES = ("en", "fr")
_WIDTH, _HEIGHT = 1100, 820


def take_picture(page: Page, name: str, *, height: int = _HEIGHT, both: bool = True) -> None:
    """Take `<name>.<language>.png` of the page, in both languages unless it answers a form, and go back to the reader's own."""
    folder = os.environ.get("CARTABLE_PICTURES")
    if not folder:
        return
    former, address = page.viewport_size, page.url
    page.set_viewport_size({"width": _WIDTH, "height": height})
    for language in _LANGUAGES if both else ("fr",):
        if both:
            page.goto(f"{address.partition('#')[0]}{'&' if '?' in address else '?'}lang={language}")
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(folder) / f"{name}.{language}.png", animations="disabled")
    if former is not None:
        page.set_viewport_size(former)
