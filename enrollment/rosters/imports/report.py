"""Writes the report of an import, line by line, as a file for a spreadsheet. No cell can run as a formula or change its meaning there."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from cartable.i18n import Language, Message
from cartable.spreadsheets import build_workbook, escape_formula

_COLUMNS = {
    "number": Message("number"),
    "line": Message("line of the file"),
    "subject": Message("person"),
    "kind": Message("change"),
    "last_name": Message("last name"),
    "first_name": Message("first name"),
    "grade": Message("grade"),
    "class": Message("class"),
    "why": Message("why"),
}
SUBJECTS = {
    "pupil": Message("pupil"),
    "guardian": Message("guardian"),
    "staff": Message("staff", context="person"),
}
#: Kinds of change; the plural forms are for counts of lines.
KINDS = {
    "new": Message("new", plural="new", context="roster line"),
    "unchanged": Message("unchanged", plural="unchanged", context="roster line"),
    "renamed": Message("details changed", plural="details changed", context="roster line"),
    "moved_class": Message("moved class", plural="moved class", context="roster line"),
    "changed_grade": Message("changed grade", plural="changed grade", context="roster line"),
    "left_file": Message("left the file", plural="left the file", context="roster line"),
    "duplicate": Message("duplicate", plural="duplicate", context="roster line"),
    "ambiguous": Message("to be decided", plural="to be decided", context="roster line"),
    "invalid": Message("not imported", plural="not imported", context="roster line"),
}


def build_table(changes: Sequence[dict[str, Any]], language: Language) -> list[list[str]]:
    """Return the report with its header: kinds in the reader's language, reasons as the stable codes of the API."""
    rows = [[title.translate(language) for title in _COLUMNS.values()]]
    for number, change in enumerate(changes):
        row = change["row"] or {}
        kind, subject = KINDS[change["kind"]].translate(language), SUBJECTS[change["subject"]].translate(language)
        values = [row.get(name) or "" for name in ("last_name", "first_name", "grade", "class_label")]
        rows.append([str(number), str(change["line"] or ""), subject, kind, *values, " ".join(change["why"])])
    return rows


def write_csv(changes: Sequence[dict[str, Any]], language: Language) -> bytes:
    """Return the report as CSV for a spreadsheet: UTF-8 with BOM, separated by `;`."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerows([escape_formula(cell) for cell in row] for row in build_table(changes, language))
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(changes: Sequence[dict[str, Any]], language: Language) -> bytes:
    """Return the report as a workbook whose cells are all text."""
    return build_workbook(build_table(changes, language))
