"""Parses the ministry's file `fr-en-calendrier-scolaire`. Pure: bytes in, holiday periods by calendar out.

See docs/domain/modes.md#calendar.
"""

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

from profiles.schedule.calendar import HolidayPeriod

MAX_BYTES = 8 * 2**20
MAX_ROWS = 50_000
#: The file writes midnight in Paris as UTC, also for schools overseas.
_PARIS = ZoneInfo("Europe/Paris")
_ZONE = re.compile(r"Zone ([ABC])$")
_FIELDS = ("description", "start_date", "end_date", "zones")


class InvalidCalendarFile(ValueError):
    """The file cannot be parsed; `line` is the first bad record, 0 for the file as a whole."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"{why} (line {line})")
        self.why, self.line = why, line


@dataclass(frozen=True, slots=True)
class ImportedCalendars:
    """Periods by calendar (`A`, `B`, `C`, or the name of an overseas zone), and the number of rows for teachers only."""

    periods: dict[str, tuple[HolidayPeriod, ...]]
    skipped_rows: int


def parse_ministry_calendar(content: bytes) -> ImportedCalendars:
    """Parse a CSV export (`;` or `,`, with or without BOM) or a JSON export. Raises `InvalidCalendarFile`.

    Rows for teachers are skipped. `end_date` is the day of return, so the period ends the day before. Days are those in Paris.
    """
    if len(content) > MAX_BYTES:
        raise InvalidCalendarFile("too_large")
    rows = _parse_rows(content)
    if not rows:
        raise InvalidCalendarFile("empty")
    if len(rows) > MAX_ROWS:
        raise InvalidCalendarFile("too_many_rows")
    periods_by_zone: dict[str, set[HolidayPeriod]] = defaultdict(set)
    skipped_rows = 0
    for line, row in enumerate(rows, start=2):
        if str(row.get("population") or "").strip().lower() == "enseignants":
            skipped_rows += 1
            continue
        period = _parse_period(row, line)
        for zone in _parse_zones(row, line):
            periods_by_zone[zone].add(period)
    return ImportedCalendars({zone: tuple(sorted(periods)) for zone, periods in sorted(periods_by_zone.items())}, skipped_rows)


def _parse_rows(content: bytes) -> list[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidCalendarFile("not_utf8") from error
    if text.lstrip().startswith(("[", "{")):
        return _parse_json_rows(text)
    reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    try:
        header = [_normalize_header(cell) for cell in next(reader, [])]
        if missing := [field for field in _FIELDS if field not in header]:
            raise InvalidCalendarFile(f"missing_column_{missing[0]}", 1)
        return [dict(zip(header, cells, strict=False)) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise InvalidCalendarFile("not_csv", reader.line_num) from error


def _parse_json_rows(text: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidCalendarFile("not_json") from error
    rows = document.get("results") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidCalendarFile("not_a_list")
    return [{_normalize_header(str(key)): value for key, value in row.items()} for row in rows]


def _normalize_header(cell: str) -> str:
    """Return a header name in lower case with underscores: editions of the file differ."""
    return re.sub(r"[^a-z]+", "_", cell.strip().lower().replace("é", "e")).strip("_")


def _parse_period(row: Mapping[str, Any], line: int) -> HolidayPeriod:
    first, day_of_return = _parse_day(row.get("start_date"), line), _parse_day(row.get("end_date"), line)
    last = max(first, day_of_return - timedelta(days=1))
    if (last - first).days > 120:
        raise InvalidCalendarFile("period_too_long", line)
    return HolidayPeriod(first, last, str(row.get("description") or "").strip()[:120])


def _parse_day(value: object, line: int) -> date:
    text = str(value or "").strip()
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidCalendarFile("not_a_date", line) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(_PARIS).date()


def _parse_zones(row: Mapping[str, Any], line: int) -> list[str]:
    value = row.get("zones")
    names = value if isinstance(value, list) else re.split(r"\s*/\s*", str(value or ""))
    stripped_names = [name for value in names if (name := str(value).strip())]
    zones = [match.group(1) if (match := _ZONE.match(name)) else name[:40] for name in stripped_names]
    if not zones:
        raise InvalidCalendarFile("no_zone", line)
    return zones
