"""Which dated records of a OneRoster set count on a day: enrollments and roles have a first and a last day. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

#: Where schools' software writes its files; a time of day in a date is converted to it.
PARIS = ZoneInfo("Europe/Paris")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_FRENCH = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\b")


@dataclass(frozen=True, slots=True)
class ReferenceDay:
    """The local day for which a file is read, and the time zone of its place."""

    day: date
    zone: ZoneInfo = PARIS


def parse_record_date(cell: str, zone: ZoneInfo) -> date | None:
    """Return the local date of a cell; None when it is empty or no date, which then limits nothing.

    Accepts ISO dates, with or without time and offset, and day/month/year.
    """
    text = cell.strip()
    try:
        if french := _FRENCH.match(text):
            day, month, year = (int(part) for part in french.groups())
            return date(year, month, day)
        instant = datetime.fromisoformat(text)
        return instant.date() if instant.tzinfo is None else instant.astimezone(zone).date()
    except (ValueError, OverflowError):
        iso = _ISO.match(text)
    try:
        return date.fromisoformat(iso.group()) if iso else None
    except ValueError:
        return None


def select_current(records: Sequence[dict[str, str]], reference: ReferenceDay | None) -> list[dict[str, str]]:
    """Return the records that hold on the day, or all without one; if none holds, those that begin next, as in a file that was made before the term.

    By the standard `endDate` is the day after the last one, but many write the last day: a record that ends on the day holds when no
    other does.
    """
    if reference is None:
        return list(records)
    dated = [
        (parse_record_date(each.get("beginDate", ""), reference.zone) or date.min,
         parse_record_date(each.get("endDate", ""), reference.zone) or date.max, each)
        for each in records
    ]  # fmt: skip
    day = reference.day
    holding = [each for first, end, each in dated if first <= day < end] or [
        each for first, end, each in dated if first <= day == end
    ]
    if holding:
        return holding
    next_first = min((first for first, end, _ in dated if first > day and end > day), default=None)
    return [each for first, end, each in dated if first == next_first and end > day]
