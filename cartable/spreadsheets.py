"""Tables for spreadsheets, in memory: nothing that came from a file may run there. Knows no domain words."""

from __future__ import annotations

import io
from collections.abc import Sequence

import xlsxwriter

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would take this cell for a formula."""
    return cell.lstrip(" \u00a0").startswith(_FORMULA_PREFIXES) or cell.startswith(_FORMULA_PREFIXES)


def escape_formula(cell: str) -> str:
    """The cell, with an apostrophe before what would run. Reading a roster takes that apostrophe away again."""
    return "'" + cell if is_formula(cell) else cell


def build_workbook(rows: Sequence[Sequence[str]], title: str = "Cartable") -> bytes:
    """An XLSX file with one sheet; every cell is a string, so nothing is run. No temporary file is made."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet(title)
        bold = book.add_format({"bold": True})
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(at, column, cell[:32_000], *([bold] if at == 0 else []))
        sheet.freeze_panes(1, 0)
        sheet.autofit()
    return out.getvalue()
