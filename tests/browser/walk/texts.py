"""Finds texts of a page that are not translated: what reads the same in French and in English, and is no name, code or number."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser

from babel.messages.pofile import read_po

from cartable.i18n import FRENCH
from tests.browser.walk.world import MARK

#: Names of things, which are the same in all languages.
NAMES = {
    "Cartable",
    "Français",
    "English",
    "API",
    "Apple",
    "App",
    "Store",
    "iPadOS",
    "AirDrop",
    "CSV",
    "XLSX",
    "ONDE",
    "OneRoster",
}
#: Placeholders are examples of what is typed.
_READ_ATTRIBUTES = {"aria-label", "title", "alt"}
_SILENT = {"script", "style", "code", "svg", "option", "pre"}
_VOID = {"input", "br", "meta", "link", "img", "hr", "source", "wbr", "path", "rect", "line"}
#: A word, and no tag, address, identifier or date.
_WORD = re.compile(r"[^\W\d_]{3,}(?:['’-][^\W\d_]+)*")
_PUNCTUATION = '.,;:!?()«»"“”–—…+→←·/'


class _TextReader(HTMLParser):
    """Collects the texts of a page that a person reads or hears. What has a language of its own is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._silent: list[bool] = [False]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag not in _VOID:
            own = tag in _SILENT or values.get("translate") == "no" or (tag != "html" and "lang" in values)
            self._silent.append(self._silent[-1] or own)
        if not self._silent[-1]:
            self.texts.update(text for name, text in values.items() if name in _READ_ATTRIBUTES and text)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and len(self._silent) > 1:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent[-1]:
            self.texts.update(" ".join(part.split()) for part in data.split(" – "))


def _read_texts(page: str) -> set[str]:
    reader = _TextReader()
    reader.feed(page)
    return {text for text in reader.texts if MARK not in text and _has_words(text)}


def _has_words(text: str) -> bool:
    words = (word.strip(_PUNCTUATION) for word in text.split())
    return any(_WORD.fullmatch(word) and word not in NAMES for word in words)


@cache
def _match_equal_translations() -> re.Pattern[str]:
    """Return the pattern of the texts whose French is their English."""
    assert FRENCH.file is not None
    with FRENCH.file.open("rb") as source:
        catalogue = read_po(source, locale="fr")
    equal = (re.escape(str(message.id).strip()) for message in catalogue if message.id and message.string == message.id)
    return re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+", text) for text in equal))


def find_untranslated(french: str, english: str) -> set[str]:
    """Return the texts that stand in both pages although they are neither a name nor equal in both languages."""
    both = _read_texts(french) & _read_texts(english)
    return {text for text in both if not _match_equal_translations().fullmatch(text.removeprefix("← "))}
