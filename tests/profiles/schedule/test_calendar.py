"""Weeks, calendars, the published dates against the table, the ministry's file."""

from __future__ import annotations

import json
from datetime import date

import pytest

from profiles.schedule.calendar import Period, calendar_of
from profiles.schedule.ministry_calendar import BadCalendarFile, read_calendar
from profiles.schedule.night import DEFAULT_NIGHT, read_night
from profiles.schedule.official_calendars import PUBLISHED_UNTIL, library_calendar, periods_of, public_days, region_of
from profiles.schedule.timetable import BadTimetable, BandKind, read_week, write_week
from tests.profiles.schedule.places import FOUR_DAYS, FOUR_DAYS_JSON

#: schools.md section 4.3; a bridge is compared on its working days.
ZONE_C = [
    ("Toussaint 2026", "2026-10-17", "2026-11-01"), ("Noël 2026", "2026-12-19", "2027-01-03"),
    ("Hiver 2027", "2027-02-06", "2027-02-21"), ("Printemps 2027", "2027-04-03", "2027-04-18"),
    ("Été 2026", "2026-07-04", "2026-08-31"), ("Été 2027", "2027-07-03", "2027-08-31"),
    ("Toussaint 2027", "2027-10-23", "2027-11-07"), ("Noël 2027", "2027-12-18", "2028-01-02"),
    ("Hiver 2028", "2028-02-12", "2028-02-27"), ("Printemps 2028", "2028-04-15", "2028-05-01"),
    ("Été 2028", "2028-07-04", "2028-08-31"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "first", "last"), ZONE_C)
def test_the_published_periods_of_zone_c(name: str, first: str, last: str) -> None:
    assert (date.fromisoformat(first), date.fromisoformat(last)) in {(p.first, p.last) for p in periods_of("C")}, name


def test_a_bridge_is_there_when_it_was_published_and_a_towns_matter_when_not() -> None:
    calendar = library_calendar("C", None)
    assert calendar.is_off(date(2027, 5, 7))
    assert calendar.is_off(date(2028, 5, 26))
    assert not calendar.is_off(date(2026, 5, 15))
    assert calendar.is_public(date(2026, 5, 14))


def test_public_holidays_outside_the_periods_are_added_and_follow_the_place() -> None:
    national = public_days(None)
    assert {date(2026, 11, 11), date(2027, 3, 29), date(2027, 5, 1), date(2027, 5, 8), date(2027, 5, 17)} <= national
    assert date(2026, 12, 26) not in national
    assert date(2026, 12, 26) in public_days(region_of("0670001A"))  # Alsace: Saint Stephen's Day
    assert date(2026, 12, 20) in public_days(region_of("9740001A"))  # La Réunion: abolition of slavery
    assert region_of("0929001J") is None


def test_zones_differ_in_winter_and_spring_only() -> None:
    a, b, c = ({(p.first, p.last) for p in periods_of(zone) if "hiver" in p.name or "printemps" in p.name} for zone in "ABC")
    assert a.isdisjoint(b)
    assert b.isdisjoint(c)
    assert {p for p in periods_of("A") if "Toussaint" in p.name} == {p for p in periods_of("C") if "Toussaint" in p.name}


def test_after_the_published_dates_nobody_knows_and_somebody_is_warned_before() -> None:
    calendar = library_calendar("C", None)
    assert calendar.knows(PUBLISHED_UNTIL)
    assert not calendar.knows(date(2028, 12, 25))
    assert not calendar.is_off(date(2028, 12, 25))
    assert not calendar.warns(date(2028, 6, 2))
    assert calendar.warns(date(2028, 6, 3))
    assert calendar_of("own", [], [], None).warns(date(2026, 1, 1))


def test_a_week_is_read_and_written_back() -> None:
    assert read_week(write_week(FOUR_DAYS)) == FOUR_DAYS
    assert [band.kind for band in FOUR_DAYS.days[2]] == [BandKind.AFTER_SCHOOL]
    assert FOUR_DAYS.days[5] == ()


@pytest.mark.parametrize(
    ("days", "field", "why"),
    [
        ({"monday": []}, "monday", "unknown_day"),
        ({"mon": [{"kind": "nap", "from": "08:00", "to": "09:00"}]}, "mon.0.kind", "unknown_kind"),
        ({"mon": [{"kind": "school", "from": "8:00", "to": "09:00"}]}, "mon.0.from", "not_a_time"),
        ({"mon": [{"kind": "school", "from": "08:00"}]}, "mon.0.to", "not_a_time"),
        ({"mon": [{"kind": "school", "from": "22:00", "to": "06:00"}]}, "mon.0.to", "crosses_midnight"),
        ({"mon": [{"kind": "school", "from": "08:00", "to": "10:00"}, {"kind": "school", "from": "09:59", "to": "11:00"}]},
         "mon.1.from", "overlap"),
        ({"mon": [{"kind": "school", "from": "09:59", "to": "11:00"}, {"kind": "school", "from": "08:00", "to": "10:00"}]},
         "mon.0.from", "overlap"),
        ({"mon": [{"kind": "school", "from": "08:00", "to": "08:01"}] * 25}, "mon", "too_many"),
    ],
)  # fmt: skip
def test_a_bad_week_names_the_field(days: dict[str, list[dict[str, str]]], field: str, why: str) -> None:
    with pytest.raises(BadTimetable) as caught:
        read_week(days)
    assert (caught.value.field, caught.value.why) == (field, why)


def test_bands_that_touch_do_not_overlap_and_may_end_at_midnight() -> None:
    week = read_week(
        {"fri": [{"kind": "school", "from": "08:00", "to": "12:00"}, {"kind": "school", "from": "12:00", "to": "24:00"}]}
    )
    assert [(band.starts, band.ends) for band in week.days[4]] == [(480, 720), (720, 1440)]


def test_a_night_may_cross_midnight_and_is_bounded() -> None:
    assert read_night("20:00", "07:00") == DEFAULT_NIGHT
    assert DEFAULT_NIGHT.minutes == 11 * 60
    assert read_night("00:30", "06:00").of_evening() == (30, 360)
    for starts, ends, why in (("20:00", "20:00", "empty"), ("12:00", "11:00", "too_long"), ("x", "07:00", "not_a_time")):
        with pytest.raises(BadTimetable) as caught:
            read_night(starts, ends)
        assert caught.value.why == why


CSV = (
    "\ufeffDescription;Population;Date de début;start_date;end_date;Académies;Zones;annee_scolaire\r\n"
    "Vacances de la Toussaint;-;x;2026-10-16T22:00:00+00:00;2026-11-01T23:00:00+00:00;Versailles;Zone C;2026-2027\r\n"
    "Vacances de la Toussaint;-;x;2026-10-16T22:00:00+00:00;2026-11-01T23:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances d'Été;Enseignants;x;2027-07-02T22:00:00+00:00;2027-08-30T22:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances d'Été;Élèves;x;2027-07-02T22:00:00+00:00;2027-08-31T22:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances après 1ère période;-;x;2026-10-09T22:00:00+00:00;2026-10-25T23:00:00+00:00;Réunion;Réunion;2026-2027\r\n"
)


def test_the_ministrys_file_says_paris_midnight_and_the_day_of_return() -> None:
    read = read_calendar(CSV.encode())
    assert read.skipped == 1
    assert read.periods["C"] == (
        Period(date(2026, 10, 17), date(2026, 11, 1), "Vacances de la Toussaint"),
        Period(date(2027, 7, 3), date(2027, 8, 31), "Vacances d'Été"),
    )
    assert read.periods["Réunion"] == (Period(date(2026, 10, 10), date(2026, 10, 25), "Vacances après 1ère période"),)


def test_the_json_export_reads_alike() -> None:
    row = {"description": "Pont", "population": "-", "start_date": "2027-05-05T22:00:00+00:00",
           "end_date": "2027-05-09T22:00:00+00:00", "zones": "Zone A / Zone B"}  # fmt: skip
    for document in ([row], {"total_count": 1, "results": [row]}):
        read = read_calendar(json.dumps(document).encode())
        assert set(read.periods) == {"A", "B"}
        assert read.periods["A"][0].last == date(2027, 5, 9)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "missing_column_description"), (b"\xff\xfe\x00", "not_utf8"), (b"[1]", "not_a_list"), (b"{", "not_json"),
        (b"[" * 100_000, "not_json"), (b"a;b\r\n1;2", "missing_column_description"), (b"[]", "empty"),
        (b"description;start_date;end_date;zones\r\nx;soon;later;Zone A", "not_a_date"),
        (b"description;start_date;end_date;zones\r\nx;2026-10-17;2026-11-02;", "no_zone"),
        (b"description;start_date;end_date;zones\r\nx;2026-10-17;2036-11-02;Zone A", "period_too_long"),
        (b"x" * (8 * 2**20 + 1), "too_large"),
    ],
)  # fmt: skip
def test_a_bad_calendar_file_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadCalendarFile) as caught:
        read_calendar(content)
    assert caught.value.why == why


def test_the_example_covers_the_week() -> None:
    assert set(FOUR_DAYS_JSON) == {"mon", "tue", "wed", "thu", "fri"}
