"""The ministry's calendar as it is really published: marker rows, teachers' rows, dates in every form, CSV, JSON and iCalendar, bad rows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from enrollment.places.zones import HolidayZone
from mdm.cli import calendars
from profiles.schedule import authoring, calendar_import
from profiles.schedule.calendar import HolidayPeriod
from profiles.schedule.calendar_import import NoZoneOfTheTown, UnreadableCalendar
from profiles.schedule.ministry_calendar import (
    ImportedCalendars,
    InvalidCalendarFile,
    RowOutcome,
    parse_day,
    parse_ministry_calendar,
)
from profiles.schedule.modes import Mode
from tests.conftest import KEYRING
from tests.profiles.schedule.test_place_zones import WEEK, mode_at
from tests.support.sampling import count_examples
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

HEADER = "description;population;start_date;end_date;location;zones;annee_scolaire"
RETURN = "Rentrée scolaire des élèves;Élèves;2026-08-31T22:00:00+00:00;2026-08-31T22:00:00+00:00;Versailles;Zone C;2026-2027"
AUTUMN = "Vacances de la Toussaint;-;2026-10-16T22:00:00+00:00;2026-11-01T23:00:00+00:00;Versailles;Zone C;2026-2027"
SUMMER = "Début des Vacances d'Été;-;2027-07-02T22:00:00+00:00;2027-07-02T22:00:00+00:00;Versailles;Zone C;2026-2027"
NEXT_RETURN = "Rentrée scolaire des élèves;Élèves;2027-09-01T22:00:00+00:00;2027-09-01T22:00:00+00:00;Versailles;Zone C;2027-2028"
TOUSSAINT = HolidayPeriod(date(2026, 10, 17), date(2026, 11, 1), "Vacances de la Toussaint")


def build_csv(*rows: str, header: str = HEADER, encoding: str = "utf-8", end: str = "\r\n") -> bytes:
    return (end.join([header, *rows]) + end).encode(encoding)


def outcomes(imported: ImportedCalendars) -> list[RowOutcome]:
    return [row.outcome for row in imported.rows]


def test_marker_rows_are_no_holidays_and_bound_the_summer() -> None:
    imported = parse_ministry_calendar(build_csv(RETURN, AUTUMN, SUMMER))
    assert imported.periods[HolidayZone.C] == (TOUSSAINT, HolidayPeriod(date(2027, 7, 3), date(2027, 8, 31), "Vacances d'Été"))
    assert outcomes(imported) == [RowOutcome.MARKER, RowOutcome.PERIOD, RowOutcome.MARKER]
    assert imported.open_summers == {HolidayZone.C}, "the return is not in the file, so the end of this summer is a guess"


@pytest.mark.parametrize("rows", [(RETURN, AUTUMN, SUMMER, NEXT_RETURN), (NEXT_RETURN, SUMMER, AUTUMN, RETURN)])
def test_a_summer_ends_the_day_before_the_return_of_the_pupils(rows: tuple[str, ...]) -> None:
    imported = parse_ministry_calendar(build_csv(*rows))
    assert imported.periods[HolidayZone.C][-1] == HolidayPeriod(date(2027, 7, 3), date(2027, 9, 1), "Vacances d'Été")
    assert imported.open_summers == frozenset()


def test_the_return_of_teachers_is_not_that_of_pupils() -> None:
    teachers = NEXT_RETURN.replace("2027-09-01", "2027-08-30").replace("élèves", "enseignants").replace("Élèves", "-")
    before = NEXT_RETURN.replace("2027-09-01", "2027-08-30").replace("Rentrée scolaire des élèves;Élèves", "Prérentrée;-")
    by_population = AUTUMN.replace(";-;", ";Enseignants;")
    imported = parse_ministry_calendar(build_csv(SUMMER, teachers, before, by_population, NEXT_RETURN))
    assert imported.periods[HolidayZone.C][-1].last == date(2027, 9, 1)
    assert imported.skipped_rows == 3


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-10-16T22:00:00+00:00", "2026-11-01T23:00:00+00:00"),
        ("2026-10-17T00:00:00+02:00", "2026-11-02T00:00:00+01:00"),
        ("2026-10-16T22:00:00Z", "2026-11-01T23:00:00.000Z"),
        ("2026-10-16T22:00:00", "2026-11-01T23:00:00"),
        ("2026-10-17", "2026-11-02"),
        ("17/10/2026", "02/11/2026"),
        ("17/10/2026 00:00", "2/11/2026"),
        ("17-10-2026", "02.11.2026"),
        ("2026-10-16 22:00:00+00:00", "2026-11-01 23:00:00+00:00"),
        ("2026-10-16T16:30:00+00:00", "2026-11-02T07:30:00+00:00"),  # after the last class, until the first
    ],
)
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_dates_in_every_form(first: str, last: str, separator: str) -> None:
    row = f"Vacances de la Toussaint;-;{first};{last};Versailles;Zone C;2026-2027"
    content = build_csv(row.replace(";", separator), header=HEADER.replace(";", separator))
    assert parse_ministry_calendar(content).periods == {HolidayZone.C: (TOUSSAINT,)}


def test_midnight_overseas_is_a_day_there_too() -> None:
    rows = [
        "Vacances;-;2026-10-09T20:00:00+00:00;2026-10-25T20:00:00+00:00;Réunion;Réunion;2026-2027",  # midnight on the island
        "Vacances;-;2026-10-09T22:00:00+00:00;2026-10-25T23:00:00+00:00;Mayotte;Mayotte;2026-2027",  # midnight in Paris
        "Vacances;-;2026-10-09T13:00:00+00:00;2026-10-25T13:00:00+00:00;Nouvelle Calédonie;Nouvelle Calédonie;2026",
        "Vacances;-;2026-10-10T10:00:00+00:00;2026-10-26T10:00:00+00:00;Polynésie;Polynésie;2026",
        "Vacances;-;2026-10-10T04:00:00+00:00;2026-10-26T04:00:00+00:00;Guadeloupe;Guadeloupe;2026",
    ]
    imported = parse_ministry_calendar(build_csv(*rows))
    assert len(imported.periods) == 5
    assert {(period.first, period.last) for periods in imported.periods.values() for period in periods} == {
        (date(2026, 10, 10), date(2026, 10, 25))
    }


def test_a_bad_row_is_reported_and_loses_no_other() -> None:
    rows = [
        AUTUMN,
        AUTUMN.replace("Versailles", "Paris"),
        "Vacances;-;soon;later;Versailles;Zone C;x",
        "Vacances;-;2026-10-16;2026-11-02;;;x",
        "Vacances;-;2026-10-16;2036-11-02;Versailles;Zone C;x",
        "Vacances;-;2026-11-16;2026-11-02;Versailles;Zone C;x",
        "Vacances;-;0026-10-16;0026-11-02;Versailles;Zone C;x",
        "Vacances",
        "Vacances;-;31/02/2027;02/03/2027;Versailles;Zone C;x",
    ]
    imported = parse_ministry_calendar(build_csv(*rows))
    assert imported.periods == {HolidayZone.C: (TOUSSAINT,)}
    assert outcomes(imported) == [
        RowOutcome.PERIOD, RowOutcome.DUPLICATE, RowOutcome.NOT_A_DATE, RowOutcome.NO_ZONE, RowOutcome.PERIOD_TOO_LONG,
        RowOutcome.ENDS_BEFORE_IT_BEGINS, RowOutcome.NOT_A_DATE, RowOutcome.NO_ZONE, RowOutcome.NOT_A_DATE,
    ]  # fmt: skip
    assert [row.line for row in imported.rows] == [*range(2, 11)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    "header",
    [HEADER, "Description;Population;Date de début;Date de fin;Académies;Zones;annee_scolaire", "DESCRIPTION;POPULATION;START_DATE;END_DATE;LOCATION;ZONES;X"],
)  # fmt: skip
def test_editions_of_the_table(encoding: str, header: str) -> None:
    imported = parse_ministry_calendar(build_csv(RETURN, AUTUMN, SUMMER, header=header, encoding=encoding))
    assert [period.name for period in imported.periods[HolidayZone.C]] == ["Vacances de la Toussaint", "Vacances d'Été"]


def test_the_zone_may_follow_from_the_academy() -> None:
    rows = [
        AUTUMN.replace("Zone C", ""),
        AUTUMN.replace("Zone C", "?").replace("Versailles", "Lyon"),
        AUTUMN.replace("Zone C", "zone b, Zone A"),
    ]
    imported = parse_ministry_calendar(build_csv(*rows))
    assert set(imported.periods) == {HolidayZone.A, HolidayZone.B, HolidayZone.C}


@pytest.mark.parametrize("wrap", ["list", "results", "records", "fields", "record"])
def test_the_json_exports(wrap: str) -> None:
    names = HEADER.split(";")
    rows = [dict(zip(names, row.split(";"), strict=True)) for row in (RETURN, AUTUMN, SUMMER)]
    rows[1]["zones"] = ["Zone C"]  # type: ignore[assignment]
    document: object = {
        "list": [*rows, None, 7], "results": {"total_count": 3, "results": rows}, "records": {"records": rows},
        "fields": [{"datasetid": "x", "fields": row} for row in rows], "record": {"records": [{"record": {"fields": row}} for row in rows]},
    }[wrap]  # fmt: skip
    imported = parse_ministry_calendar(json.dumps(document).encode())
    assert [period.last for period in imported.periods[HolidayZone.C]] == [date(2026, 11, 1), date(2027, 8, 31)]


ICS = """BEGIN:VCALENDAR
VERSION:2.0
X-WR-CALNAME:Calendrier scolaire - Zone C
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260901
DTEND;VALUE=DATE:20260902
SUMMARY:Rentrée scolaire des élèves
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20261017
DTEND;VALUE=DATE:20261102
SUMMARY:Vacances de la
  Toussaint
LOCATION:Créteil\\, Montpellier\\, Paris
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART:20270702T220000Z
SUMMARY:Début des Vacances d'Été
END:VEVENT
BEGIN:VEVENT
UID:4
DTSTART;TZID=Europe/Paris:20270206T000000
DTEND;TZID=Europe/Paris:20270222T000000
SUMMARY:Vacances d'Hiver
STATUS:CONFIRMED
END:VEVENT
BEGIN:VEVENT
UID:5
DTSTART;VALUE=DATE:20270301
SUMMARY:annulé
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
DTSTART:never
SUMMARY:bad
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_icalendar_file_of_one_zone(end: str) -> None:
    imported = parse_ministry_calendar(ICS.replace("\n", end).encode())
    assert imported.periods == {
        HolidayZone.C: (
            TOUSSAINT,
            HolidayPeriod(date(2027, 2, 6), date(2027, 2, 21), "Vacances d'Hiver"),
            HolidayPeriod(date(2027, 7, 3), date(2027, 8, 31), "Vacances d'Été"),
        )
    }
    assert outcomes(imported).count(RowOutcome.NOT_A_DATE) == 1


def test_a_file_without_any_zone_takes_the_zone_that_is_named() -> None:
    content = ICS.replace("X-WR-CALNAME:Calendrier scolaire - Zone C\n", "").replace(
        "LOCATION:Créteil\\, Montpellier\\, Paris\n", ""
    )
    assert parse_ministry_calendar(content.encode()).periods == {}
    assert set(parse_ministry_calendar(content.encode(), HolidayZone.B).periods) == {HolidayZone.B}


def build_calendar(*events: str, name: str = "Calendrier scolaire") -> str:
    inner = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nX-WR-CALNAME:{name}\n{inner}END:VCALENDAR\n"


AUTUMN_EVENT = "DTSTART;VALUE=DATE:20261017\nDTEND;VALUE=DATE:20261102\nSUMMARY:Vacances de la Toussaint"


@pytest.mark.parametrize(
    ("suffix", "zones"),
    [
        (" - Zone C", "C"),
        (" - Zones A, B et C", "ABC"),
        (" (Zone A/B)", "AB"),
        (" - zone A, zone C", "AC"),
        (" : Zone-B", "B"),
        (" – Zones A\\, B & C", "ABC"),
    ],
)
def test_an_event_names_all_its_zones_and_its_period_none(suffix: str, zones: str) -> None:
    imported = parse_ministry_calendar(build_calendar(AUTUMN_EVENT + suffix).encode())
    assert imported.periods == {HolidayZone(letter): (TOUSSAINT,) for letter in zones}


def test_an_event_for_corsica_and_others_and_words_that_are_no_zones() -> None:
    imported = parse_ministry_calendar(build_calendar(AUTUMN_EVENT + " - Zones A, B, C et Corse").encode())
    assert set(imported.periods) == {HolidayZone.A, HolidayZone.B, HolidayZone.C, HolidayZone.CORSE}
    named = parse_ministry_calendar(build_calendar(AUTUMN_EVENT + " - zone Bordeaux", name="Zone C").encode())
    assert set(named.periods) == {HolidayZone.C}


def test_a_summer_of_one_day_is_where_it_begins() -> None:
    """In iCalendar an event of one day ends on the next: read as a period, July and August would be school days."""
    summer = "DTSTART;VALUE=DATE:20270703\nDTEND;VALUE=DATE:20270704\nSUMMARY:{} - Zones A, B et C"
    for title in ("Vacances d'Été", "Début des Vacances d'Été", "Grandes vacances d'été"):
        imported = parse_ministry_calendar(build_calendar(summer.format(title)).encode())
        for zone in (HolidayZone.A, HolidayZone.B, HolidayZone.C):
            assert imported.periods[zone] == (HolidayPeriod(date(2027, 7, 3), date(2027, 8, 31), "Vacances d'Été"),), title


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("20261016T163000", "20261102T083000"),
        ("20261017T000000", "20261101T235900"),
        ("20261016T180000", "20261101T235959"),
        ("20261017T000000", "20261102T000000"),
    ],
)
def test_a_time_of_a_named_zone_means_the_nearest_midnight(first: str, last: str) -> None:
    event = f'DTSTART;TZID=Europe/Paris:{first}\nDTEND;TZID="Romance Standard Time":{last}\nSUMMARY:Vacances de la Toussaint'
    assert parse_ministry_calendar(build_calendar(event, name="Zone C").encode()).periods == {HolidayZone.C: (TOUSSAINT,)}


def test_each_calendar_of_a_file_has_a_zone_of_its_own() -> None:
    content = build_calendar(AUTUMN_EVENT, name="Zone C") + build_calendar(AUTUMN_EVENT, name="Zone A")
    assert set(parse_ministry_calendar(content.encode()).periods) == {HolidayZone.A, HolidayZone.C}


@pytest.mark.parametrize("end", [-5, -20, -40])
def test_a_calendar_without_its_end_is_refused(end: int) -> None:
    with pytest.raises(InvalidCalendarFile) as caught:
        parse_ministry_calendar(build_calendar(AUTUMN_EVENT, AUTUMN_EVENT, name="Zone C")[:end].encode())
    assert caught.value.why == "truncated"


@given(st.text(max_size=40))
def test_any_text_is_a_day_or_none(text: str) -> None:
    from zoneinfo import ZoneInfo

    day = parse_day(text, ZoneInfo("Indian/Reunion"))
    assert day is None or 1990 <= day.year <= 2100


@given(st.binary(max_size=300), st.sampled_from([b"", b"BEGIN:VCALENDAR\n", HEADER.encode() + b"\n", b'[{"fields":']))
@settings(max_examples=count_examples(200), deadline=None)
def test_any_bytes_are_a_calendar_or_refused(content: bytes, start: bytes) -> None:
    with contextlib.suppress(InvalidCalendarFile):
        parse_ministry_calendar(start + content)


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town(work: UnitOfWork) -> Town:
    town = TownFactory(work).create_town()
    authoring.save_timetable(work, SYSTEM, town.id, None, week=WEEK, calendar="zone", night=("20:00", "07:00"))
    return town


def import_file(work: UnitOfWork, town: Town, content: bytes) -> None:
    preview = calendar_import.preview_import(work, SYSTEM, town.id, calendar_import.read_calendars(content))
    calendar_import.save_imported_periods(work, SYSTEM, town.id, preview.get_used_periods())


def test_an_import_moves_holidays_and_keeps_what_the_file_does_not_name(work: UnitOfWork, town: Town) -> None:
    def mode_on(day: date) -> Mode:
        return mode_at(work, town, datetime(day.year, day.month, day.day, 10, tzinfo=UTC))

    moved = AUTUMN.replace("2026-10-16", "2026-10-23").replace("2026-11-01", "2026-11-08")
    assert (mode_on(date(2026, 10, 20)), mode_on(date(2026, 11, 5))) == (Mode.HOLIDAY, Mode.SCHOOL)
    import_file(work, town, build_csv(RETURN, moved, SUMMER))
    assert (mode_on(date(2026, 10, 20)), mode_on(date(2026, 11, 5))) == (Mode.SCHOOL, Mode.HOLIDAY)
    assert mode_on(date(2026, 9, 1)) is Mode.SCHOOL, "the day of return is a day of school"
    assert mode_on(date(2027, 7, 6)) is Mode.HOLIDAY
    assert mode_on(date(2026, 12, 22)) is Mode.HOLIDAY, "the file does not speak of Christmas"
    assert mode_on(date(2026, 11, 11)) is Mode.HOME, "a public holiday"
    import_file(work, town, build_csv(AUTUMN))
    assert (mode_on(date(2026, 10, 20)), mode_on(date(2026, 11, 5))) == (Mode.HOLIDAY, Mode.SCHOOL)


def test_a_town_overseas_has_holidays_once_the_file_is_imported(work: UnitOfWork, town: Town) -> None:
    authoring.set_town_zones(work, SYSTEM, town.id, zone=HolidayZone.REUNION, time_zone=None)
    day = datetime(2026, 10, 20, 6, tzinfo=UTC)
    assert mode_at(work, town, day) is Mode.SCHOOL
    row = "Vacances après 1ère période;-;2026-10-09T22:00:00+00:00;2026-10-25T23:00:00+00:00;Réunion;Réunion;2026-2027"
    import_file(work, town, build_csv(row, AUTUMN))
    assert mode_at(work, town, day) is Mode.HOLIDAY
    assert [view.name for view in authoring.list_calendars(work, SYSTEM, town.id)] == ["reunion"], "no other zone is stored"


def test_an_own_calendar_keeps_public_holidays_and_is_read_back(work: UnitOfWork, town: Town) -> None:
    own = [(date(2026, 10, 17), date(2026, 11, 1), "Toussaint")]
    authoring.save_calendar(work, SYSTEM, town.id, "own", periods=own, public=[date(2026, 11, 27)], known_until=date(2027, 8, 31))
    authoring.save_timetable(work, SYSTEM, town.id, None, week=WEEK, calendar="own", night=None)
    for day, mode in ((11, Mode.HOME), (27, Mode.HOME), (12, Mode.SCHOOL)):
        assert mode_at(work, town, datetime(2026, 11, day, 10, tzinfo=UTC)) is mode
    view = authoring.get_calendar(work, SYSTEM, town.id, "own")
    assert view.periods == [HolidayPeriod(*own[0])]
    assert (view.public_holidays, view.known_until) == ([date(2026, 11, 27)], date(2027, 8, 31))


def test_a_file_of_other_zones_and_a_file_that_is_none_are_refused(work: UnitOfWork, town: Town) -> None:
    with pytest.raises(NoZoneOfTheTown):
        import_file(work, town, build_csv(AUTUMN.replace("Zone C", "Zone A")))
    with pytest.raises(UnreadableCalendar):
        import_file(work, town, b"x")
    stranger = Actor(new_id(), "x", (RoleAssignment(Role.HEAD, town.id, new_id()),))
    with pytest.raises(Forbidden):
        calendar_import.preview_import(work, stranger, town.id, calendar_import.read_calendars(build_csv(AUTUMN)))


def test_the_command_line_previews_and_stores(
    work: UnitOfWork, town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    calendars.add_arguments(parser)
    file = tmp_path / "calendar.csv"
    file.write_bytes(build_csv(RETURN, AUTUMN, SUMMER, "Vacances;-;soon;later;Versailles;Zone C;x"))
    calendars.run(work, parser.parse_args(["import", str(file), "--town", town.slug, "--preview"]))
    out = capsys.readouterr().out
    assert "2026-10-17 to 2026-11-01  Vacances de la Toussaint" in out
    assert "Row 5: not_a_date" in out
    assert "Warning" in out
    assert authoring.list_calendars(work, SYSTEM, town.id) == []
    calendars.run(work, parser.parse_args(["import", str(file), "--town", town.slug]))
    assert [view.name for view in authoring.list_calendars(work, SYSTEM, town.id)] == ["C"]
    assert "Stored: C" in capsys.readouterr().out


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))) as running:
        yield running


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town().id


def test_the_api_previews_stores_and_reads_back(server: LiveServer, town_id: UUID) -> None:
    content = build_csv(RETURN, AUTUMN, SUMMER, "Vacances;-;soon;later;Versailles;Zone C;x", AUTUMN.replace("Zone C", "Zone A"))
    with contextlib.closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:
        path = f"/towns/{town_id}/calendar-imports"
        preview = client.post(path, files={"file": ("calendar.csv", content)}).json()
        assert (preview["stored"], preview["bad_rows"]) == (False, 1)
        assert [(zone["zone"], zone["used"], zone["summer_is_open"]) for zone in preview["zones"]] == [
            ("A", False, False),
            ("C", True, True),
        ]
        assert [row["outcome"] for row in preview["rows"]] == ["marker", "period", "marker", "not_a_date", "period"]
        assert client.get(f"/towns/{town_id}/calendars").json()["items"] == []
        assert client.get(f"/towns/{town_id}/calendars/C").status_code == 404
        assert client.post(path, files={"file": ("calendar.csv", content)}, data={"confirm": "true"}).json()["stored"] is True
        stored = client.get(f"/towns/{town_id}/calendars/C").json()
        assert stored["periods"][0] == {"first": "2026-10-17", "last": "2026-11-01", "name": "Vacances de la Toussaint"}
        assert stored["known_until"] == "2027-08-31"
        refused = client.post(path, files={"file": ("calendar.csv", b"PK")})
        assert (refused.status_code, refused.json()["code"]) == (422, "unreadable_calendar")
        assert client.put(f"/towns/{town_id}/calendars/C", json={"periods": []}).status_code == 422, "an official name"


@pytest.mark.parametrize(("night", "field"), [({"night_from": "20:00"}, "night_to"), ({"night_to": "07:00"}, "night_from")])
def test_the_api_refuses_half_a_night(server: LiveServer, town_id: UUID, night: dict[str, str], field: str) -> None:
    body = {"week": dict[str, object](), "night_from": night.get("night_from"), "night_to": night.get("night_to")}
    with contextlib.closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:
        refused = client.put(f"/towns/{town_id}/timetable", json=body)
        assert (refused.status_code, refused.json()["details"]) == (422, {"field": field, "why": "missing"})
        assert client.get(f"/towns/{town_id}/timetable").json() is None


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("DURATION:P16D", date(2026, 11, 1)),
        ("DURATION:P2W", date(2026, 10, 30)),
        ("BEGIN:VALARM\nDURATION:P3D\nEND:VALARM", date(2026, 10, 17)),
    ],
)
def test_an_event_with_a_duration_lasts_as_long(end: str, last: date) -> None:
    event = f"DTSTART;VALUE=DATE:20261017\n{end}\nSUMMARY:Vacances de la Toussaint - Zone C"
    imported = parse_ministry_calendar(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR\n".encode())
    [period] = imported.periods[HolidayZone.C]
    assert (period.first, period.last) == (date(2026, 10, 17), last)


def test_a_duration_that_is_not_understood_is_told() -> None:
    event = "DTSTART;VALUE=DATE:20261017\nDURATION:P1Y\nSUMMARY:Vacances de la Toussaint - Zone C"
    imported = parse_ministry_calendar(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR\n".encode())
    assert [row.outcome for row in imported.rows] == [RowOutcome.NOT_A_DATE]


@pytest.mark.parametrize(
    ("start", "end"), [("17/10/26", "02/11/26"), ("2026/10/17", "2026/11/02"), ("2026.10.17", "2026.11.02 00:00")]
)
def test_dates_of_spreadsheets_are_read(start: str, end: str) -> None:
    imported = parse_ministry_calendar(build_csv(f"Vacances de la Toussaint;-;{start};{end};Versailles;Zone C;2026-2027"))
    [period] = imported.periods[HolidayZone.C]
    assert (period.first, period.last) == (date(2026, 10, 17), date(2026, 11, 1))
