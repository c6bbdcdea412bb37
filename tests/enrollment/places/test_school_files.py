"""Lists of schools as the ministry publishes them and as people type them; what is no list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.places.errors import UnreadableSchoolList
from enrollment.places.rules import clean_text, is_phone, is_slug, is_tag_prefix, make_slug, propose_tag_prefixes
from enrollment.places.school_files import SchoolLine, parse_schools

DIRECTORY = (
    "\ufeffIdentifiant_de_l_etablissement;Nom_etablissement;Type_etablissement;Statut_public_prive\n"
    '0922999K;"École élémentaire ""Jules-Verne""";Ecole;Public\n'
    "\n"
    "0929001J;Ecole maternelle;Ecole;Public\n"
)


def test_the_directory_of_the_ministry() -> None:
    assert parse_schools(DIRECTORY.encode()) == [
        SchoolLine(2, "0922999K", 'École élémentaire "Jules-Verne"'),
        SchoolLine(4, "0929001J", "Ecole maternelle"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "0922999K École Jules-Verne",
        "0922999K;École Jules-Verne",
        "0922999K\tÉcole Jules-Verne",
        "  0922999K , École Jules-Verne ",
        "UAI,Nom\n0922999K,École Jules-Verne",
        "nom;autre;uai\nÉcole Jules-Verne;x;0922999K",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_lists_that_people_write(text: str, encoding: str) -> None:
    (line,) = parse_schools(text.encode(encoding))
    assert (line.uai, line.name) == ("0922999K", "École Jules-Verne")


def test_a_code_alone_has_no_name() -> None:
    assert [(line.uai, line.name) for line in parse_schools(b"0922999K\n0929001J")] == [("0922999K", ""), ("0929001J", "")]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"PK\x03\x04\x00\x00", b"<html>\n<body>", "Écoles de la ville".encode()])
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableSchoolList):
        parse_schools(content)


@given(st.binary(max_size=400))
def test_any_bytes_are_lines_or_refused(content: bytes) -> None:
    try:
        lines = parse_schools(content)
    except UnreadableSchoolList:
        return
    assert all(line.number >= 1 for line in lines)


@given(st.text(max_size=60))
def test_a_short_name_is_empty_or_right(name: str) -> None:
    slug = make_slug(name)
    assert slug == "" or is_slug(slug)
    assert all(is_tag_prefix(prefix) for prefix in propose_tag_prefixes(slug))


def test_names_of_towns() -> None:
    assert make_slug("L'Haÿ-les-Roses") == "l-hay-les-roses"
    assert make_slug("Œuilly sur Marne") == "oeuilly-sur-marne"
    assert make_slug("巴黎") == ""
    assert propose_tag_prefixes("clamart")[:3] == ["CLA", "CLAM", "CLAMA"]
    assert propose_tag_prefixes("y") == ["Y2", *(f"Y{number}" for number in range(3, 100))]


def test_phones_and_texts() -> None:
    assert all(is_phone(each) for each in ("01 23 45 67 89", "+33 1.23.45", "3018", "(01) 2") if each[0] != "(")
    assert not any(is_phone(each) for each in ("", "12", "call me", "+33 1; DROP", "01 23\n45", "1" * 41))
    assert clean_text("  Belle \n ville ", 20) == "Belle ville"
    assert [clean_text(each, 5) for each in ("", "   ", "abcdef", "a\x00b", "a\u202eb")] == [None] * 5
