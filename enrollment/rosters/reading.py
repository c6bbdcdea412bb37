"""Any roster file in, its rows out: tells what the file is, hands it to the reader of that kind. Pure; what is not kept is
dropped by those readers, before anything else sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enrollment.rosters.files import oneroster
from enrollment.rosters.files.archive import is_zip
from enrollment.rosters.files.columns import (
    ColumnLayout,
    ColumnOverrides,
    ColumnStatus,
    FileKind,
    count_known_columns,
    describe_columns,
    detect_file_kind,
    match_columns,
)
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.guardians import parse_guardians
from enrollment.rosters.files.pupils import parse_pupil
from enrollment.rosters.files.rows import Roster
from enrollment.rosters.files.staff import is_not_staff, parse_staff
from enrollment.rosters.files.tables import MAX_BYTES, MAX_LINES, Table, read_table

OverridesByKind = Mapping[FileKind, ColumnOverrides]
#: The header is the first of so many lines that has so many known columns, else the first line.
_HEADER_WITHIN, _KNOWN_COLUMNS = 10, 2


def read_roster(
    content: bytes, *, kind: FileKind | None = None, overrides: OverridesByKind | None = None, keep_contacts: bool = False
) -> Roster:
    """Read a roster file: CSV, XLSX or a zip of OneRoster. Without `kind` the header tells of whom it speaks; `hands` are the
    columns that a person mapped for this school; contacts of guardians are kept only when asked. Raises `UnreadableRoster`.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    if is_zip(content) and oneroster.is_oneroster(content):
        return oneroster.read_archive(content, keep_contacts=keep_contacts)
    header, width, body = _split_header(read_table(content), overrides or {})
    known = kind or detect_file_kind(header, (overrides or {}).get(FileKind.PUPILS))
    columns = match_columns(header, known, (overrides or {}).get(known))
    lines, skipped = _drop_empty_lines(body)
    if known is FileKind.GUARDIANS:
        guardians = parse_guardians(lines, width, columns, keep_contacts=keep_contacts)
        return Roster("guardians", [], guardians, [], columns.ignored, skipped, frozenset({"guardians"}))
    if known is FileKind.STAFF:
        return _build_staff_roster(lines, columns, skipped)
    rows = [parse_pupil(number, columns.read_cells(cells)) for number, cells in lines]
    name = "own" if "school_uai" in columns.index_by_field else "onde"
    return Roster(name, rows, ignored=columns.ignored, skipped=skipped, covers=frozenset({"pupils"}))


def describe_file_columns(
    content: bytes, *, kind: FileKind | None = None, overrides: OverridesByKind | None = None
) -> tuple[FileKind, list[tuple[str, str | None, ColumnStatus]]]:
    """What each column of a CSV or XLSX file is read as, before anything is required of it. Raises `UnreadableRoster`."""
    header, _, _ = _split_header(read_table(content), overrides or {})
    known = kind or detect_file_kind(header, (overrides or {}).get(FileKind.PUPILS))
    return known, describe_columns(header, known, (overrides or {}).get(known, {}))


def _split_header(table: Table, overrides: OverridesByKind) -> tuple[list[str], int, list[tuple[int, list[str]]]]:
    """The header, how far it reaches, and the lines behind it with their numbers. A title may stand above the header."""
    filled = [at for at, cells in enumerate(table) if any(cells)]
    if not filled:
        raise UnreadableRoster(why="empty")
    start = next((at for at in filled[:_HEADER_WITHIN] if count_known_columns(table[at], overrides) >= _KNOWN_COLUMNS), filled[0])
    header = table[start]
    body = list(enumerate(table[start + 1 :], start=start + 2))
    if len(body) > MAX_LINES:
        raise UnreadableRoster(why="too_many_lines")
    return header, len(header), body


def _drop_empty_lines(body: Sequence[tuple[int, list[str]]]) -> tuple[list[tuple[int, list[str]]], int]:
    """The lines that hold something, and how many were skipped: empty ones, and a last one with fewer than 3 cells."""
    lines = [(number, cells) for number, cells in body if any(cells)]
    if lines and sum(1 for cell in lines[-1][1] if cell) < 3:
        lines.pop()
    return lines, len(body) - len(lines)


def _build_staff_roster(lines: Sequence[tuple[int, list[str]]], columns: ColumnLayout, skipped: int) -> Roster:
    cells = [(number, columns.read_cells(line)) for number, line in lines]
    rows = [parse_staff(number, each) for number, each in cells if not is_not_staff(each)]
    others = len(cells) - len(rows)
    return Roster("staff", staff=rows, ignored=columns.ignored, skipped=skipped + others, covers=frozenset({"staff"}))
