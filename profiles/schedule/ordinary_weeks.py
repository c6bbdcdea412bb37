"""The weeks that most towns have, from which a town without hours may start. Pure; nothing here is in force until a person saves it.

Both have the 24 hours of teaching of the law, and after-school time around them. See docs/domain/modes.md#timetable.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from profiles.schedule.timetable import DAYS, Band, BandKind, Week, parse_clock

_LONG_DAYS = ("mon", "tue", "thu", "fri")


class OrdinaryWeek(StrEnum):
    """How the 24 hours of teaching are spread."""

    FOUR_DAYS = "four_days"  # Monday, Tuesday, Thursday, Friday
    NINE_HALF_DAYS = "nine_half_days"  # shorter afternoons, and Wednesday morning


def _build_day(*bands: str) -> tuple[Band, ...]:
    """Return the bands of a day from texts of a kind and two times."""
    parts = [band.split() for band in bands]
    return tuple(Band(BandKind(kind), parse_clock(starts, "from"), parse_clock(ends, "to")) for kind, starts, ends in parts)


def _build_week(long_day: tuple[Band, ...], wednesday: tuple[Band, ...]) -> Week:
    return Week(tuple(long_day if day in _LONG_DAYS else wednesday if day == "wed" else () for day in DAYS))


ORDINARY_WEEKS: Mapping[OrdinaryWeek, Week] = {
    OrdinaryWeek.FOUR_DAYS: _build_week(
        _build_day(
            "after_school 07:30 08:30", "school 08:30 11:30", "after_school 11:30 13:30", "school 13:30 16:30", "after_school 16:30 18:30"
        ),
        _build_day("after_school 07:30 18:30"),
    ),
    OrdinaryWeek.NINE_HALF_DAYS: _build_week(
        _build_day(
            "after_school 07:30 08:30", "school 08:30 11:45", "after_school 11:45 13:45", "school 13:45 15:45", "after_school 15:45 18:30"
        ),
        _build_day("after_school 07:30 08:30", "school 08:30 11:30", "after_school 11:30 18:30"),
    ),
}  # fmt: skip
