"""Reading the ministry's file `fr-en-calendrier-scolaire` (schools.md section 4.4). Pure: bytes in, periods by calendar out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from profiles.schedule.calendar import Period

MAX_BYTES = 8 * 2**20
MAX_ROWS = 50_000
#: Midnight in Paris written in UTC: also for schools overseas.
_PARIS = ZoneInfo("Europe/Paris")
_ZONE = re.compile(r"Zone ([ABC])$")
_FIELDS = ("description", "start_date", "end_date", "zones")


class BadCalendarFile(ValueError):
    """The file cannot be read; `line` is the first record concerned, 0 for the file as a whole."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"{why} (line {line})")
        self.why, self.line = why, line


@dataclass(frozen=True, slots=True)
class Imported:
    """Periods by calendar: `A`, `B`, `C`, or the zone's own name overseas; and how many rows were for teachers only."""

    periods: dict[str, tuple[Period, ...]]
    skipped: int


def read_calendar(content: bytes) -> Imported:
    """Read a CSV (`;` or `,`, with or without BOM) or JSON export. Raises `BadCalendarFile`.

    Rows for teachers are left out; `end_date` is the day of return; each day is the one in Paris.
    """
    if len(content) > MAX_BYTES:
        raise BadCalendarFile("too_large")
    rows = _rows(content)
    if not rows:
        raise BadCalendarFile("empty")
    if len(rows) > MAX_ROWS:
        raise BadCalendarFile("too_many_rows")
    found: dict[str, set[Period]] = defaultdict(set)
    skipped = 0
    for line, row in enumerate(rows, start=2):
        if str(row.get("population") or "").strip().lower() == "enseignants":
            skipped += 1
            continue
        period = _period(row, line)
        for zone in _zones(row, line):
            found[zone].add(period)
    return Imported({zone: tuple(sorted(periods)) for zone, periods in sorted(found.items())}, skipped)


def _rows(content: bytes) -> list[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadCalendarFile("not_utf8") from error
    if text.lstrip().startswith(("[", "{")):
        return _json_rows(text)
    reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    try:
        header = [_key(cell) for cell in next(reader, [])]
        if missing := [field for field in _FIELDS if field not in header]:
            raise BadCalendarFile(f"missing_column_{missing[0]}", 1)
        return [dict(zip(header, cells, strict=False)) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise BadCalendarFile("not_csv", reader.line_num) from error


def _json_rows(text: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCalendarFile("not_json") from error
    rows = document.get("results") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadCalendarFile("not_a_list")
    return [{_key(str(key)): value for key, value in row.items()} for row in rows]


def _key(cell: str) -> str:
    """Header names in small letters with underscores: editions differ."""
    return re.sub(r"[^a-z]+", "_", cell.strip().lower().replace("é", "e")).strip("_")


def _period(row: Mapping[str, Any], line: int) -> Period:
    first, back = _day(row.get("start_date"), line), _day(row.get("end_date"), line)
    last = max(first, back - timedelta(days=1))
    if (last - first).days > 120:
        raise BadCalendarFile("period_too_long", line)
    return Period(first, last, str(row.get("description") or "").strip()[:120])


def _day(value: object, line: int) -> date:
    text = str(value or "").strip()
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadCalendarFile("not_a_date", line) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(_PARIS).date()


def _zones(row: Mapping[str, Any], line: int) -> list[str]:
    value = row.get("zones")
    names = value if isinstance(value, list) else re.split(r"\s*/\s*", str(value or ""))
    zones = [match.group(1) if (match := _ZONE.match(name)) else name[:40] for each in names if (name := str(each).strip())]
    if not zones:
        raise BadCalendarFile("no_zone", line)
    return zones
