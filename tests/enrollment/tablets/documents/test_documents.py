"""Papers of the desk: names in any script are shown as they are, and no label has a place for a child."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import typst

from cartable.errors import Invalid
from cartable.fonts import find_unshowable_texts, list_packaged_font_folders
from cartable.i18n import FRENCH, Language, list_available_languages
from enrollment.tablets.documents import (
    MAX_LABELS,
    MAX_SHEETS,
    DeliveryLine,
    Heading,
    Label,
    PupilSheet,
    render_delivery_list,
    render_handover_sheets,
    render_labels,
    render_return_slips,
)
from enrollment.tablets.labels import ACCESSORIES
from enrollment.tablets.models import AccessoryKind
from tests.interop.conftest import require_program

Paper = Callable[[Heading, list[PupilSheet], Language], bytes]

DAY = date(2026, 9, 3)
HEADING = Heading("Belleville-sur-Craie", "01 00 00 00 00", "École Jules-Verne", "CE1-CE2", DAY)
NAMES = [
    "D'ARTAGNAN-LE GOFF Élise-Anaïs", "EL HADJ Zoé", "NGUYEN A", "محمد بن علي", "தமிழ்ச்செல்வி", "王小明", "#set page(width: 1pt)",
    '$x$ \\ *a* _b_ @c <d> "e" `f`', "//", "/* */", "]#panic()[", "🎒", "x" * 500,
]  # fmt: skip


def _pages(pdf: bytes) -> int:
    assert pdf.startswith(b"%PDF")
    found = re.search(rb"/Type\s*/Pages.*?/Count\s+(\d+)|/Count\s+(\d+).*?/Type\s*/Pages", pdf, re.DOTALL)
    assert found
    return int(found[1] or found[2])


def test_a_label_has_no_field_for_a_child() -> None:
    assert {field.name for field in dataclasses.fields(Label)} == {"tag", "serial", "url"}


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (24, 1), (25, 2), (60, 3)])
def test_labels_fill_sheets_of_twenty_four(count: int, pages: int) -> None:
    wanted = [Label(f"CLA-{n:05d}", f"DMPX{n:06d}", f"https://mdm.test/t/CLA-{n:05d}") for n in range(count)]
    assert _pages(render_labels("Belleville & <Craie>", "01 00", wanted, DAY)) == pages


@pytest.mark.parametrize("language", list_available_languages())
def test_a_class_has_its_list_and_a_sheet_for_each_pupil_whatever_the_name(language: Language) -> None:
    wanted = [PupilSheet(name, f"CLA-{n:05d}", take_home=bool(n % 2), agreement_signed=not n % 3) for n, name in enumerate(NAMES)]
    pdf = render_handover_sheets(HEADING, wanted, language)
    assert _pages(pdf) == 1 + len(NAMES)
    assert pdf == render_handover_sheets(HEADING, wanted, language)


def test_none_and_too_many_are_refused() -> None:
    label, sheet = Label("T", "S", "https://x"), PupilSheet("A", "T", take_home=True, agreement_signed=True)
    for count in (0, MAX_LABELS + 1):
        with pytest.raises(Invalid):
            render_labels("", "", [label] * count, DAY)
    for count in (0, MAX_SHEETS + 1):
        with pytest.raises(Invalid):
            render_handover_sheets(HEADING, [sheet] * count)


def test_every_accessory_has_a_translation() -> None:
    assert set(ACCESSORIES) == set(AccessoryKind)


_SCRIPTS = ["Nguyễn Thị Hương", "محمد بن علي", "தமிழ்ச்செல்வி", "王小明", "שרה כהן", "Ανδρέας", "Софія", "ሄለን", "ณัฐ", "🎒 Zoé", "𒀀"]


def _text(pdf: bytes, tmp_path: Path) -> str:
    (tmp_path / "paper.pdf").write_bytes(pdf)
    return subprocess.run(
        [require_program("pdftotext"), tmp_path / "paper.pdf", "-"], capture_output=True, check=True
    ).stdout.decode()


@pytest.mark.parametrize("paper", [render_handover_sheets, render_return_slips])
def test_a_name_is_printed_completely_or_replaced_by_a_line(paper: Paper, tmp_path: Path) -> None:
    wanted = [
        PupilSheet(name, f"CLA-{n:05d}", take_home=True, agreement_signed=False, code=f"CARTABLE-P-{n:032x}")
        for n, name in enumerate(_SCRIPTS)
    ]
    blank = find_unshowable_texts(_SCRIPTS)
    text = unicodedata.normalize("NFKC", _text(paper(HEADING, wanted, FRENCH), tmp_path))
    for number, name in enumerate(_SCRIPTS):
        assert f"CLA-{number:05d}" in text
        if name in blank:
            assert f"nom à écrire à la main · {number:02x}" in text
        elif name.isascii() or unicodedata.bidirectional(name[0]) == "L":
            assert unicodedata.normalize("NFKC", name)[:3] in text


def test_without_system_fonts_every_document_is_still_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    monkeypatch.setattr("cartable.fonts.load_fonts", lambda: bare)
    assert find_unshowable_texts(["Élise", "Nguyễn"]) == set()
    assert find_unshowable_texts(["王小明", "Élise"]) == {"王小明"}
    wanted = [
        PupilSheet(name, f"CLA-{n:05d}", take_home=False, agreement_signed=True, code="x-7f")
        for n, name in enumerate([*_SCRIPTS, *NAMES])
    ]
    for language in list_available_languages():
        assert _pages(render_handover_sheets(HEADING, wanted, language)) == 1 + len(wanted)
    text = _text(render_handover_sheets(Heading("王", "1", "王小明", "王", DAY), wanted[:4]), tmp_path)
    assert text.count("nom à écrire à la main · 7f") == 4  # two names, each in the list and on its sheet
    assert "Nguyễn Thị Hương" in unicodedata.normalize("NFC", text)


def test_the_fonts_that_come_with_the_program_show_the_scripts_of_its_families(monkeypatch: pytest.MonkeyPatch) -> None:
    own = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=list_packaged_font_folders())
    monkeypatch.setattr("cartable.fonts.load_fonts", lambda: own)
    assert (
        find_unshowable_texts(["زينب الحاج", "தமிழ்ச்செல்வி", "प्रिया", "Nguyễn", "Çağrı Şahin", "Владимир", "Αλέξανδρος", "דוד"])
        == set()
    )


def test_slips_and_delivery_lists() -> None:
    sheet = PupilSheet("Zoé Exemple", "CLA-00001", take_home=True, agreement_signed=True)
    assert _pages(render_return_slips(HEADING, [sheet] * 5)) == 3
    lines = [DeliveryLine(f"CLA-{n:05d}", f"DMPX{n:06d}", "commandée") for n in range(100)]
    assert _pages(render_delivery_list("Belleville", "BC-1 #x $y", lines, DAY)) >= 2
    with pytest.raises(Invalid):
        render_delivery_list("Belleville", "BC-1", [], DAY)
