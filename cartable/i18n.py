"""The texts that people read: English in the code, other languages in gettext catalogues under `cartable/locale`.

A language is one file more, `locale/<code>/LC_MESSAGES/cartable.po`. `mdm.cli.messages` collects the texts and checks the files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

CATALOGUES = Path(__file__).parent / "locale"
CATALOGUE_FILE = Path("LC_MESSAGES") / "cartable.po"


@dataclass(frozen=True)
class Language:
    """A language in which the product speaks. `file` is its catalogue; None: the language of the source texts.

    A text that the catalogue does not translate, or that waits for a translator's review, comes back in English.
    """

    code: str
    file: Path | None = None

    @property
    def name(self) -> str:
        """Its name in the language itself, such as `Français`."""
        name = Locale.parse(self.code).get_display_name() or self.code
        return name[:1].upper() + name[1:]

    @cached_property
    def catalogue(self) -> NullTranslations:
        """The translations, read and indexed once."""
        if self.file is None:
            return NullTranslations()
        with self.file.open("rb") as source:
            catalogue = read_po(source, locale=self.code)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return GNUTranslations(compiled)

    def gettext(self, text: str, **values: object) -> str:
        """Return a source text in this language with its `{name}` placeholders filled in."""
        return Message(text).translate(self, **values)

    def pgettext(self, context: str, text: str, **values: object) -> str:
        """Return a source text that has another translation in this context."""
        return Message(text, context=context).translate(self, **values)

    def ngettext(self, singular: str, plural: str, count: int, **values: object) -> str:
        """Return the form of a source text that goes with `count`."""
        return Message(singular, plural=plural).translate(self, count=count, **values)


@dataclass(frozen=True, slots=True)
class Message:
    """A source text to be translated later, when the reader's language is known.

    `{name}` marks a value. `plural` is the English text for other counts than one; the value `count` chooses the form. `context`
    tells two translations of one English text apart. `values` are values known already, as pairs.
    """

    text: str
    plural: str | None = None
    context: str | None = None
    values: tuple[tuple[str, object], ...] = ()

    def bind(self, **values: object) -> Message:
        """Return the message with some of its values filled in. A value may itself be a message."""
        return Message(self.text, self.plural, self.context, (*self.values, *values.items()))

    def translate(self, language: Language, **values: object) -> str:
        """Return the text in `language` with its values filled in. A value that is a message is translated as well."""
        all_values = {**dict(self.values), **values}
        text = self._look_up(language.catalogue, all_values.get("count"))
        if not all_values:
            return text
        return text.format_map({k: v.translate(language) if isinstance(v, Message) else v for k, v in all_values.items()})

    def _look_up(self, catalogue: NullTranslations, count: object) -> str:
        if self.plural is not None and isinstance(count, int):
            if self.context is not None:
                return catalogue.npgettext(self.context, self.text, self.plural, count)
            return catalogue.ngettext(self.text, self.plural, count)
        return catalogue.pgettext(self.context, self.text) if self.context is not None else catalogue.gettext(self.text)


def read_message(data: str | Mapping[str, str]) -> Message:
    """Return the message of a data file: its text, or `{"text": ..., "context": ...}`."""
    return Message(data) if isinstance(data, str) else Message(data["text"], context=data["context"])


ENGLISH = Language("en")
FRENCH = Language("fr", CATALOGUES / "fr" / CATALOGUE_FILE)
DEFAULT_LANGUAGE = FRENCH


def find_languages(folder: Path) -> tuple[Language, ...]:
    """Return the languages that have a catalogue in `folder`, and English; by code."""
    languages_by_code = {
        file.parents[1].name: Language(file.parents[1].name, file) for file in folder.glob(f"*/{CATALOGUE_FILE}")
    }
    return tuple(language for _, language in sorted({ENGLISH.code: ENGLISH, **languages_by_code}.items()))


@cache
def list_available_languages() -> tuple[Language, ...]:
    """Return the languages of the product, the default one first."""
    return tuple(sorted(find_languages(CATALOGUES), key=lambda language: (language.code != DEFAULT_LANGUAGE.code, language.code)))


def find_language(code: str, among: Collection[Language] | None = None) -> Language | None:
    """Return the language with this code or tag (`pt-BR` finds `pt_BR`, else `pt`); None when there is none."""
    by_code = {language.code.lower(): language for language in (list_available_languages() if among is None else among)}
    tag = code.strip().lower().replace("-", "_")
    return by_code.get(tag) or by_code.get(tag.partition("_")[0])


def choose_language(
    accept_language: str | None, default: Language = DEFAULT_LANGUAGE, among: Collection[Language] | None = None
) -> Language:
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
        language = find_language(tag, among)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best
