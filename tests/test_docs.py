"""What the documentation points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("bench/*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_MAKE = re.compile(r"`make ([a-z-]+)|^make ([a-z-]+)", re.MULTILINE)
_PLACE = re.compile(r"`((?:enrollment|profiles|mdm|tests|deploy|bench|docs)/[A-Za-z0-9_./-]*)`")


def _heads(page: Path) -> set[str]:
    """The anchors of a page, as forges make them of its headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        address, _, anchor = link.partition("#")
        target = (page.parent / address).resolve() if address else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in _heads(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_word_of_make_and_every_place_in_the_code_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    words = set(re.findall(r"^([a-z-]+):.*?##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {one or other for one, other in _MAKE.findall(text)} <= words
    for place in _PLACE.findall(text):
        assert (ROOT / place).exists(), place


def test_every_picture_is_shown_somewhere_and_small() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in _LINK.findall(page.read_text("utf-8"))
        if link.endswith(".png")
    }
    pictures = set((ROOT / "docs" / "pictures").glob("*.png"))
    assert pictures == shown
    assert all(picture.stat().st_size < 300_000 for picture in pictures)
