"""The weekly rhythm of a school: bands of local time per weekday. What a date makes of it is `day`'s business."""

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
    """What a band is for. A gap between bands is time at home."""

    SCHOOL = "school"
    AFTER_SCHOOL = "after_school"

    @property
    def mode(self) -> Mode:
        """The mode that holds while such a band is open."""
        return Mode(self.value)


@dataclass(frozen=True, slots=True)
class Band:
    """Local time from `starts` to before `ends`, in minutes after midnight."""

    kind: BandKind
    starts: int
    ends: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """The bands of Monday to Sunday, each day in order of time."""

    days: tuple[tuple[Band, ...], ...]

    def first_school_day(self) -> tuple[Band, ...]:
        """The bands of the first weekday that has school: what a worked Saturday looks like when nobody says more."""
        return next((day for day in self.days if any(band.kind is BandKind.SCHOOL for band in day)), ())


EMPTY_WEEK = Week(((),) * 7)


class BadTimetable(ValueError):
    """A timetable is not acceptable; `field` is the path of the value, `why` a stable word."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


def clock(text: object, field: str) -> int:
    """Minutes after midnight of `HH:MM`; `24:00` is the end of the day. Raises `BadTimetable`."""
    if not isinstance(text, str) or not _CLOCK.match(text):
        raise BadTimetable(field, "not_a_time")
    return int(text[:2]) * 60 + int(text[3:])


def clock_text(minutes: int) -> str:
    """`HH:MM` of minutes after midnight."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def read_week(days: Mapping[str, Sequence[Mapping[str, object]]]) -> Week:
    """A week from `{"mon": [{"kind", "from", "to", "label"}]}`. Raises `BadTimetable`: `unknown_day`, `too_many`,
    `unknown_kind`, `not_a_time`, `crosses_midnight`, `overlap`.
    """
    for name in days:
        if name not in DAYS:
            raise BadTimetable(name[:20], "unknown_day")
    return Week(tuple(_day(name, days.get(name, ())) for name in DAYS))


def write_week(week: Week) -> dict[str, list[dict[str, str]]]:
    """The inverse of `read_week`; days without bands are left out."""
    return {
        name: [
            {"kind": band.kind.value, "from": clock_text(band.starts), "to": clock_text(band.ends), "label": band.label}
            for band in bands
        ]
        for name, bands in zip(DAYS, week.days, strict=True)
        if bands
    }


def _day(name: str, rows: Sequence[Mapping[str, object]]) -> tuple[Band, ...]:
    if len(rows) > MAX_BANDS:
        raise BadTimetable(name, "too_many")
    placed = sorted(((_band(f"{name}.{index}", row), index) for index, row in enumerate(rows)), key=lambda pair: pair[0].starts)
    for (before, _), (after, index) in pairwise(placed):
        if after.starts < before.ends:
            raise BadTimetable(f"{name}.{index}.from", "overlap")
    return tuple(band for band, _ in placed)


def _band(field: str, row: Mapping[str, object]) -> Band:
    kind = row.get("kind")
    if kind not in {*BandKind}:
        raise BadTimetable(f"{field}.kind", "unknown_kind")
    starts, ends = clock(row.get("from"), f"{field}.from"), clock(row.get("to"), f"{field}.to")
    if starts >= ends:
        raise BadTimetable(f"{field}.to", "crosses_midnight")
    return Band(BandKind(str(kind)), starts, ends, str(row.get("label") or "")[:80])
