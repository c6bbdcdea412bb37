"""The weekly timetable of a school: bands of local time by weekday. `place_schedule` applies it to dates.

See docs/domain/modes.md#timetable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from profiles.schedule.modes import Mode

MIDNIGHT = 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_BANDS = 24
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)$|24:00$")


class BandKind(StrEnum):
    """What a band is for. Between bands pupils are at home."""

    SCHOOL = "school"
    AFTER_SCHOOL = "after_school"

    @property
    def mode(self) -> Mode:
        """The mode of tablets while such a band is open."""
        return Mode(self.value)


@dataclass(frozen=True, slots=True)
class Band:
    """A part of a school day: local time from `starts` to before `ends`, in minutes after midnight."""

    kind: BandKind
    starts: int
    ends: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """The bands of Monday to Sunday, each day sorted by time."""

    days: tuple[tuple[Band, ...], ...]

    def get_first_school_day(self) -> tuple[Band, ...]:
        """Return the bands of the first weekday that has school: those of a worked Saturday when no weekday is named for it."""
        return next((day for day in self.days if any(band.kind is BandKind.SCHOOL for band in day)), ())


EMPTY_WEEK = Week(((),) * 7)


class TimetableFormatError(ValueError):
    """A timetable is not acceptable; `field` is the path of the value, `why` a stable code."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


def parse_clock(text: object, field: str) -> int:
    """Return the minutes after midnight of a text `HH:MM`; `24:00` is the end of the day. Raises `TimetableFormatError`."""
    if not isinstance(text, str) or not _CLOCK.match(text):
        raise TimetableFormatError(field, "not_a_time")
    return int(text[:2]) * 60 + int(text[3:])


def format_clock(minutes: int) -> str:
    """Return `HH:MM` for minutes after midnight."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def parse_week(days: Mapping[str, Sequence[Mapping[str, object]]]) -> Week:
    """Parse a week from `{"mon": [{"kind", "from", "to", "label"}]}`.

    Raises `TimetableFormatError`: `unknown_day`, `too_many`, `unknown_kind`, `not_a_time`, `crosses_midnight`, `overlap`.
    """
    for name in days:
        if name not in DAYS:
            raise TimetableFormatError(name[:20], "unknown_day")
    return Week(tuple(_parse_day(name, days.get(name, ())) for name in DAYS))


def serialize_week(week: Week) -> dict[str, list[dict[str, str]]]:
    """Return the JSON form of a week, the inverse of `parse_week`. Days without bands are left out."""
    return {
        name: [
            {"kind": band.kind.value, "from": format_clock(band.starts), "to": format_clock(band.ends), "label": band.label}
            for band in bands
        ]
        for name, bands in zip(DAYS, week.days, strict=True)
        if bands
    }


def _parse_day(name: str, rows: Sequence[Mapping[str, object]]) -> tuple[Band, ...]:
    if len(rows) > MAX_BANDS:
        raise TimetableFormatError(name, "too_many")
    indexed_bands = sorted(
        ((_parse_band(f"{name}.{index}", row), index) for index, row in enumerate(rows)), key=lambda pair: pair[0].starts
    )
    for (before, _), (after, index) in pairwise(indexed_bands):
        if after.starts < before.ends:
            raise TimetableFormatError(f"{name}.{index}.from", "overlap")
    return tuple(band for band, _ in indexed_bands)


def _parse_band(field: str, row: Mapping[str, object]) -> Band:
    kind = row.get("kind")
    if kind not in {*BandKind}:
        raise TimetableFormatError(f"{field}.kind", "unknown_kind")
    starts, ends = parse_clock(row.get("from"), f"{field}.from"), parse_clock(row.get("to"), f"{field}.to")
    if starts >= ends:
        raise TimetableFormatError(f"{field}.to", "crosses_midnight")
    return Band(BandKind(str(kind)), starts, ends, str(row.get("label") or "")[:80])
