"""Files of schools in every encoding that their computers write: read right, refused, or read with a word; never wrong without a word."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cartable.i18n import FRENCH
from cartable.unit_of_work import Runtime
from enrollment.rosters.files.cells import has_doubtful_letters
from enrollment.rosters.files.encodings import Encoding, decode_text
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.reading import read_roster
from mdm.console.people.labels import explain_warning
from tests.enrollment.rosters.files import ONDE, onde_line, sheet_file, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.sampling import count_examples

HEADERS = ("Nom;Prenom;Niveau;Classe", "Nom;Prénom;Niveau;Libellé classe")
PEOPLE = [("MARTIN", "Zoé"), ("PETIT", "Hélène"), ("GRAS", "François"), ("NOËL", "Maëlys"), ("D'ARTAGNAN", "Loïc"), ("FORÊT", "Jérôme"),
          ("MAÎTRE", "Benoît"), ("LEFÈVRE", "Anaïs"), ("GARÇON", "Côme"), ("SÉNÉCHAL", "Chloé")]  # fmt: skip
EIGHT_BIT = ("cp1252", "iso8859-15", "iso8859-1", "cp850", "cp437", "mac-roman")
ALL = (*EIGHT_BIT, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def build_file(people: list[tuple[str, str]], encoding: str, separator: str = ";", header: str = HEADERS[0]) -> bytes:
    lines = [header, *(f"{last};{first};CE1;CE1 A" for last, first in people)]
    return ("\r\n".join(lines) + "\r\n").replace(";", separator).encode(encoding)


def read_names(content: bytes) -> list[tuple[str, str]]:
    return [(row.last_name, row.first_name) for row in read_roster(content).rows]


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableRoster) as caught:
        read_roster(content)
    return str(caught.value.details["why"])


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ALL)
def test_a_class_is_read_right_in_every_encoding(encoding: str, separator: str, header: str) -> None:
    people = [(last, first) for last, first in PEOPLE if encoding != "cp437" or not set("ÊÈËÎ") & set(last)]
    roster = read_roster(build_file(people, encoding, separator, header))
    assert [(row.last_name, row.first_name) for row in roster.rows] == people
    guessed = {"cp850": Encoding.DOS, "cp437": Encoding.DOS, "mac-roman": Encoding.MAC}.get(encoding)
    assert roster.guessed_encoding == guessed, "an encoding that no software for schools writes is told"


_SINGLE_NAMES = ["Zoé", "Hélène", "François", "Noël", "Côme", "Maïté", "Benoît", "CÉLINE", "MICHÈLE", "Léonie"]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [(name, encoding) for name in _SINGLE_NAMES for encoding in EIGHT_BIT if (name, encoding) != ("MICHÈLE", "cp437")],
)
def test_a_single_name_is_enough_to_recognise_the_encoding(name: str, encoding: str) -> None:
    """CP437 has no capital È."""
    assert read_names(build_file([("MARTIN", name)], encoding)) == [("MARTIN", name)]


_NAMES = st.sampled_from(
    [
        "Zoé",
        "Hélène",
        "François",
        "Noël",
        "Côme",
        "Maïté",
        "Benoît",
        "Léa",
        "Jérôme",
        "Anaïs",
        "Loïc",
        "Gaël",
        "Chloé",
        "Adèle",
        "Thaïs",
        "Rémi",
        "Éloïse",
        "Étienne",
        "Agnès",
        "Solène",
        "Héloïse",
        "Cléo",
        "Mathéo",
        "Naïm",
        "Inès",
        "Océane",
        "Thérèse",
        "Geneviève",
        "Maëlle",
        "Raphaël",
        "Zélie",
        "Yaël",
        "Ève",
        "Théo",
        "Timéo",
        "Éva",
        "Noé",
        "Aurélie",
        "Gwenaëlle",
        "Salomé",
        "Daphné",
        "Lénaïg",
        "Tom",
        "Bébère",
        "Toufaïlé",
        "Mbârek",
        "Ouzoé",
        "Krôle",
        "Zûri",
        "Fétoui",
        "Ndèye",
        "Kôffi",
        "Grûnec",
        "Lâmine",
        "Çağla",
        "Nuñez",
        "José",
        "García",
        "Müller",
        "Jäger",
        "Öz",
        "Šime",
        "Łukasz",
    ]
)


@given(
    people=st.lists(st.tuples(_NAMES, _NAMES, st.sampled_from(["upper", "title"])), min_size=1, max_size=8),
    encoding=st.sampled_from(ALL),
    separator=st.sampled_from(";,\t"),
    header=st.sampled_from(HEADERS),
)
@settings(max_examples=count_examples(300), deadline=None)
def test_no_name_is_wrong_without_a_word(people: list[tuple[str, str, str]], encoding: str, separator: str, header: str) -> None:
    names = [(last.upper() if case == "upper" else last, first) for last, first, case in people]
    try:
        content = build_file(names, encoding, separator, header)
    except UnicodeEncodeError:
        return
    try:
        roster = read_roster(content)
    except UnreadableRoster as refused:
        event(str(refused.details["why"]))
        return
    read = [(row.last_name, row.first_name) for row in roster.rows]
    assert read == names or roster.guessed_encoding is not None or roster.count_doubtful_names()


@given(st.binary(max_size=400))
@settings(max_examples=count_examples(200), deadline=None)
def test_any_bytes_are_text_or_refused(content: bytes) -> None:
    with contextlib.suppress(UnreadableRoster):
        text = decode_text(content).text
        assert not set(text) & {"\ufeff", "\r", "\ufffd", "\0"}


@pytest.mark.parametrize("taken_for", ["cp1252", "latin-1", "cp850", "mac-roman"])
def test_utf_8_that_was_read_wrongly_once_is_refused(taken_for: str) -> None:
    damaged = build_file(PEOPLE, "utf-8").decode(taken_for, "replace")
    assert refusal(damaged.encode("utf-8")) == "encoding_suspect"
    once = build_file([("MARTIN", "Zoé")], "utf-8").decode(taken_for)
    assert refusal(once.encode("utf-8")) == "encoding_suspect"
    assert refusal(once.encode("utf-16")) == "encoding_suspect"


def test_real_letters_side_by_side_are_not_taken_for_damage() -> None:
    names = [("ŒÉ", "Aïé"), ("ÇÖL", "«Zoé»"), ("L’ÉTOILE", "d’Ève"), ("JOÃO", "Conceição"), ("ĐẶNG", "Lễ"), ("ØRÅSÆ", "Ñuñez")]
    assert [last for last, _ in read_names(build_file(names, "utf-8"))] == ["ŒÉ", "ÇÖL", "L'ÉTOILE", "JOÃO", "ĐẶNG", "ØRÅSÆ"]


def test_one_letter_that_two_encodings_read_differently_stops_the_file() -> None:
    content = b"Nom;Prenom;Niveau\nXXD4X;Zoe;CE1\n".replace(b"D4", b"\xd4")
    assert refusal(content) == "encoding_suspect", "Ô of Windows or È of DOS"
    known = content.replace(b"XX\xd4X", b"C\xd4ME")
    assert read_names(known) == [("CÔME", "Zoe")], "a known name decides"


def test_two_encodings_in_one_file_are_refused() -> None:
    mixed = build_file([("MARTIN", "Zoé")], "utf-8") + "PETIT;Hélène;CE1;CE1 A\r\n".encode("cp1252")
    assert refusal(mixed) == "encoding_suspect"
    cut = build_file([("MARTIN", "Zoé")], "utf-8", header=HEADERS[1])[: -len("\xa9;CE1;CE1 A\r\n")]
    assert refusal(cut) == "encoding_suspect", "a file that ends within a letter"


@pytest.mark.parametrize("tail", [b"\x1a", b"\x00" * 512, b"\x1a\x00\x00"])
def test_the_end_mark_of_dos_and_padding_are_no_text(tail: bytes) -> None:
    assert read_names(build_file([("MARTIN", "Zoé")], "cp850") + tail) == [("MARTIN", "Zoé")]


def test_nul_bytes_within_the_text_are_refused() -> None:
    assert refusal(b"Nom;Prenom;Niveau\nMAR\0TIN;Zoe;CE1\n") == "binary"
    assert refusal(build_file([("MAR\0TIN", "Zoé")], "utf-16")) == "binary"
    assert refusal(build_file(PEOPLE, "utf-16-le")[:-1]) == "binary"


def test_byte_order_marks_within_the_file_disappear() -> None:
    first, second = build_file([("MARTIN", "Zoé")], "utf-8-sig"), '"PETIT";"Hélène";CE1;CE1 A\r\n'.encode("utf-8-sig")
    assert read_names(b"\xef\xbb\xbf" + first + second) == [("MARTIN", "Zoé"), ("PETIT", "Hélène")]
    in_dos = b"\xef\xbb\xbf" + build_file([("MARTIN", "Zoé")], "cp1252")
    assert read_names(in_dos) == [("MARTIN", "Zoé")], "a mark before text of another encoding"


@pytest.mark.parametrize("name", ["Fran?ois", "Zo?", "H?l?ne", "Zo‚", "Anaã¯s", "HŠlŠne", "Zo\u00a6"])
def test_lost_letters_of_a_name_are_told_and_the_line_is_kept(name: str) -> None:
    [row] = read_roster(build_file([("MARTIN", name)], "utf-16")).rows
    assert (row.first_name, row.notes, row.problems) == (name, ("doubtful_letters",), ())


@pytest.mark.parametrize(
    "name", ["D'ARTAGNAN-LE GOFF", "Élise-Anaïs", "EL HADJ", "Dos Santos (Silva)", "Ng. Ðặng", "SÃO-JOÃO", "Þór", "Marie/Anne", "Ã l"]
)  # fmt: skip
def test_only_odd_letters_are_doubtful(name: str) -> None:
    assert has_doubtful_letters(name) is (name == "Ã l")


def test_damage_in_a_workbook_is_told_too() -> None:
    [row] = read_roster(sheet_file(ONDE, onde_line("MARTIN", "Zo‚"))).rows
    assert row.notes == ("doubtful_letters",)


def test_a_guessed_encoding_and_lost_letters_stand_in_the_preview(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        content = build_file([("MARTIN", "Zoé"), ("PETIT", "Hélène"), ("GRAS", "Fran?ois")], "cp850")
        made = scenario.preview_file(content)
        assert made.warnings == [{"code": "encoding_guessed", "encoding": "cp850"}, {"code": "doubtful_letters", "count": 1}]
        assert "MS-DOS" in explain_warning(made.warnings[0], FRENCH)
        assert "1" in explain_warning(made.warnings[1], FRENCH)
        assert [why for last, _, why in scenario.list_lines(made) if last == "GRAS"] == [("doubtful_letters",)]
        assert scenario.preview_file(text_file(ONDE, onde_line("MARTIN", "Zoé"))).warnings == []
