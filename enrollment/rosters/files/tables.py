"""Bytes of a CSV or XLSX file in, a table of clean cells out, within bounds (schools.md section 7.3)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from enrollment.rosters.files.archive import is_zip, repack_zip, unpack_zip
from enrollment.rosters.files.cells import MAX_CELL, clean_cell, format_spreadsheet_value
from enrollment.rosters.files.errors import UnreadableRoster

MAX_BYTES = 5 * 2**20
MAX_LINES = 5000
MAX_COLUMNS = 200
#: What the cells of one sheet may add up to: a few shared strings can stand in a million cells.
MAX_SHEET = 256 * 2**20

#: How a workbook with a password begins, and one of before 2007.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

Table = list[list[str]]


def read_table(content: bytes) -> Table:
    """Read a CSV or XLSX file whole; the first line is the header. Raises `UnreadableRoster`."""
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    if content.startswith(_COMPOUND):
        raise UnreadableRoster(why="locked_or_old_workbook")
    table = list(_read_xlsx(content)) if is_zip(content) else read_csv(content)
    if not table:
        raise UnreadableRoster(why="empty")
    return table


def read_csv(content: bytes, max_lines: int = MAX_LINES, max_cell: int = MAX_CELL) -> Table:
    """Read a CSV file: `;` is expected, `,` and tab are recognised by the header. Raises `UnreadableRoster`."""
    delimiter, text = _detect_delimiter(_decode(content))
    table: Table = []
    try:
        for cells in csv.reader(io.StringIO(text), delimiter=delimiter):
            table.append([clean_cell(cell, max_cell) for cell in cells[:MAX_COLUMNS]])
            if len(table) > max_lines + 1:
                raise UnreadableRoster(why="too_many_lines")
    except csv.Error as error:
        raise UnreadableRoster(why="bad_csv") from error
    return table


#: The line by which a spreadsheet tells itself what separates the cells.
_SEPARATOR_LINE = re.compile(r"\s{0,9}\"?sep=([;,\t])\"?[;,\t]{0,200}\n", re.IGNORECASE)
#: A title may stand above the header; one comma in it says nothing yet.
_INSPECTED_LINES, _CERTAIN_COUNT = 10, 2


def _detect_delimiter(text: str) -> tuple[str, str]:
    """What separates the cells, by the first line that shows it, and the text without a line that only says so."""
    if told := _SEPARATOR_LINE.match(text):
        return told.group(1), text[told.end() :]
    lines = [line for line in text.split("\n", _INSPECTED_LINES)[:_INSPECTED_LINES] if line.strip(";,\t ")]
    signs = [max(";,\t", key=line.count) for line in lines]
    sure = (sign for sign, line in zip(signs, lines, strict=True) if line.count(sign) >= _CERTAIN_COUNT)
    return next(sure, signs[0] if signs else ";"), text


def _decode(content: bytes) -> str:
    """UTF-8, with or without BOM, or UTF-16 with one, else Windows-1252. Text that was decoded wrongly before is refused."""
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and b"\0" in content:
        raise UnreadableRoster(why="binary")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise UnreadableRoster(why="binary")
    if any(sign in text for sign in ("Ã©", "Ã¨", "Ã‰", "Ã«", "Ã§", "\ufffd")):
        raise UnreadableRoster(why="encoding_suspect")
    return text.replace("\r\n", "\n").replace("\r", "\n")


#: What a reader of cells needs of a workbook; themes, drawings, macros and links to elsewhere are not even inflated.
_WORKBOOK_PARTS = re.compile(
    r"(\[Content_Types\]\.xml|_rels/\.rels|xl/(workbook|sharedStrings|styles)\.xml|xl/_rels/[^/]+\.rels|xl/worksheets/[^/]+\.xml)$",
    re.IGNORECASE,
)


def _read_xlsx(content: bytes) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    parts = unpack_zip(content, lambda name: _WORKBOOK_PARTS.match(name) is not None)
    if "xl/workbook.xml" not in parts:
        raise UnreadableRoster(why="bad_xlsx")
    _check_sheets(parts)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(repack_zip(parts)))
        shown = (
            at
            for at, each in enumerate(workbook.sheets_metadata)
            if each.visible == SheetVisibleEnum.Visible and each.typ == SheetTypeEnum.WorkSheet
        )
        rows = workbook.get_sheet_by_index(next(shown, 0)).to_python(skip_empty_area=False)
    except (CalamineError, ValueError, IndexError, OSError) as error:
        raise UnreadableRoster(why="bad_xlsx") from error
    for row in rows:
        yield [clean_cell(format_spreadsheet_value(value)) for value in row]


_CELL_REFERENCE = re.compile(rb"\br\s*=\s*[\"']\s*([A-Za-z]{0,3})(\d{1,9})[\"']")
_STRING = re.compile(rb"<(?:[\w.-]+:)?si[\s>]")
_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")


def _check_sheets(parts: dict[str, bytes]) -> None:
    """Refuse a workbook before it is opened when its cells stand too far apart (one cell in the last corner means a
    table of 17 thousand million) or when few strings fill many cells.
    """
    strings = [each for part in parts.values() for each in _STRING.split(part)[1:]]
    longest = max((len(each) for each in strings), default=0)
    for part in parts.values():  # each of them: relations may call any part a sheet
        if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
            raise UnreadableRoster(why="bad_xlsx")
        for letters, digits in _CELL_REFERENCE.findall(part):
            if int(digits) > MAX_LINES + 1 or _column_number(letters) > MAX_COLUMNS:
                raise UnreadableRoster(why="too_many_lines")
        cells = len(_CELL.findall(part))
        if cells > (MAX_LINES + 1) * MAX_COLUMNS or cells * longest > MAX_SHEET:
            raise UnreadableRoster(why="too_large")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
