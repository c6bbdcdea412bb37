"""Reads the files in which the ministry publishes its calendar (CSV, JSON and iCalendar) into records of text. Pure.

What a record means is decided in `ministry_calendar`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from enrollment.people.text import strip_accents
from enrollment.rosters.files.encodings import decode_text
from enrollment.rosters.files.errors import UnreadableRoster

MAX_BYTES = 8 * 2**20
MAX_ROWS = 50_000


class InvalidCalendarFile(ValueError):
    """The file as a whole cannot be read; `why` is a stable code. A single bad row is no error."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class CalendarRecord:
    """One row of a file as it is written. `line` counts from 1 in CSV, and records otherwise. `whole_day`: dates have no time of day."""

    line: int
    description: str = ""
    population: str = ""
    start: str = ""
    end: str = ""
    zones: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


#: The columns of each field, in the order in which they are looked for: identifiers of the data set, then its French titles.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "description": ("description", "intitule", "libelle", "vacances"),
    "population": ("population", "public"),
    "start": ("start_date", "date_de_debut", "debut", "date_debut"),
    "end": ("end_date", "date_de_fin", "fin", "date_fin"),
    "zones": ("zones", "zone"),
    "places": ("location", "academies", "academie", "lieu"),
}
_REQUIRED = ("description", "start", "end")
_LIST_SEPARATOR = re.compile(r"\s*[/,;|]\s*")


def read_records(content: bytes) -> list[CalendarRecord]:
    """Return the records of a file. Raises `InvalidCalendarFile`."""
    if len(content) > MAX_BYTES:
        raise InvalidCalendarFile("too_large")
    try:
        text = decode_text(content).text
    except UnreadableRoster as error:
        raise InvalidCalendarFile("not_utf8") from error
    start = text.lstrip()[:15].upper()
    if start.startswith("BEGIN:VCALENDAR"):
        records = list(_read_icalendar(text))
    elif start.startswith(("[", "{")):
        records = list(_read_json(text))
    else:
        records = list(_read_csv(text))
    if not records:
        raise InvalidCalendarFile("empty")
    if len(records) > MAX_ROWS:
        raise InvalidCalendarFile("too_many_rows")
    return records


def _read_csv(text: str) -> Iterator[CalendarRecord]:
    first_line = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(";,\t", key=first_line.count))
    try:
        header = [_normalize_header(cell) for cell in next(reader, [])]
        columns = {name: _find_column(header, titles) for name, titles in _COLUMNS.items()}
        if missing := [name for name in _REQUIRED if columns[name] is None]:
            raise InvalidCalendarFile(f"missing_column_{_COLUMNS[missing[0]][0]}")
        if columns["zones"] is None and columns["places"] is None:
            raise InvalidCalendarFile("missing_column_zones")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _build_record(
                    reader.line_num, {name: cells[at] for name, at in columns.items() if at is not None and at < len(cells)}
                )
    except csv.Error as error:
        raise InvalidCalendarFile("not_csv") from error


def _find_column(header: Sequence[str], titles: Sequence[str]) -> int | None:
    return next((header.index(title) for title in titles if title in header), None)


def _normalize_header(cell: str) -> str:
    """Return a title in lower case with underscores and without accents: editions of the file differ."""
    return re.sub(r"[^a-z]+", "_", strip_accents(cell).strip().lower()).strip("_")


def _read_json(text: str) -> Iterator[CalendarRecord]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidCalendarFile("not_json") from error
    if isinstance(document, dict):
        document = next((document[key] for key in ("results", "records", "data") if key in document), None)
    if not isinstance(document, list) or (document and not any(isinstance(row, dict) for row in document)):
        raise InvalidCalendarFile("not_a_list")
    for line, row in enumerate(document, start=1):
        fields = {_normalize_header(key): value for key, value in _unwrap(row).items()}
        yield _build_record(
            line, {name: next((fields[t] for t in titles if t in fields), "") for name, titles in _COLUMNS.items()}
        )


def _unwrap(row: Any) -> dict[str, Any]:
    """Return the fields of a record, which some exports wrap in `record` and `fields`."""
    for key in ("record", "fields"):
        if isinstance(row, dict) and isinstance(row.get(key), dict):
            row = row[key]
    return row if isinstance(row, dict) else {}


def _build_record(line: int, fields: Mapping[str, Any]) -> CalendarRecord:
    def text(name: str) -> str:
        value = fields.get(name)
        return str(value).strip()[:200] if isinstance(value, str | int | float) else ""

    def names(name: str) -> tuple[str, ...]:
        value = fields.get(name)
        parts = value if isinstance(value, list) else _LIST_SEPARATOR.split(value) if isinstance(value, str) else []
        return tuple(part.strip()[:60] for part in parts if isinstance(part, str) and part.strip())

    return CalendarRecord(
        line, text("description"), text("population"), text("start"), text("end"), names("zones"), names("places")
    )


_PROPERTY = re.compile(r"([A-Za-z-]+)((?:;[^:\"]*(?:\"[^\"]*\")?)*):(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\;,nN])")
_ZONE = r"(?:[ABC]|Corse)\b"
#: One zone or several in a text: `Zone C`, `Zone-A`, `Zones A, B et C`, `(zone A/B)`.
_ZONES_IN_TEXT = re.compile(rf"\bzones?[\s_-]*({_ZONE}(?:[\s,/&+-]*(?:\bet\b\s*)?(?:\bzones?\s*)?{_ZONE})*)", re.IGNORECASE)
_ZONE_NAME = re.compile(_ZONE, re.IGNORECASE)


_CALENDAR, _EVENT = ["VCALENDAR"], ["VCALENDAR", "VEVENT"]


def _read_icalendar(text: str) -> Iterator[CalendarRecord]:
    """Yield the events of an iCalendar file (RFC 5545). The name of the calendar tells the zone where events do not.

    Raises `InvalidCalendarFile` with `truncated` for a file without its end: what is lost might be the summer.
    """
    calendar_zones: tuple[str, ...] = ()
    path: list[str] = []  # the components that are open
    event: dict[str, str] = {}
    number = 0
    for name, parameters, value in _list_properties(text):
        if name == "BEGIN":
            path.append(value.upper())
            if path == _CALENDAR:
                calendar_zones = ()  # a file may contain several calendars
            elif path == _EVENT:
                event, number = {}, number + 1
        elif name == "END":
            if value.upper() == "VEVENT" and event.get("STATUS", "").upper() != "CANCELLED":
                yield _build_event(number, event, calendar_zones)
            path = path[: path.index(value.upper())] if value.upper() in path else path
        elif path == _EVENT:  # and not of an alarm in it, which has a duration and a description of its own
            event.setdefault(name, value)
            event.setdefault(f"{name} TZID", _get_parameter(parameters, "TZID"))
        elif path == _CALENDAR and name in ("X-WR-CALNAME", "X-WR-CALDESC", "NAME"):
            calendar_zones = calendar_zones or _find_zones(value) or (value[:60],)
    if path:
        raise InvalidCalendarFile("truncated")


def _list_properties(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, parameters and value of each property. Lines that are folded are joined; what is no property is left out."""
    for line in re.sub(r"\n[ \t]", "", text).split("\n"):
        match = _PROPERTY.fullmatch(line.strip())
        if match is not None:
            yield match.group(1).upper(), match.group(2), _ESCAPED.sub(_unescape, match.group(3)).strip()


def _build_event(number: int, event: Mapping[str, str], calendar_zones: tuple[str, ...]) -> CalendarRecord:
    summary = event.get("SUMMARY", "")
    start, end = (_format_date(event.get(name, ""), event.get(f"{name} TZID", "")) for name in ("DTSTART", "DTEND"))
    end = end or _add_duration(start, event.get("DURATION", ""))
    zones = _find_zones(summary) or _find_zones(event.get("DESCRIPTION", "")) or _find_zones(event.get("LOCATION", ""))
    places = tuple(part.strip()[:60] for part in _LIST_SEPARATOR.split(event.get("LOCATION", "")) if part.strip())
    description = _ZONES_IN_TEXT.sub("", summary).strip(" -–:,|()") or summary
    return CalendarRecord(number, description[:200], "", start, end or start, zones or calendar_zones, () if zones else places)


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match.group(1) in "nN" else match.group(1)


def _get_parameter(parameters: str, name: str) -> str:
    return next((each.partition("=")[2].strip('"') for each in parameters.split(";") if each.upper().startswith(f"{name}=")), "")


def _find_zones(text: str) -> tuple[str, ...]:
    names = [name for part in _ZONES_IN_TEXT.findall(text) for name in _ZONE_NAME.findall(part)]
    return tuple(dict.fromkeys(f"Zone {name.upper()}" if len(name) == 1 else name for name in names))


_DURATION = re.compile(r"P(?:(\d{1,3})W|(\d{1,3})D(?:T0*[HMS])?)")


def _add_duration(start: str, duration: str) -> str:
    """Return the end of an event that has a duration of weeks or days in place of an end; what is no such duration comes back as it is."""
    match = _DURATION.fullmatch(duration.upper())
    if match is None:
        return duration
    weeks, days = (int(number or 0) for number in match.groups())
    try:
        return (datetime.fromisoformat(start) + timedelta(weeks=weeks, days=days)).isoformat().removesuffix("T00:00:00")
    except (ValueError, OverflowError):
        return ""


_ICAL_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?")


def _format_date(value: str, time_zone: str) -> str:
    """Return a date of iCalendar as the other files write it. A time of a named time zone is local, and means the nearest midnight: holidays
    begin after the last class of a day and end before the first one of another, or at 23:59.
    """
    match = _ICAL_DATE.fullmatch(value)
    if match is None:
        return value
    year, month, day, hour, minute, second, is_utc = match.groups()
    if hour is None:
        return f"{year}-{month}-{day}"
    if is_utc or not time_zone:
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}{'+00:00' if is_utc else ''}"
    try:
        local = datetime.strptime(f"{year}{month}{day}{hour}{minute}{second}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - local, as the file says
        return str((local + timedelta(hours=12)).date())
    except (ValueError, OverflowError):
        return value
