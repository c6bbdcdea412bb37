"""Every roster file of docs/domain/rosters.md: variants, encodings, faults, bounds."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.places.models import Grade
from enrollment.rosters.files.cells import (
    clean_cell,
    format_spreadsheet_value,
    parse_birth_date,
    parse_grade,
    parse_ine,
    parse_mobile,
)
from enrollment.rosters.files.columns import ColumnStatus, FileKind
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.reading import describe_file_columns, read_roster
from tests.enrollment.rosters.files import (
    CHILD,
    GUARDIANS,
    OLD_ONDE,
    ONDE,
    OWN,
    PAIRS,
    SHORT,
    STAFF,
    build_oneroster,
    onde_line,
    sheet_file,
    text_file,
    zip_file,
)

LINE = onde_line("D'ARTAGNAN-LE GOFF", "Élise-Anaïs", ine="1234567890A")


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableRoster) as caught:
        read_roster(content)
    return str(caught.value.details["why"])


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_an_onde_file_in_any_encoding(encoding: str, end: str) -> None:
    roster = read_roster(text_file(ONDE, LINE, encoding=encoding, end=end))
    [row] = roster.rows
    assert (row.last_name, row.first_name, row.grade, row.class_label) == (
        "D'ARTAGNAN-LE GOFF",
        "Élise-Anaïs",
        Grade.CE1,
        "CE1 A",
    )
    assert (row.ine, row.birth_date, row.onde_class_id, row.usage_name, row.take_home) == (
        "1234567890A",
        "01/02/2018",
        "77",
        "",
        None,
    )
    assert {"Sexe", "Adresse1", "Cycle", "Autorisation photo"} <= set(roster.ignored)


def test_the_older_variant_has_no_identifiers() -> None:
    [row] = read_roster(
        text_file(OLD_ONDE, "MARTIN;;Zoé;4/5/2018;F;1 rue;9;V;F;CYCLE II;Cours préparatoire;CLASSE  CP;Oui;Oui;Oui")
    ).rows
    assert (row.grade, row.class_label, row.birth_date, row.ine) == (Grade.CP, "CLASSE CP", "04/05/2018", "")


def test_the_short_variant_and_its_extra_columns() -> None:
    roster = read_roster(text_file(SHORT, "MARTIN;Zoé;01/01/2018;CM2;CM2 (dont 3 CM1);123456789AB;Chorale;ULIS;Mme X"))
    assert (roster.rows[0].grade, roster.rows[0].ine) == (Grade.CM2, "123456789AB")
    assert roster.ignored == ["Directeur"]
    assert (roster.rows[0].groups, roster.rows[0].units) == (("Chorale",), ("ULIS",))


def test_separators_blank_lines_footer_and_unknown_columns() -> None:
    for separator in ";,\t":
        roster = read_roster(
            text_file(*(line.replace(";", separator) for line in ("Nom;Prénom;Niveau;Couleur;;;", "A;B;CP;x;;;", "", "Total;1")))
        )
        assert (len(roster.rows), roster.skipped, roster.ignored) == (1, 2, ["Couleur"])


def test_a_spreadsheets_damage_is_named_and_a_bad_identifier_only_noted() -> None:
    lines = [
        onde_line("mars-26", "Zoé"),
        onde_line("MARTIN", "01/05/2026"),
        onde_line("MARTIN", "Zoé", ine="1,23457E+10"),
        onde_line("MARTIN", "Léa", born="30/02/2018"),
        onde_line("MARTIN", "Ana", grade="ULIS"),
        onde_line("", "Ana"),
        onde_line("NGUYEN", ""),
        '"EL HADJ\n BEN";;"Zoé\u00a0 Marie";01/02/2018;F;;;;;;;;;;;CE1;CE1;7;;;;',
    ]
    rows = read_roster(text_file(ONDE, *lines)).rows
    assert [row.problems for row in rows] == [
        ("damaged_name",), ("damaged_name",), (), (), ("unknown_grade",), ("no_last_name",), (), (),
    ]  # fmt: skip
    assert [row.notes for row in rows][2:4] == [("bad_ine",), ("bad_birth_date",)]
    assert (rows[6].notes, rows[7].last_name, rows[7].first_name) == (("no_first_name",), "EL HADJ BEN", "Zoé Marie")


def test_a_file_that_cannot_be_trusted_is_refused_with_a_stable_word() -> None:
    assert refusal("Nom;Prénom;Niveau\nÃ‰LISE;Zoé;CP\n".encode()) == "encoding_suspect"
    assert refusal(b"Nom;Prenom;Niveau\nA\x81;B;CP\n") == "encoding_suspect"
    assert refusal(b"Nom;Prenom\nA;B\n") == "missing_grade"
    assert refusal(b"Nom;Prenom;Niveau;Niveau\nA;B;CP;CE1\n") == "duplicate_column"
    assert refusal(b"") == "empty"
    assert refusal(b"\n\n;;\n") == "empty"
    assert refusal(b"Nom;Prenom;Niveau\n" + b"A;B;CP\n" * 5001) == "too_many_lines"
    assert refusal(b"x" * (5 * 2**20 + 1)) == "too_large"
    assert refusal(b"Nom\0;Prenom;Niveau\n") == "binary"


def test_guardians_with_three_children_and_lines_of_any_length() -> None:
    header = GUARDIANS.format(desk="") + ";".join([CHILD] * 2)
    contact = "1 rue;92;V;F;{mail};0102030405;;0612345678;"
    lines = [
        "MME;EL HADJ;BEN;Nadia;"
        + contact.format(mail="Nadia@Home.example")
        + ";EL HADJ;Zoé;CE2 A;;EL HADJ;Adam;CP;;EL HADJ;Aya;CM1",
        "M.;;MARTIN;Jean;1 rue;92;V;F;not an address;;;;;MARTIN;Martine",
        "Total;2",
    ]
    roster = read_roster(text_file(header, *lines), keep_contacts=True)
    nadia, jean = roster.guardians
    assert (nadia.last_name, nadia.first_name, nadia.email, nadia.mobile) == (
        "EL HADJ",
        "Nadia",
        "nadia@home.example",
        "+33612345678",
    )
    assert [(c.last_name, c.first_name, c.class_label) for c in nadia.children] == [
        ("EL HADJ", "Zoé", "CE2 A"), ("EL HADJ", "Adam", "CP"), ("EL HADJ", "Aya", "CM1"),
    ]  # fmt: skip
    assert (jean.email, jean.notes, len(jean.children), jean.children[0].class_label) == ("", ("bad_email",), 1, "")
    assert (roster.skipped, roster.format) == (1, "guardians")
    dropped = read_roster(text_file(header, *lines)).guardians[0]
    assert (dropped.email, dropped.mobile) == ("", ""), "contacts are kept only when the town runs the portal"


def test_the_older_guardian_file_has_a_desk_number() -> None:
    header = GUARDIANS.format(desk="Numéro de poste;") + CHILD
    [row] = read_roster(
        text_file(header, "M.;;MARTIN;Jean;1 rue;92;V;F;;0102030405;;12;0712345678;;MARTIN;A;CP;;MARTIN;B;CE1"),
        keep_contacts=True,
    ).guardians
    assert (row.mobile, len(row.children)) == ("+33712345678", 2), "one child in the header, two in the line"


def test_one_line_for_each_child_becomes_one_guardian_only_when_the_contact_is_the_same() -> None:
    tail = ";M.;;MARTIN;Jean;1 rue;92;V;F;{mail};;;"
    lines = [
        "MARTIN;Martin;;CP" + tail.format(mail="jean@home.example"),
        "MARTIN;Martine;;CP" + tail.format(mail="JEAN@home.example"),
        "MARTIN;Paul;;CE1" + tail.format(mail="other@home.example"),
    ]
    rows = read_roster(text_file(PAIRS, *lines)).guardians
    assert [len(row.children) for row in rows] == [2, 1]


def test_staff_from_the_template_and_from_a_list_of_everybody() -> None:
    roster = read_roster(
        text_file(STAFF, "0929001J;DURAND;Paul;P.Durand@Ville.example;CE1 A;décharge", "0929001J;PETIT;;bad;;cook")
    )
    assert (roster.format, roster.staff[0].kind, roster.staff[0].email) == ("staff", "relief", "p.durand@ville.example")
    assert (roster.staff[1].problems, roster.staff[1].notes) == (("unknown_kind",), ("bad_email",))
    listed = read_roster(text_file("Id;Nom;Prénom;Classe;Profil", "1;DURAND;Paul;CE1 A;Enseignant", "2;MARTIN;Zoé;CE1 A;Élève"))
    assert ([row.last_name for row in listed.staff], listed.skipped) == (["DURAND"], 1)


def test_the_own_template_tells_what_it_does_not_know() -> None:
    roster = read_roster(text_file(OWN, "0929001J;CE1 A;CE1;MARTIN;Zoé;non;CLA-00012", "0929001J;CE1 A;CE1;PETIT;Léo;;"))
    assert roster.format == "own"
    assert [(row.take_home, row.usage_name, row.inventory_tag) for row in roster.rows] == [
        (False, None, "CLA-00012"),
        (None, None, ""),
    ]


@pytest.mark.parametrize(
    ("header", "line", "kind"),
    [
        (ONDE, LINE, "onde"),
        (OWN, "0929001J;CE1 A;CE1;MARTIN;Zoé;oui;", "own"),
        (STAFF, "0929001J;DURAND;Paul;p@ville.example;CE1 A;main", "staff"),
        (GUARDIANS.format(desk="") + CHILD, "M.;;MARTIN;Jean;1;9;V;F;;;;;;MARTIN;A;CP", "guardians"),
    ],
)
def test_every_file_may_be_a_workbook(header: str, line: str, kind: str) -> None:
    from_sheet, from_text = read_roster(sheet_file(header, line)), read_roster(text_file(header, line))
    assert (from_sheet.format, from_sheet) == (kind, from_text)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("folder", ["", "export/"])
def test_oneroster(version: str, folder: str) -> None:
    roster = read_roster(build_oneroster("0929001J", version=version, folder=folder), keep_contacts=True)
    assert roster.format == f"oneroster_{version}"
    assert [(r.last_name, r.first_name, r.grade, r.class_label, r.school_uai, r.ine) for r in roster.rows] == [
        ("EL HADJ", "Zoé", Grade.CE1, "CE1 A", "0929001J", "1234567890A"),
        ("NGUYEN", "A", Grade.CE1, "CE1 A", "0929001J", ""),
    ]
    assert [(r.last_name, r.email, r.class_label, r.kind, r.school_uai) for r in roster.staff] == [
        ("DURAND", "paul.durand@ecole.example", "CE1 A", "main", "0929001J")
    ]
    [guardian] = roster.guardians
    assert (guardian.first_name, guardian.email, [c.source_id for c in guardian.children]) == (
        "Nadia",
        "nadia@home.example",
        ["u1"],
    )
    assert roster.skipped == 1


def test_a_partial_set_of_oneroster_is_refused() -> None:
    whole = zipfile.ZipFile(io.BytesIO(build_oneroster("0929001J")))
    without = zip_file({name: whole.read(name) for name in whole.namelist() if name != "enrollments.csv"})
    assert refusal(without) == "missing_enrollments"
    delta = zip_file({name: whole.read(name).replace(b"bulk", b"delta") for name in whole.namelist()})
    assert refusal(delta) == "oneroster_delta"
    unknown = zip_file(
        {name: whole.read(name).replace(b"oneroster.version,1.2", b"oneroster.version,9") for name in whole.namelist()}
    )
    assert refusal(unknown) == "oneroster_version"


def test_archives_of_strangers_are_bounded() -> None:
    bomb = zip_file({"users.csv": b"0" * (70 * 2**20), "orgs.csv": b""})
    assert len(bomb) < 100_000
    assert refusal(bomb) == "zip_too_large"
    assert refusal(zip_file({"users.csv": b"", **{f"f{n}": b"" for n in range(600)}})) == "zip_too_large"
    assert refusal(zip_file({"users.csv": b"", "../../etc/orgs.csv": b""})) == "zip_unsafe_name"
    assert refusal(zip_file({"users.csv": b"", "/orgs.csv": b""})) == "zip_unsafe_name"
    assert refusal(zip_file({"users.csv": b"", "a/users.csv": b""})) == "zip_duplicate"
    assert refusal(b"PK\x03\x04" + bytes(200)) == "bad_zip"
    assert refusal(zip_file({"word/document.xml": b"<x/>"})) == "zip_without_list"
    lying = bytearray(zip_file({"users.csv": b"a" * 100, "orgs.csv": b""}))
    at = lying.rindex(b"PK\x01\x02", 0, lying.rindex(b"PK\x01\x02"))
    lying[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert refusal(bytes(lying)) == "bad_zip", "a size that is not true"
    unwanted = read_roster(build_oneroster("0929001J", extra=[("demographics.csv", "0" * (80 * 2**20))]))
    assert len(unwanted.rows) == 2, "what is not wanted is never inflated"


def _damaged_sheet(part: str, old: bytes, new: bytes) -> bytes:
    archive = zipfile.ZipFile(io.BytesIO(sheet_file("Nom;Prénom;Niveau", "A;B;CP")))
    return zip_file(
        {name: archive.read(name).replace(old, new) if name == part else archive.read(name) for name in archive.namelist()}
    )


def test_a_workbook_is_looked_at_before_it_is_opened() -> None:
    far = _damaged_sheet("xl/worksheets/sheet1.xml", b'r="C2"', b'r="XFD1048576"')
    assert refusal(far) == "too_many_lines"
    long = _damaged_sheet("xl/sharedStrings.xml", b"Nom", b"N" * (50 * 2**20))
    assert refusal(long) == "too_large", "one long string in many cells"
    entity = _damaged_sheet("xl/sharedStrings.xml", b"<sst", b'<!DOCTYPE x [<!ENTITY a "b">]><sst')
    assert refusal(entity) == "bad_xlsx"
    broken = _damaged_sheet("xl/worksheets/sheet1.xml", b"<sheetData", b"<sheetDatum")
    with contextlib.suppress(UnreadableRoster):
        assert read_roster(broken).rows == []


def test_a_person_may_say_what_an_unknown_column_is_but_never_keep_what_is_forbidden() -> None:
    file = text_file("Patronyme;Prénom;Degré;Adresse1;Couleur;Cycle", "MARTIN;Zoé;CE1;1 rue;bleu;II")
    assert refusal(file) == "missing_last_name"
    kind, columns = describe_file_columns(file)
    assert kind is FileKind.PUPILS
    assert {title: status for title, _, status in columns} == {
        "Patronyme": ColumnStatus.UNKNOWN, "Prénom": ColumnStatus.KEPT, "Degré": ColumnStatus.UNKNOWN, "Adresse1": ColumnStatus.FORBIDDEN,
        "Couleur": ColumnStatus.UNKNOWN, "Cycle": ColumnStatus.LEFT_OUT,
    }  # fmt: skip
    hands = {FileKind.PUPILS: {"patronyme": "last_name", "degre": "grade", "adresse1": "class_label"}}
    [row] = read_roster(file, overrides=hands).rows
    assert (row.last_name, row.grade, row.class_label) == ("MARTIN", Grade.CE1, "")


@pytest.mark.parametrize(
    ("cell", "grade"),
    [
        ("CE 1", Grade.CE1),
        ("cm2", Grade.CM2),
        ("Cours élémentaire 1ère année", Grade.CE1),
        ("Grande Section", Grade.GS),
        ("6e", None),
    ],
)
def test_grades(cell: str, grade: Grade | None) -> None:
    assert parse_grade(cell) is grade


def test_cells() -> None:
    assert [parse_ine(each) for each in ("1234567890A", "123456789ab", "", "12345678901")] == [
        "1234567890A",
        "123456789AB",
        "",
        None,
    ]
    assert [parse_birth_date(each) for each in ("1/2/2018", "2018-02-01", "2018-02-01T00:00:00", "", "1/13/2018")] == [
        "01/02/2018", "01/02/2018", "01/02/2018", "", None,
    ]  # fmt: skip
    assert [parse_mobile(each) for each in ("06 12 34 56 78", "+33 7 12 34 56 78", "+351 912 345 678", "01 02 03 04 05", "")] == [
        "+33612345678", "+33712345678", "+351912345678", None, "",
    ]  # fmt: skip
    assert [clean_cell(each) for each in (" L’Haÿ\u00a0les ", "'=cmd", "'Ndiaye", "e\u0301")] == [
        "L'Haÿ les",
        "=cmd",
        "'Ndiaye",
        "é",
    ]


@given(st.binary(max_size=500))
def test_any_bytes_are_a_roster_or_a_refusal(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"Nom;Prenom;Niveau\n", b"Nom responsable;Nom enfant;Prenom enfant\n"):
        with contextlib.suppress(UnreadableRoster):
            read_roster(start + content)


@given(
    st.dictionaries(
        st.sampled_from(["users.csv", "orgs.csv", "classes.csv", "enrollments.csv", "roles.csv", "manifest.csv"]),
        st.text(max_size=80),
    )
)
def test_any_archive_is_a_roster_or_a_refusal(files: dict[str, str]) -> None:
    with contextlib.suppress(UnreadableRoster):
        read_roster(zip_file({"users.csv": "", **files}))


def test_a_refusal_for_a_quotation_mark_names_its_line() -> None:
    lines = [onde_line("PETIT", "Max"), '"' + onde_line("MARTIN", "Zoé"), onde_line("LEGRAND", "Inès")]
    with pytest.raises(UnreadableRoster) as caught:
        read_roster(text_file(ONDE, *lines))
    assert caught.value.details == {"why": "open_quote", "line": 3}


@pytest.mark.parametrize("cell", ['"1 rue A; bât. B\r\n92140; CLAMART"', '"dit ""le Grand"""', '"a\r\nb\r\nc"', '5" de haut'])
def test_quotation_marks_that_end_are_read(cell: str) -> None:
    lines = [onde_line("MARTIN", "Zoé", forbidden=cell), onde_line("LEGRAND", "Inès", forbidden=cell)]
    assert [row.last_name for row in read_roster(text_file(ONDE, *lines)).rows] == ["MARTIN", "LEGRAND"]


def test_the_last_adult_of_a_list_needs_no_more_than_a_name() -> None:
    roster = read_roster(text_file("Nom;Prénom;Courriel", "DURAND;Paul;paul@ecole.example", "PETIT;Luc;", end="\n"))
    assert ([row.last_name for row in roster.staff], roster.skipped) == (["DURAND", "PETIT"], 0)
    footer = read_roster(text_file("Nom;Prénom;Courriel", "DURAND;Paul;paul@ecole.example", "1 personne;;", end="\n"))
    assert ([row.last_name for row in footer.staff], footer.skipped) == (["DURAND"], 1)


@pytest.mark.parametrize("last", ["PETIT;Max;;", "PETIT;Max;", "PETIT;Max"])
def test_the_last_pupil_without_a_level_is_told_and_no_footer(last: str) -> None:
    """Left out as a footer, a known pupil would count as having left."""
    roster = read_roster(text_file("Nom;Prénom;Niveau;Classe", "MARTIN;Zoé;CE1;CE1 A", last))
    assert [(row.last_name, row.problems) for row in roster.rows] == [("MARTIN", ()), ("PETIT", ("unknown_grade",))]
    for footer in ("Total;25", "Extraction du;23/11/2026", "2 élèves;;"):
        assert [row.last_name for row in read_roster(text_file("Nom;Prénom;Niveau;Classe", "MARTIN;Zoé;CE1;", footer)).rows] == [
            "MARTIN"
        ]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_cell_of_a_workbook_that_is_no_number_is_empty(number: float) -> None:
    assert format_spreadsheet_value(number) == ""
