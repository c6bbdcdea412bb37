"""Builds spreadsheets in memory in which no cell is executed as a formula. Knows nothing about the content."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import xlsxwriter

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet program would execute this cell as a formula."""
    return cell.lstrip(" \u00a0").startswith(_FORMULA_PREFIXES) or cell.startswith(_FORMULA_PREFIXES)


def escape_formula(cell: str) -> str:
    """Return the cell with an apostrophe before a formula. The import of rosters removes that apostrophe again."""
    return "'" + cell if is_formula(cell) else cell


def build_workbook(rows: Sequence[Sequence[str]], title: str = "Cartable") -> bytes:
    """Build an XLSX file with one sheet. Every cell is a string, so nothing is executed. No temporary file is written."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        sheet = book.add_worksheet(title)
        bold = book.add_format({"bold": True})
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell[:32_000], *([bold] if number == 0 else []))
        sheet.freeze_panes(1, 0)
        sheet.autofit()
    return buffer.getvalue()


def build_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Build a CSV file as French spreadsheet programs open it: semicolons, UTF-8 with a mark, formulas behind an apostrophe."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([escape_formula(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
