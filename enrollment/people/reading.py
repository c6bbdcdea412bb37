"""Any roster file in, its rows out: tells what the file is, hands it to the reader of that kind. Pure; what is not kept is
dropped by those readers, before anything else sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enrollment.people.files import oneroster
from enrollment.people.files.archive import is_zip
from enrollment.people.files.columns import ByHand, Columns, FileKind, Standing, columns_of, columns_told, kind_of, recognised
from enrollment.people.files.errors import UnreadableRoster
from enrollment.people.files.guardians import guardian_rows
from enrollment.people.files.pupils import pupil_row
from enrollment.people.files.rows import Roster
from enrollment.people.files.staff import is_not_staff, staff_row
from enrollment.people.files.tables import MAX_BYTES, MAX_LINES, Table, table_of

Hands = Mapping[FileKind, ByHand]
#: The header is the first of so many lines that has so many known columns, else the first line.
_HEADER_WITHIN, _KNOWN_COLUMNS = 10, 2


def read(content: bytes, *, kind: FileKind | None = None, hands: Hands | None = None, keep_contacts: bool = False) -> Roster:
    """Read a roster file: CSV, XLSX or a zip of OneRoster. Without `kind` the header tells of whom it speaks; `hands` are the
    columns that a person mapped for this school; contacts of guardians are kept only when asked. Raises `UnreadableRoster`.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    if is_zip(content) and oneroster.is_oneroster(content):
        return oneroster.read(content, keep_contacts=keep_contacts)
    header, width, body = _parted(table_of(content), hands or {})
    known = kind or kind_of(header, (hands or {}).get(FileKind.PUPILS))
    columns = columns_of(header, known, (hands or {}).get(known))
    lines, skipped = _filled(body)
    if known is FileKind.GUARDIANS:
        guardians = guardian_rows(lines, width, columns, keep_contacts=keep_contacts)
        return Roster("guardians", [], guardians, [], columns.ignored, skipped, frozenset({"guardians"}))
    if known is FileKind.STAFF:
        return _staff(lines, columns, skipped)
    rows = [pupil_row(number, columns.cells(cells)) for number, cells in lines]
    name = "own" if "school_uai" in columns.at else "onde"
    return Roster(name, rows, ignored=columns.ignored, skipped=skipped, speaks_of=frozenset({"pupils"}))


def look(
    content: bytes, *, kind: FileKind | None = None, hands: Hands | None = None
) -> tuple[FileKind, list[tuple[str, str | None, Standing]]]:
    """What each column of a CSV or XLSX file is read as, before anything is required of it. Raises `UnreadableRoster`."""
    header, _, _ = _parted(table_of(content), hands or {})
    known = kind or kind_of(header, (hands or {}).get(FileKind.PUPILS))
    return known, columns_told(header, known, (hands or {}).get(known, {}))


def _parted(table: Table, hands: Hands) -> tuple[list[str], int, list[tuple[int, list[str]]]]:
    """The header, how far it reaches, and the lines behind it with their numbers. A title may stand above the header."""
    filled = [at for at, cells in enumerate(table) if any(cells)]
    if not filled:
        raise UnreadableRoster(why="empty")
    start = next((at for at in filled[:_HEADER_WITHIN] if recognised(table[at], hands) >= _KNOWN_COLUMNS), filled[0])
    header = table[start]
    body = list(enumerate(table[start + 1 :], start=start + 2))
    if len(body) > MAX_LINES:
        raise UnreadableRoster(why="too_many_lines")
    return header, len(header), body


def _filled(body: Sequence[tuple[int, list[str]]]) -> tuple[list[tuple[int, list[str]]], int]:
    """The lines that hold something, and how many were skipped: empty ones, and a last one with fewer than 3 cells."""
    lines = [(number, cells) for number, cells in body if any(cells)]
    if lines and sum(1 for cell in lines[-1][1] if cell) < 3:
        lines.pop()
    return lines, len(body) - len(lines)


def _staff(lines: Sequence[tuple[int, list[str]]], columns: Columns, skipped: int) -> Roster:
    cells = [(number, columns.cells(line)) for number, line in lines]
    rows = [staff_row(number, each) for number, each in cells if not is_not_staff(each)]
    others = len(cells) - len(rows)
    return Roster("staff", staff=rows, ignored=columns.ignored, skipped=skipped + others, speaks_of=frozenset({"staff"}))
