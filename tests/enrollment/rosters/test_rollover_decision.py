"""The column *Décision de passage*: its free text becomes one word, or none with a note."""

from __future__ import annotations

import pytest

from enrollment.places.models import Grade
from enrollment.rollover.models import RolloverDecision
from enrollment.rosters.files.rollover_decision import parse_rollover_decision
from enrollment.rosters.reading import read_roster
from tests.enrollment.rosters.files import OLD_ONDE, ONDE, onde_line, sheet_file, text_file

UP, STAYS, SKIPS = RolloverDecision.PROMOTED, RolloverDecision.RETAINED, RolloverDecision.SKIPPING


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Passage", UP), ("  passage  en   ce2. ", UP), ("PASSAGE EN CE2", UP), ("Passe en CE 2", UP), ("Admis(e)", UP), ("admise en CE2", UP),
        ("Classe supérieure", UP), ("Passage en classe supérieure", UP), ("Passage du CE1 au CE2", UP), ("Cours élémentaire 2ème année : admis", UP),
        ("Maintien", STAYS), ("MAINTENUE", STAYS), ("Redoublement", STAYS), ("Prolongation d'une année dans le cycle 2", STAYS),
        ("Maintien en CE1", STAYS), ("maintien exceptionnel", STAYS), ("Saut de classe", SKIPS), ("Accélération", SKIPS), ("acceleration", SKIPS),
        ("Raccourcissement de cycle", SKIPS), ("Passage anticipé en CM1", SKIPS), ("Passage en CM1", SKIPS),
        ("", None), ("Non", None), ("Passage refusé", None), ("pas de maintien", None), ("Maintien ou passage", None), ("Passage ?", None),
        ("Orientation ULIS", None), ("Passage en CE1", None), ("Passage en CM2", None), ("Passage en 6e", None), ("Maintien en CE2", None),
        ("Saut en CE2", None), ("CE2", None), ("Maintien dans la classe supérieure", None), ("=PASSAGE()", None), ("Demande de maintien", None),
    ],
)  # fmt: skip
def test_what_schools_write_of_a_pupil_of_ce1(text: str, word: RolloverDecision | None) -> None:
    assert parse_rollover_decision(text, Grade.CE1) is word


@pytest.mark.parametrize("text", ["Passage en 6ème", "Admis en sixième", "Passage au collège", "passage"])
def test_a_pupil_of_cm2_goes_up_to_a_school_that_is_not_ours(text: str) -> None:
    assert parse_rollover_decision(text, Grade.CM2) is UP


def test_the_column_is_read_in_csv_and_workbook_and_its_text_stays_behind() -> None:
    lines = [
        onde_line("A", "Zoé", decision="Redoublement"), onde_line("B", "Zoé"), onde_line("C", "Zoé", decision="Voir avec Mme Roux"),
        onde_line("D", "Zoé", grade="?", decision="Passage"),
    ]  # fmt: skip
    for content in (text_file(ONDE, *lines), sheet_file(ONDE, *lines)):
        roster = read_roster(content)
        assert [row.rollover_decision for row in roster.rows] == [STAYS, None, None, None]
        assert [row.notes for row in roster.rows] == [(), (), ("rollover_decision_unknown",), ()]
        assert not any("passage" in title.lower() for title in roster.ignored)
        assert "Roux" not in repr(roster)
        assert "Redoublement" not in repr(roster)
    [row] = read_roster(text_file(OLD_ONDE, "A;;Zoé;01/02/2018;F;x;x;x;x;CYCLE II;CE1;CE1 A;x;x;x")).rows
    assert (row.rollover_decision, row.notes) == (None, ())
