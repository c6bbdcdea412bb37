"""Reads any roster file into rows: detects the kind of file and calls its parser. Columns that are not kept are dropped by the parsers,
so no other code sees them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enrollment.rosters.files import oneroster
from enrollment.rosters.files.archive import is_zip
from enrollment.rosters.files.cells import is_damaged_name
from enrollment.rosters.files.columns import (
    REQUIRED_FIELDS,
    ColumnLayout,
    ColumnOverrides,
    ColumnStatus,
    FileKind,
    count_known_columns,
    describe_columns,
    detect_file_kind,
    match_columns,
)
from enrollment.rosters.files.encodings import Encoding
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.guardians import parse_guardians
from enrollment.rosters.files.oneroster_archive import is_oneroster
from enrollment.rosters.files.pupils import parse_pupil
from enrollment.rosters.files.rows import Roster
from enrollment.rosters.files.staff import is_not_staff, parse_staff
from enrollment.rosters.files.tables import MAX_BYTES, MAX_LINES, read_table
from enrollment.rosters.files.validity import ReferenceDay

OverridesByKind = Mapping[FileKind, ColumnOverrides]
#: The header is the first of the first `_HEADER_WITHIN` lines with at least `_KNOWN_COLUMNS` known columns, else the first line.
_HEADER_WITHIN, _KNOWN_COLUMNS = 10, 2


def read_roster(
    content: bytes,
    *,
    reference: ReferenceDay | None = None,
    kind: FileKind | None = None,
    overrides: OverridesByKind | None = None,
    keep_contacts: bool = False,
) -> Roster:
    """Return the rows of a roster file: CSV, XLSX or a zip of OneRoster. Raises `UnreadableRoster`.

    `reference`: the day on which dated records must hold; without it all count. Without `kind` it is detected by the header. `overrides`: the columns that a person mapped. Contacts of guardians are kept only with
    `keep_contacts`.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    if is_zip(content) and is_oneroster(content):
        return oneroster.read_archive(content, reference=reference, keep_contacts=keep_contacts)
    table = read_table(content)
    header, width, body = _split_header(table.lines, overrides or {})
    kind = kind or detect_file_kind(header, (overrides or {}).get(FileKind.PUPILS))
    columns = match_columns(header, kind, (overrides or {}).get(kind))
    lines, skipped = _drop_empty_lines(body, columns, kind)
    guessed_encoding = table.encoding if table.is_guess else None
    if kind is FileKind.GUARDIANS:
        guardians = parse_guardians(lines, width, columns, keep_contacts=keep_contacts)
        return Roster("guardians", [], guardians, [], columns.ignored, skipped, frozenset({"guardians"}), guessed_encoding)
    if kind is FileKind.STAFF:
        return _build_staff_roster(lines, columns, skipped, guessed_encoding)
    rows = [parse_pupil(number, columns.read_cells(cells)) for number, cells in lines]
    file_format = "own" if "school_uai" in columns.index_by_field else "onde"
    covers = frozenset({"pupils"})
    return Roster(file_format, rows, ignored=columns.ignored, skipped=skipped, covers=covers, guessed_encoding=guessed_encoding)


def describe_file_columns(
    content: bytes, *, kind: FileKind | None = None, overrides: OverridesByKind | None = None
) -> tuple[FileKind, list[tuple[str, str | None, ColumnStatus]]]:
    """Return the kind of a CSV or XLSX file, and each of its columns with field and status; required columns may be missing.

    Raises `UnreadableRoster`.
    """
    header, _, _ = _split_header(read_table(content).lines, overrides or {})
    kind = kind or detect_file_kind(header, (overrides or {}).get(FileKind.PUPILS))
    return kind, describe_columns(header, kind, (overrides or {}).get(kind, {}))


def _split_header(table: Sequence[list[str]], overrides: OverridesByKind) -> tuple[list[str], int, list[tuple[int, list[str]]]]:
    """Return the header, its width, and the lines after it with their numbers. A title may precede the header."""
    filled = [index for index, cells in enumerate(table) if any(cells)]
    if not filled:
        raise UnreadableRoster(why="empty")
    start = next(
        (index for index in filled[:_HEADER_WITHIN] if count_known_columns(table[index], overrides) >= _KNOWN_COLUMNS), filled[0]
    )
    header = table[start]
    body = list(enumerate(table[start + 1 :], start=start + 2))
    if len(body) > MAX_LINES:
        raise UnreadableRoster(why="too_many_lines")
    return header, len(header), body


def _drop_empty_lines(
    body: Sequence[tuple[int, list[str]]], columns: ColumnLayout, kind: FileKind
) -> tuple[list[tuple[int, list[str]]], int]:
    """Return the lines with content, and the number of skipped ones: empty lines, and a last line that is a footer.

    A footer fills fewer than 3 cells, and not those of a person's names, which are more than a word beside a number or a date. A person
    who lacks something else, such as the level, is reported as a problem, since who is left out of a list counts as having left.
    """
    lines = [(number, cells) for number, cells in body if any(cells)]
    if lines and sum(1 for cell in lines[-1][1] if cell) < 3:
        last = columns.read_cells(lines[-1][1])
        names = [last.get(name, "") for name in REQUIRED_FIELDS[kind] if name.endswith("_name")]
        if not all(names) or any(is_damaged_name(name) for name in names):
            lines.pop()
    return lines, len(body) - len(lines)


def _build_staff_roster(
    lines: Sequence[tuple[int, list[str]]], columns: ColumnLayout, skipped: int, guessed_encoding: Encoding | None
) -> Roster:
    cells_by_line = [(number, columns.read_cells(line)) for number, line in lines]
    rows = [parse_staff(number, cells) for number, cells in cells_by_line if not is_not_staff(cells)]
    skipped += len(cells_by_line) - len(rows)
    covers = frozenset({"staff"})
    return Roster("staff", staff=rows, ignored=columns.ignored, skipped=skipped, covers=covers, guessed_encoding=guessed_encoding)
