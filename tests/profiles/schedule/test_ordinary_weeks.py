"""The weeks that a town without hours is offered keep the law, and are weeks that may be saved."""

from __future__ import annotations

import pytest

from profiles.schedule.ordinary_weeks import ORDINARY_WEEKS, OrdinaryWeek
from profiles.schedule.timetable import BandKind, parse_week, serialize_week


@pytest.mark.parametrize(("name", "half_days", "longest_day"), [("four_days", 8, 360), ("nine_half_days", 9, 330)])
def test_an_ordinary_week_has_the_hours_of_the_law(name: str, half_days: int, longest_day: int) -> None:
    week = ORDINARY_WEEKS[OrdinaryWeek(name)]
    assert parse_week(serialize_week(week)) == week
    lengths = [[band.ends - band.starts for band in day if band.kind is BandKind.SCHOOL] for day in week.days]
    assert sum(map(sum, lengths)) == 24 * 60
    assert sum(map(len, lengths)) == half_days
    assert max(map(sum, lengths)) <= longest_day
    assert max(length for day in lengths for length in day) <= 3.5 * 60
