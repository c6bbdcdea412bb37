"""Weeks, nights, official calendars compared with the published dates, and the ministry's file."""

from __future__ import annotations

import json
from datetime import date

import pytest

from enrollment.places.zones import HolidayZone
from profiles.schedule.calendar import HolidayPeriod, build_calendar
from profiles.schedule.ministry_calendar import InvalidCalendarFile, parse_ministry_calendar
from profiles.schedule.night import DEFAULT_NIGHT, parse_night
from profiles.schedule.official_calendars import (
    PUBLISHED_UNTIL,
    get_official_calendar,
    get_region,
    list_public_holidays,
    list_zone_periods,
)
from profiles.schedule.timetable import BandKind, TimetableFormatError, parse_week, serialize_week
from tests.profiles.schedule.places import FOUR_DAYS, FOUR_DAYS_JSON

#: As published by the ministry; a bridge is compared on its working days.
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
    assert (date.fromisoformat(first), date.fromisoformat(last)) in {(p.first, p.last) for p in list_zone_periods("C")}, name


def test_only_published_bridge_days_are_in_the_official_calendar() -> None:
    calendar = get_official_calendar("C", None)
    assert calendar.is_day_off(date(2027, 5, 7))
    assert calendar.is_day_off(date(2028, 5, 26))
    assert not calendar.is_day_off(date(2026, 5, 15))
    assert calendar.is_public_holiday(date(2026, 5, 14))


def test_public_holidays_depend_on_the_region() -> None:
    national = list_public_holidays(None)
    assert {date(2026, 11, 11), date(2027, 3, 29), date(2027, 5, 1), date(2027, 5, 8), date(2027, 5, 17)} <= national
    assert date(2026, 12, 26) not in national
    assert date(2026, 12, 26) in list_public_holidays(get_region("0670001A"))  # Alsace: Saint Stephen's Day
    assert date(2026, 12, 20) in list_public_holidays(get_region("9740001A"))  # La Réunion: abolition of slavery
    assert get_region("0929001J") is None


def test_zones_differ_in_winter_and_spring_only() -> None:
    a, b, c = (
        {(p.first, p.last) for p in list_zone_periods(zone) if "hiver" in p.name or "printemps" in p.name} for zone in "ABC"
    )
    assert a.isdisjoint(b)
    assert b.isdisjoint(c)
    assert {p for p in list_zone_periods("A") if "Toussaint" in p.name} == {
        p for p in list_zone_periods("C") if "Toussaint" in p.name
    }


def test_no_holidays_are_known_after_the_published_dates_and_a_warning_comes_before() -> None:
    calendar = get_official_calendar("C", None)
    assert calendar.is_published(PUBLISHED_UNTIL)
    assert not calendar.is_published(date(2028, 12, 25))
    assert not calendar.is_day_off(date(2028, 12, 25))
    assert not calendar.needs_next_dates(date(2028, 6, 2))
    assert calendar.needs_next_dates(date(2028, 6, 3))
    assert build_calendar("own", [], [], None).needs_next_dates(date(2026, 1, 1))


def test_a_week_survives_serialization() -> None:
    assert parse_week(serialize_week(FOUR_DAYS)) == FOUR_DAYS
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
    with pytest.raises(TimetableFormatError) as caught:
        parse_week(days)
    assert (caught.value.field, caught.value.why) == (field, why)


def test_bands_that_touch_do_not_overlap_and_may_end_at_midnight() -> None:
    week = parse_week(
        {"fri": [{"kind": "school", "from": "08:00", "to": "12:00"}, {"kind": "school", "from": "12:00", "to": "24:00"}]}
    )
    assert [(band.starts, band.ends) for band in week.days[4]] == [(480, 720), (720, 1440)]


def test_a_night_may_cross_midnight_and_is_bounded() -> None:
    assert parse_night("20:00", "07:00") == DEFAULT_NIGHT
    assert DEFAULT_NIGHT.duration_minutes == 11 * 60
    assert parse_night("00:30", "06:00").get_window() == (30, 360)
    for starts, ends, why in (("20:00", "20:00", "empty"), ("12:00", "11:00", "too_long"), ("x", "07:00", "not_a_time")):
        with pytest.raises(TimetableFormatError) as caught:
            parse_night(starts, ends)
        assert caught.value.why == why


CSV = (
    "\ufeffDescription;Population;Date de début;start_date;end_date;Académies;Zones;annee_scolaire\r\n"
    "Vacances de la Toussaint;-;x;2026-10-16T22:00:00+00:00;2026-11-01T23:00:00+00:00;Versailles;Zone C;2026-2027\r\n"
    "Vacances de la Toussaint;-;x;2026-10-16T22:00:00+00:00;2026-11-01T23:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances d'Été;Enseignants;x;2027-07-02T22:00:00+00:00;2027-08-30T22:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances d'Été;Élèves;x;2027-07-02T22:00:00+00:00;2027-08-31T22:00:00+00:00;Paris;Zone C;2026-2027\r\n"
    "Vacances après 1ère période;-;x;2026-10-09T22:00:00+00:00;2026-10-25T23:00:00+00:00;Réunion;Réunion;2026-2027\r\n"
)


def test_the_ministry_file_has_midnight_in_paris_and_the_day_of_return() -> None:
    read = parse_ministry_calendar(CSV.encode())
    assert read.skipped_rows == 1
    assert read.periods[HolidayZone.C] == (
        HolidayPeriod(date(2026, 10, 17), date(2026, 11, 1), "Vacances de la Toussaint"),
        HolidayPeriod(date(2027, 7, 3), date(2027, 8, 31), "Vacances d'Été"),
    )
    assert read.periods[HolidayZone.REUNION] == (
        HolidayPeriod(date(2026, 10, 10), date(2026, 10, 25), "Vacances après 1ère période"),
    )


def test_the_json_export_gives_the_same_periods() -> None:
    row = {"description": "Pont", "population": "-", "start_date": "2027-05-05T22:00:00+00:00",
           "end_date": "2027-05-09T22:00:00+00:00", "zones": "Zone A / Zone B"}  # fmt: skip
    for document in ([row], {"total_count": 1, "results": [row]}):
        read = parse_ministry_calendar(json.dumps(document).encode())
        assert set(read.periods) == {"A", "B"}
        assert read.periods[HolidayZone.A][0].last == date(2027, 5, 9)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "missing_column_description"), (b"\xff\xfe\x00", "not_utf8"), (b"[1]", "not_a_list"), (b"{", "not_json"),
        (b"[" * 100_000, "not_json"), (b"a;b\r\n1;2", "missing_column_description"), (b"[]", "empty"),
        (b"x" * (8 * 2**20 + 1), "too_large"),
    ],
)  # fmt: skip
def test_a_bad_calendar_file_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(InvalidCalendarFile) as caught:
        parse_ministry_calendar(content)
    assert caught.value.why == why


def test_the_example_week_has_every_school_day() -> None:
    assert set(FOUR_DAYS_JSON) == {"mon", "tue", "wed", "thu", "fri"}
