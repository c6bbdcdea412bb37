"""Message catalogues: plural forms, contexts, fallback to English, languages found in a folder, and the check of a catalogue."""

import io
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from cartable.errors import DomainError, Invalid
from cartable.i18n import (
    CATALOGUE_FILE,
    CATALOGUES,
    ENGLISH,
    FRENCH,
    Language,
    Message,
    choose_language,
    find_language,
    find_languages,
    list_available_languages,
    read_message,
)
from mdm.cli import messages

GERMAN = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Tablets"
msgstr "Tablets der Stadt"

msgctxt "tablet"
msgid "lost"
msgid_plural "lost"
msgstr[0] "verloren"
msgstr[1] "verlorene"

#, fuzzy
msgid "Search"
msgstr "Finden"
"""


@pytest.fixture
def german(tmp_path: Path) -> Language:
    file = tmp_path / "de" / CATALOGUE_FILE
    file.parent.mkdir(parents=True)
    file.write_text(GERMAN, encoding="utf-8")
    languages = {language.code: language for language in find_languages(tmp_path)}
    assert set(languages) == {"de", "en"}
    return languages["de"]


@cache
def collect_texts() -> Catalog:
    """Return the texts of the product, which are collected in two seconds."""
    return messages.collect_texts()


def catalogue(text: str, locale: str = "fr") -> Catalog:
    return read_po(io.BytesIO(text.encode()), locale=locale)


def template(*texts: str | tuple[str, str]) -> Catalog:
    made = Catalog()
    for text in texts:
        made.add(text)
    return made


ORDERED = Message("ordered", plural="ordered", context="tablet")


@pytest.mark.parametrize(("count", "french"), [(0, "commandée"), (1, "commandée"), (2, "commandées"), (8, "commandées")])
def test_a_count_chooses_the_plural_form(count: int, french: str) -> None:
    assert ORDERED.translate(FRENCH, count=count) == french


def test_without_a_count_the_singular_is_used() -> None:
    assert ORDERED.translate(FRENCH) == "commandée"
    assert ORDERED.translate(ENGLISH) == "ordered"


def test_a_count_is_filled_in_and_chooses_the_form_in_english_too() -> None:
    text = Message("{count} leaves", plural="{count} leave")
    assert [text.translate(language, count=n) for language in (ENGLISH, FRENCH) for n in (1, 3)] == [
        "1 leaves", "3 leave", "1 part", "3 partent",
    ]  # fmt: skip


def test_a_context_tells_two_translations_of_one_text_apart() -> None:
    assert Message("Swap").translate(FRENCH) == "Échanger"
    assert Message("Swap", context="noun").translate(FRENCH) == "Échange"
    assert FRENCH.pgettext("noun", "Swap") == "Échange"


def test_a_text_without_translation_comes_back_in_english(german: Language) -> None:
    assert german.gettext("Tablets") == "Tablets der Stadt"
    assert german.gettext("Nothing to show.") == "Nothing to show."
    assert Message("{count} leaves", plural="{count} leave").translate(german, count=2) == "2 leave"


def test_a_translation_that_waits_for_review_is_not_shown(german: Language) -> None:
    assert german.gettext("Search") == "Search"


def test_values_are_filled_in_and_messages_among_them_translated() -> None:
    problem = Message("not {format}").bind(format=Message("an IP address"))
    assert problem.translate(FRENCH) == "n'est pas une adresse IP"
    assert problem.translate(ENGLISH) == "not an IP address"


def test_braces_of_a_text_without_values_stay() -> None:
    assert Message("a {brace").translate(ENGLISH) == "a {brace"


def test_a_third_language_is_one_file_more(german: Language, tmp_path: Path) -> None:
    assert german.name == "Deutsch"
    assert Message("lost", plural="lost", context="tablet").translate(german, count=2) == "verlorene"
    among = find_languages(tmp_path)
    assert choose_language("fr;q=0.2, de-AT;q=0.9", ENGLISH, among) == german
    assert find_language("fr", among) is None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en", "en"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de, fr;q=0.5, en;q=0.9", "en"),
        ("xx", "fr"),
        ("en;q=nonsense, fr;q=0.1", "fr"),
        ("*", "fr"),
        ("../../etc/passwd", "fr"),
    ],
)
def test_the_language_is_negotiated_from_the_header(header: str | None, code: str) -> None:
    assert choose_language(header).code == code


def test_the_default_language_stands_first_and_says_its_own_name() -> None:
    assert [(each.code, each.name) for each in list_available_languages()] == [("fr", "Français"), ("en", "English")]


def test_an_error_says_its_message_with_its_details() -> None:
    class TooMany(DomainError):
        message = Message("more than {count} entry", plural="more than {count} entries")

    assert TooMany(count=3).translate(FRENCH) == "plus de 3 éléments"
    assert Invalid(field="x").translate(ENGLISH) == "A value is not acceptable."


def test_a_message_of_a_data_file_may_have_a_context() -> None:
    assert read_message({"text": "None", "context": "alert"}).translate(FRENCH) == "Aucune"
    assert read_message("None").translate(FRENCH) == "Aucun"


def test_every_catalogue_of_the_product_is_complete_and_its_placeholders_agree() -> None:
    assert messages.check_catalogues(collect_texts()) == []


@pytest.mark.parametrize(
    ("source", "translated", "problem"),
    [
        (("Save",), "", "missing: Save"),
        (("Save",), 'msgid "Save"\nmsgstr ""', "missing: Save"),
        (("Save",), '#, fuzzy\nmsgid "Save"\nmsgstr "Garder"', "fuzzy: Save"),
        ((), 'msgid "Save"\nmsgstr "Garder"', "stale: Save"),
        ((), '#~ msgid "Save"\n#~ msgstr "Garder"', "stale: Save"),
        (("At {day}",), 'msgid "At {day}"\nmsgstr "Le {jour}"', "placeholders differ: At {day}"),
        (("At {day}",), 'msgid "At {day}"\nmsgstr "Aujourd\'hui"', "placeholders differ: At {day}"),
        ((("{count} tablet", "{count} tablets"),), 'msgid "{count} tablet"\nmsgstr "{count} tablette"',
         "plural forms differ: {count} tablet"),
        ((("{count} tablet", "{count} tablets"),),
         'msgid "{count} tablet"\nmsgid_plural "{count} tablets"\nmsgstr[0] "une tablette"\nmsgstr[1] "{n} tablettes"',
         "placeholders differ: {count} tablet"),
        ((("{count} tablet", "{count} tablets"),),
         'msgid "{count} tablet"\nmsgid_plural "{count} tablets"\nmsgstr[0] "une tablette"\nmsgstr[1] ""', "missing: {count} tablet"),
    ],
)  # fmt: skip
def test_the_check_names_what_is_wrong(source: tuple[str | tuple[str, str], ...], translated: str, problem: str) -> None:
    assert list(messages.find_problems(template(*source), catalogue(translated))) == [problem]


def test_the_check_accepts_a_singular_without_its_count() -> None:
    text = 'msgid "{count} tablet"\nmsgid_plural "{count} tablets"\nmsgstr[0] "une tablette"\nmsgstr[1] "{count} tablettes"'
    assert list(messages.find_problems(template(("{count} tablet", "{count} tablets")), catalogue(text))) == []


def test_an_update_keeps_translations_adds_new_texts_and_drops_former_ones(tmp_path: Path) -> None:
    messages.update(tmp_path, "de", template("Save", "Search"))
    file = tmp_path / "de" / CATALOGUE_FILE
    file.write_text(file.read_text().replace('msgid "Save"\nmsgstr ""', 'msgid "Save"\nmsgstr "Sichern"'))
    messages.update(tmp_path, "de", template("Save", "Print"))
    texts = {entry.id: entry.string for entry in catalogue(file.read_text(), "de") if entry.id}
    assert texts == {"Save": "Sichern", "Print": ""}
    before = file.read_bytes()
    messages.update(tmp_path, "de", template("Save", "Print"))
    assert file.read_bytes() == before


def test_texts_are_collected_from_code_templates_and_data() -> None:
    texts = collect_texts()
    for text, context in [
        ("Request refused.", None),
        ("Password", None),
        ("Camera", None),
        ("None", "alert"),
        ("Loan file", None),
    ]:
        assert texts.get(text, context) is not None, text
    ordered = texts.get("ordered", "tablet")
    assert ordered is not None
    assert ordered.pluralizable


def test_the_catalogues_lie_in_the_package() -> None:
    assert (CATALOGUES / "fr" / CATALOGUE_FILE).is_file()
