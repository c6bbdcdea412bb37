"""Papers of the desk: names in any script are shown as they are, and no label has a place for a child."""

from __future__ import annotations

import dataclasses
import re
from datetime import date

import pytest

from enrollment.tablets.models import AccessoryKind
from enrollment.tablets.papers import MOST_LABELS, MOST_SHEETS, Heading, Label, Sheet, handover_sheets, labels
from enrollment.tablets.words import ACCESSORIES
from mdm.kit.errors import Invalid
from mdm.kit.words import Language

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
    assert _pages(labels("Belleville & <Craie>", "01 00", wanted, DAY)) == pages


@pytest.mark.parametrize("language", list(Language))
def test_a_class_has_its_list_and_a_sheet_for_each_pupil_whatever_the_name(language: Language) -> None:
    wanted = [Sheet(name, f"CLA-{n:05d}", take_home=bool(n % 2), agreed=not n % 3) for n, name in enumerate(NAMES)]
    pdf = handover_sheets(HEADING, wanted, language)
    assert _pages(pdf) == 1 + len(NAMES)
    assert pdf == handover_sheets(HEADING, wanted, language)


def test_none_and_too_many_are_refused() -> None:
    label, sheet = Label("T", "S", "https://x"), Sheet("A", "T", take_home=True, agreed=True)
    for count in (0, MOST_LABELS + 1):
        with pytest.raises(Invalid):
            labels("", "", [label] * count, DAY)
    for count in (0, MOST_SHEETS + 1):
        with pytest.raises(Invalid):
            handover_sheets(HEADING, [sheet] * count)


def test_every_accessory_has_its_word() -> None:
    assert set(ACCESSORIES) == set(AccessoryKind)
