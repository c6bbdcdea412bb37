"""The report of an import, line by line, as files for a spreadsheet. A cell can neither run nor become something else there."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from cartable.i18n import Language, Words
from cartable.spreadsheets import build_workbook, escape_formula

_COLUMNS = {
    "number": Words(fr="n°", en="number"),
    "line": Words(fr="ligne du fichier", en="line of the file"),
    "subject": Words(fr="personne", en="person"),
    "kind": Words(fr="changement", en="change"),
    "last_name": Words(fr="nom", en="last name"),
    "first_name": Words(fr="prénom", en="first name"),
    "level": Words(fr="niveau", en="level"),
    "class": Words(fr="classe", en="class"),
    "why": Words(fr="pourquoi", en="why"),
}
_WORDS = {
    "pupil": Words(fr="élève", en="pupil"),
    "guardian": Words(fr="responsable", en="guardian"),
    "staff": Words(fr="adulte de l'école", en="staff"),
    "new": Words(fr="arrivée", en="new"),
    "unchanged": Words(fr="inchangé", en="unchanged"),
    "renamed": Words(fr="fiche modifiée", en="details changed"),
    "moved_class": Words(fr="change de classe", en="moved class"),
    "changed_level": Words(fr="change de niveau", en="changed level"),
    "left_file": Words(fr="absent du fichier", en="left the file"),
    "duplicate": Words(fr="en double", en="duplicate"),
    "ambiguous": Words(fr="à décider", en="to be decided"),
    "invalid": Words(fr="non importé", en="not imported"),
}


def table(changes: Sequence[dict[str, Any]], language: Language) -> list[list[str]]:
    """The report with its header; words for people, the reasons as the stable words of the API."""
    rows = [[title.say(language) for title in _COLUMNS.values()]]
    for number, change in enumerate(changes):
        row = change["row"] or {}
        kind, subject = _WORDS[change["kind"]].say(language), _WORDS[change["subject"]].say(language)
        named = [row.get(name) or "" for name in ("last_name", "first_name", "level", "class_label")]
        rows.append([str(number), str(change["line"] or ""), subject, kind, *named, " ".join(change["why"])])
    return rows


def as_csv(changes: Sequence[dict[str, Any]], language: Language) -> bytes:
    """For a spreadsheet: UTF-8 with BOM, `;`."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerows([escape_formula(cell) for cell in row] for row in table(changes, language))
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(changes: Sequence[dict[str, Any]], language: Language) -> bytes:
    """A workbook whose cells are all text."""
    return build_workbook(table(changes, language))
