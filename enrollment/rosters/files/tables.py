"""Reads the bytes of a CSV or XLSX file into a table of clean cells, within bounds on size.

See docs/domain/rosters.md#parsing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from enrollment.rosters.files.archive import is_workbook, is_zip, list_names, repack_zip, unpack_zip
from enrollment.rosters.files.cells import MAX_CELL, clean_cell, format_spreadsheet_value
from enrollment.rosters.files.encodings import Encoding, decode_text
from enrollment.rosters.files.errors import UnreadableRoster

MAX_BYTES = 5 * 2**20
MAX_LINES = 5000
MAX_COLUMNS = 200
#: The most characters that the cells of one sheet may add up to: a few shared strings can fill a million cells.
MAX_SHEET = 256 * 2**20

#: A list in an archive. Files of macOS beside it (`__MACOSX/._liste.csv`) have such names too.
_LIST_NAME = re.compile(r"(?!__MACOSX/)(?:[^/]{1,100}/){0,3}(?!\.)[^/]{1,200}\.(?:csv|txt|xlsx)", re.IGNORECASE)
#: The first bytes of a workbook with a password, and of one in the format before 2007.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a file, each a list of clean cells. `encoding`: that of a text file; `is_guess` as in `DecodedText`."""

    lines: list[list[str]]
    encoding: Encoding | None = None
    is_guess: bool = False


def read_table(content: bytes) -> Table:
    """Return all lines of a CSV or XLSX file, or of the only one in a zip archive, the header included. Raises `UnreadableRoster`."""
    table = _read_file(_unpack_only_list(content) if is_zip(content) and not is_workbook(content) else content)
    if not table.lines:
        raise UnreadableRoster(why="empty")
    return table


def _read_file(content: bytes) -> Table:
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    if content.startswith(_COMPOUND):
        raise UnreadableRoster(why="locked_or_old_workbook")
    return Table(list(_read_xlsx(content))) if is_zip(content) else read_csv(content)


def _unpack_only_list(content: bytes) -> bytes:
    """Return the only CSV or XLSX file of an archive: as programs of schools pack it, or as a person did before sending it.

    Raises `UnreadableRoster` with `open_document`, `zip_several_lists`, `zip_without_list`, and as `unpack_zip` does.
    """
    names = list_names(content)
    if "content.xml" in names and "mimetype" in names:  # a spreadsheet of LibreOffice (.ods)
        raise UnreadableRoster(why="open_document")
    lists = [name for name in names if _LIST_NAME.fullmatch(name)]
    if len(lists) != 1:
        raise UnreadableRoster(why="zip_several_lists" if lists else "zip_without_list")
    return unpack_zip(content, lists.__contains__)[lists[0]]


#: A line behind the last one, which no file contains: a quotation mark that is still open there takes it in.
_END = "\x1e"


def read_csv(content: bytes, max_lines: int = MAX_LINES, max_cell: int = MAX_CELL) -> Table:
    """Return all lines of a CSV file separated by `;`, `,` or tabs. Raises `UnreadableRoster`."""
    decoded = decode_text(content)
    delimiter, text = _detect_delimiter(decoded.text)
    lines: list[list[str]] = []
    reader = csv.reader(io.StringIO(text.removesuffix("\n") + "\n" + _END), delimiter=delimiter)
    start, width, is_complete = 1, 0, False
    try:
        for cells in reader:
            is_complete = cells == [_END]
            if is_complete:
                continue
            width = max(width, len(cells))
            if any(_contains_lines(cell, delimiter, width) for cell in cells):
                raise UnreadableRoster(why="open_quote", line=start)
            lines.append([clean_cell(cell, max_cell) for cell in cells[:MAX_COLUMNS]])
            if len(lines) > max_lines + 1:
                raise UnreadableRoster(why="too_many_lines")
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableRoster(why="bad_csv") from error
    if not is_complete:
        raise UnreadableRoster(why="open_quote", line=start)
    return Table(lines, decoded.encoding, decoded.is_guess)


def _contains_lines(cell: str, delimiter: str, width: int) -> bool:
    """Return whether a cell contains whole lines: its quotation mark is one that somebody typed, and the next one ends it.

    The people on these lines would vanish unnoticed, and cells that are never kept would become parts of a name.
    """
    breaks = cell.count("\n")
    return breaks > 0 and cell.count(delimiter) >= max(2, breaks * (width - 1) / 2)


#: The line in which a spreadsheet declares the separator.
_SEPARATOR_LINE = re.compile(r"\s{0,9}\"?sep=([;,\t])\"?[;,\t]{0,200}\n", re.IGNORECASE)
#: A title may precede the header, so a line with a single separator does not decide yet.
_INSPECTED_LINES, _CERTAIN_COUNT = 10, 2


def _detect_delimiter(text: str) -> tuple[str, str]:
    """Return the separator of the cells, and the text without the line that declares it."""
    if declared := _SEPARATOR_LINE.match(text):
        return declared.group(1), text[declared.end() :]
    lines = [line for line in text.split("\n", _INSPECTED_LINES)[:_INSPECTED_LINES] if line.strip(";,\t ")]
    separators = [max(";,\t", key=line.count) for line in lines]
    certain = (separator for separator, line in zip(separators, lines, strict=True) if line.count(separator) >= _CERTAIN_COUNT)
    return next(certain, separators[0] if separators else ";"), text


#: The parts of a workbook that are read; themes, drawings, macros and external links are not even inflated.
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
        visible_sheets = (
            index
            for index, sheet in enumerate(workbook.sheets_metadata)
            if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
        )
        rows = workbook.get_sheet_by_index(next(visible_sheets, 0)).to_python(skip_empty_area=False)
    except (CalamineError, ValueError, IndexError, OSError) as error:
        raise UnreadableRoster(why="bad_xlsx") from error
    for row in rows:
        yield [clean_cell(format_spreadsheet_value(value)) for value in row]


_CELL_REFERENCE = re.compile(rb"\br\s*=\s*[\"']\s*([A-Za-z]{0,3})(\d{1,9})[\"']")
_STRING = re.compile(rb"<(?:[\w.-]+:)?si[\s>]")
_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")


def _check_sheets(parts: dict[str, bytes]) -> None:
    """Refuse a workbook before it is opened when its cells are too far apart (a single cell in the last corner makes a table of
    17 thousand million) or when few long strings fill many cells. Raises `UnreadableRoster`.
    """
    strings = [string for part in parts.values() for string in _STRING.split(part)[1:]]
    longest = max((len(string) for string in strings), default=0)
    for part in parts.values():  # all of them: relations may declare any part to be a sheet
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
