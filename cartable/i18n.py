"""Words for people, in French and English, side by side so that translators work once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """The languages in which the product speaks."""

    FR = "fr"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence or label in both languages. `{name}` marks a value filled in by `say`."""

    fr: str
    en: str

    def say(self, language: Language, **values: object) -> str:
        """Return the words in `language` with their values filled in."""
        text = self.fr if language is Language.FR else self.en
        return text.format_map(values) if values else text


def preferred_language(accept_language: str | None, default: Language = Language.FR) -> Language:
    """Choose a language from an `Accept-Language` header (RFC 9110 section 12.5.4), by quality then order."""
    best, best_quality = default, 0.0
    for item in (accept_language or "")[:200].split(","):
        tag, _, parameters = item.strip().partition(";")
        quality = 1.0
        if parameters.strip().startswith("q="):
            try:
                quality = float(parameters.strip()[2:])
            except ValueError:
                continue
        code = tag.split("-")[0].lower()
        if code in {*Language} and quality > best_quality:
            best, best_quality = Language(code), quality
    return best
