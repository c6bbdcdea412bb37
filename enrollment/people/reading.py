"""Roster files in, rows with only the kept columns out (schools.md section 7.3). Pure; what is not kept is dropped here."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from enrollment.places.models import Level
from mdm.kit.errors import Invalid
from mdm.kit.words import Words

MAX_BYTES = 5 * 2**20
MAX_LINES = 5000
MAX_CELL = 200


class UnreadableRoster(Invalid):
    """The file as a whole cannot be read; `why` is a stable word."""

    code = "unreadable_roster"
    words = Words(fr="Ce fichier ne peut pas être lu ({why}).", en="This file cannot be read ({why}).")


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One line, cleaned. `problems` are stable words; a row with problems is not imported."""

    line: int
    last_name: str = ""
    first_name: str = ""
    usage_name: str = ""
    level: Level | None = None
    class_label: str = ""
    onde_class_id: str = ""
    birth_date: str = ""
    ine: str = ""
    school_uai: str = ""
    take_home: bool = True
    inventory_tag: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """A file as read: its rows, the columns that were ignored, the lines that were skipped."""

    format: str
    rows: list[RosterRow]
    ignored: list[str] = field(default_factory=list)
    skipped: int = 0


def read(content: bytes) -> Roster:
    """Read an ONDE pupil extraction or the own template, as CSV or XLSX. Raises `UnreadableRoster`."""
    if len(content) > MAX_BYTES:
        raise UnreadableRoster(why="too_large")
    table = list(_xlsx(content) if content[:4] == b"PK\x03\x04" else _csv(content))
    if len(table) > MAX_LINES + 1:
        raise UnreadableRoster(why="too_many_lines")
    if not table:
        raise UnreadableRoster(why="empty")
    header, body = table[0], table[1:]
    columns, ignored = _columns(header)
    missing = {"last_name", "first_name", "level"} - set(columns)
    if missing:
        raise UnreadableRoster(why="missing_" + min(missing))
    rows, skipped = [], 0
    for number, cells in enumerate(body, start=2):
        filled = sum(1 for cell in cells if cell)
        if filled == 0 or (filled < 3 and number == len(table)):
            skipped += 1
            continue
        rows.append(_row(number, {name: cells[at] for name, at in columns.items() if at < len(cells)}))
    return Roster("own" if "school_uai" in columns else "onde", rows, ignored, skipped)


def _csv(content: bytes) -> Iterator[list[str]]:
    text = _decode(content)
    if "\0" in text:
        raise UnreadableRoster(why="binary")
    first = text.partition("\n")[0]
    delimiter = max(";,\t", key=first.count)
    try:
        for cells in csv.reader(io.StringIO(text), delimiter=delimiter):
            yield [clean(cell) for cell in cells]
    except csv.Error as error:
        raise UnreadableRoster(why="bad_csv") from error


def _xlsx(content: bytes) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        if sheet.total_height > MAX_LINES + 1 or sheet.total_width > 200:
            raise UnreadableRoster(why="too_many_lines")
        rows = sheet.to_python(skip_empty_area=True)
    except (CalamineError, ValueError, IndexError, OSError) as error:
        raise UnreadableRoster(why="bad_xlsx") from error
    for row in rows:
        yield [clean(_cell(value)) for value in row]


def _cell(value: object) -> str:
    if hasattr(value, "strftime"):
        return str(value.strftime("%d/%m/%Y"))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _decode(content: bytes) -> str:
    """UTF-8, with or without BOM, else Windows-1252. Text that was decoded wrongly before is refused."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "Ã©" in text or "Ã¨" in text or "\ufffd" in text:
        raise UnreadableRoster(why="encoding_suspect")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean(cell: str) -> str:
    """Trim, one kind of space and apostrophe, NFC."""
    text = unicodedata.normalize("NFC", cell).replace("\u00a0", " ").replace("\u202f", " ").replace("’", "'")
    return text.strip()[:MAX_CELL]


@cache
def _aliases() -> dict[str, str]:
    listed = json.loads((Path(__file__).parent / "aliases.json").read_text())
    return {alias: name for name, names in listed.items() for alias in names}


def header_key(text: str) -> str:
    """A header as it is matched: lower case, no accents, spaces, stars or apostrophes."""
    plain = "".join(ch for ch in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(ch))
    return re.sub(r"[\s*'’\ufeff]", "", plain)


def _columns(header: list[str]) -> tuple[dict[str, int], list[str]]:
    """Where each kept column is, and the names of those that are dropped. The first of two equal ones counts."""
    found: dict[str, int] = {}
    ignored = []
    for at, title in enumerate(header):
        name = _aliases().get(header_key(title))
        if name is not None and name not in found:
            found[name] = at
        elif title:
            ignored.append(title[:60])
    return found, ignored


_SPELLED = {
    "COURS PREPARATOIRE": Level.CP,
    "COURS ELEMENTAIRE 1": Level.CE1,
    "COURS ELEMENTAIRE 2": Level.CE2,
    "COURS MOYEN 1": Level.CM1,
    "COURS MOYEN 2": Level.CM2,
    "PETITE SECTION": Level.PS,
    "MOYENNE SECTION": Level.MS,
    "GRANDE SECTION": Level.GS,
}
_INE = re.compile(r"(\d{10}[A-Z]|\d{9}[A-Z]{2})$")
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})$")
_NO = {"non", "no", "false", "0", "n"}


def label_key(text: str) -> str:
    """A name or label as it is matched: upper case, no accents, single spaces."""
    plain = "".join(ch for ch in unicodedata.normalize("NFD", text.upper()) if not unicodedata.combining(ch))
    return re.sub(r"\s+", " ", plain).strip()


def _row(line: int, cells: dict[str, str]) -> RosterRow:
    problems = []
    last, first = cells.get("last_name", ""), cells.get("first_name", "")
    if not last:
        problems.append("no_last_name")
    if not first:
        problems.append("no_first_name")
    spelled = label_key(cells.get("level", ""))
    level = Level(spelled) if spelled in {*Level} else _SPELLED.get(spelled)
    if level is None:
        problems.append("unknown_level")
    ine = cells.get("ine", "").upper().replace(" ", "")
    if ine and not _INE.match(ine):
        problems.append("bad_ine")
    birth = cells.get("birth_date", "")
    if birth and not _DATE.match(birth):
        problems.append("bad_birth_date")
    return RosterRow(
        line=line,
        last_name=last,
        first_name=first,
        usage_name=cells.get("usage_name", ""),
        level=level,
        class_label=cells.get("class_label", ""),
        onde_class_id=cells.get("onde_class_id", ""),
        birth_date=birth,
        ine=ine,
        school_uai=cells.get("school_uai", ""),
        take_home=cells.get("take_home", "").lower() not in _NO,
        inventory_tag=cells.get("inventory_tag", ""),
        problems=tuple(problems),
    )
