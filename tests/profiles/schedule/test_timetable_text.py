"""Bands of a day as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.schedule.timetable import MIDNIGHT, Band, BandKind, TimetableFormatError, parse_week
from profiles.schedule.timetable_text import format_bands, parse_bands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08:30-11:30, 13:30-16:30", [("08:30", "11:30", ""), ("13:30", "16:30", "")]),
        ("8h30 – 11h30 ; 13h-16h30 Classe", [("08:30", "11:30", ""), ("13:00", "16:30", "Classe")]),
        ("16:30 à 18:30 étude surveillée\n7 - 8h20 accueil", [("16:30", "18:30", "étude surveillée"), ("07:00", "08:20", "accueil")]),
        ("", []),
        (" , ", []),
        ("18:00-24:00", [("18:00", "24:00", "")]),
    ],
)  # fmt: skip
def test_typed_hours_are_understood(text: str, expected: list[tuple[str, str, str]]) -> None:
    bands = parse_bands(text, BandKind.SCHOOL, "mon")
    assert [(band["from"], band["to"], band["label"]) for band in bands] == expected


@pytest.mark.parametrize("text", ["matin", "08:30", "08:30-", "8.30-11.30", "08:30-11:300", "08:3-11:30", "-", "0x8-9"])
def test_what_is_no_time_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(TimetableFormatError) as refusal:
        parse_bands(text, BandKind.SCHOOL, "mon.school")
    assert (refusal.value.field, refusal.value.why) == ("mon.school", "not_a_time")


def test_impossible_times_are_refused_by_the_week() -> None:
    for text, why in (("25:00-26:00", "not_a_time"), ("10:00-09:00", "crosses_midnight"), ("08:00-10:00,09:00-11:00", "overlap")):
        with pytest.raises(TimetableFormatError) as refusal:
            parse_week({"mon": parse_bands(text, BandKind.SCHOOL, "mon")})
        assert refusal.value.why == why
    with pytest.raises(TimetableFormatError):
        parse_bands(",".join(["8-9"] * 25), BandKind.SCHOOL, "mon")


@given(st.lists(st.integers(0, MIDNIGHT), min_size=2, max_size=8, unique=True), st.sampled_from(["", "Cantine", "étude 2"]))
def test_writing_and_reading_give_the_same_bands(edges: list[int], label: str) -> None:
    edges.sort()
    bands = [Band(BandKind.AFTER_SCHOOL, a, b, label) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    text = format_bands(bands, BandKind.AFTER_SCHOOL)
    assert list(parse_week({"wed": parse_bands(text, BandKind.AFTER_SCHOOL, "wed")}).days[2]) == bands
