"""Holiday zone and time zone of towns and schools: set by API and command line, and used by modes, pages, papers and the command line."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.places import service as places
from enrollment.places.errors import UnknownTimeZone
from enrollment.places.models import Grade, School, Town
from enrollment.places.zones import HolidayZone, get_zone_facts, is_time_zone
from enrollment.tablets.models import TabletState
from mdm.cli.towns import add_arguments, run
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE, HolidayPeriod
from profiles.schedule.calendar_import import save_imported_periods
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

WEEK = {day: [{"kind": "school", "from": "08:20", "to": "16:30", "label": ""}] for day in ("mon", "tue", "thu", "fri")}
OVERSEAS = [zone for zone in HolidayZone if get_zone_facts(zone).region is not None]


def mode_at(work: UnitOfWork, town: Town, at: datetime, school: School | None = None) -> Mode:
    tablet_id = new_id()
    facts = TabletFacts(
        tablet_id=tablet_id, town_id=town.id, school_id=school.id if school else None, class_id=None, grade=Grade.CE1,
        pupil_id=None, state=TabletState.IN_USE, serial="S", tag="T", evidence_hold=False, os_version=None, product_name=None,
        supervised=True,
    )  # fmt: skip
    return evaluate_modes(work, [facts], at)[tablet_id].mode


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town(work: UnitOfWork) -> Town:
    town = TownFactory(work).create_town()
    authoring.save_timetable(work, SYSTEM, town.id, None, week=WEEK, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))
    return town


@pytest.mark.parametrize("zone", OVERSEAS)
def test_a_town_overseas_lives_by_its_own_clock_and_public_holidays(work: UnitOfWork, town: Town, zone: HolidayZone) -> None:
    authoring.set_town_zones(work, SYSTEM, town.id, zone=zone, time_zone=None)
    clock = places.get_town_zone(work, town.id)
    assert str(clock) == get_zone_facts(zone).time_zone

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=clock).astimezone(UTC)

    assert mode_at(work, town, at("2026-11-23T08:19")) is Mode.HOME
    assert mode_at(work, town, at("2026-11-23T08:20")) is Mode.SCHOOL
    assert mode_at(work, town, at("2026-11-23T16:31")) is Mode.HOME
    assert mode_at(work, town, at("2026-11-23T20:30")) is Mode.NIGHT_REST
    assert mode_at(work, town, at("2026-10-20T10:00")) is Mode.SCHOOL, "the holidays of zone C are not those of an island"
    assert mode_at(work, town, at("2027-05-06T10:00")) is Mode.HOME, "Ascension"


def test_the_abolition_of_slavery_is_a_holiday_on_reunion_alone(work: UnitOfWork, town: Town) -> None:
    for zone, mode in ((HolidayZone.C, Mode.HOLIDAY), (HolidayZone.REUNION, Mode.HOME), (HolidayZone.GUADELOUPE, Mode.SCHOOL)):
        authoring.set_town_zones(work, SYSTEM, town.id, zone=zone, time_zone=None)
        day = datetime(2027, 12, 20, 10, tzinfo=places.get_town_zone(work, town.id))
        assert mode_at(work, town, day) is mode


def test_a_school_may_follow_another_zone_than_its_town(work: UnitOfWork, town: Town) -> None:
    school = TownFactory(work).create_school(town)
    winter_in_a = datetime(2027, 2, 16, 10, tzinfo=UTC)  # zone A: 13 to 28 February, zone C: 6 to 21 February
    late_in_a = datetime(2027, 2, 25, 10, tzinfo=UTC)
    assert (mode_at(work, town, winter_in_a, school), mode_at(work, town, late_in_a, school)) == (Mode.HOLIDAY, Mode.SCHOOL)
    authoring.set_school_zones(work, SYSTEM, school.id, zone=HolidayZone.A, time_zone=None)
    assert mode_at(work, town, late_in_a, school) is Mode.HOLIDAY
    assert mode_at(work, town, late_in_a) is Mode.SCHOOL
    assert places.get_school_date(work, school) == places.get_town_date(work, town.id)
    authoring.set_school_zones(work, SYSTEM, school.id, zone=None, time_zone=None)
    assert mode_at(work, town, late_in_a, school) is Mode.SCHOOL
    authoring.set_school_zones(work, SYSTEM, school.id, zone=None, time_zone="Pacific/Noumea")
    assert str(places.get_school_zone(work, school)) == "Pacific/Noumea"


def test_setting_zones_is_audited_and_evaluates_the_tablets_again(work: UnitOfWork, town: Town) -> None:
    factory = TownFactory(work)
    school = factory.create_school(town)
    tablet = factory.create_tablet(town, school_id=school.id)
    work.session.query(OutboxRow).delete()
    authoring.set_town_zones(work, SYSTEM, town.id, zone=HolidayZone.REUNION, time_zone=None)
    authoring.set_school_zones(work, SYSTEM, school.id, zone=HolidayZone.MAYOTTE, time_zone=None)
    events = work.session.scalars(select(AuditEvent).where(AuditEvent.action.in_(["town.set_zones", "school.set_zones"]))).all()
    assert {event.action: event.details["zone"] for event in events} == {
        "town.set_zones": "reunion",
        "school.set_zones": "mayotte",
    }
    keys = {row.key for row in work.session.query(OutboxRow) if row.topic is Topic.RECONCILE}
    assert keys == {str(tablet.id)}


def test_only_those_who_write_calendars_set_zones(work: UnitOfWork, town: Town) -> None:
    school = TownFactory(work).create_school(town)
    head = Actor(new_id(), "head", (RoleAssignment(Role.HEAD, town.id, school.id),))
    with pytest.raises(Forbidden):
        authoring.set_school_zones(work, head, school.id, zone=HolidayZone.A, time_zone=None)
    other = Actor(new_id(), "other", (RoleAssignment(Role.TOWN_ADMIN, new_id()),))
    with pytest.raises(Forbidden):
        authoring.set_town_zones(work, other, town.id, zone=HolidayZone.A, time_zone=None)


def test_two_people_and_an_import_at_once_leave_one_calendar_and_one_zone(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        town_id, school_id = town.id, factory.create_school(town).id
    period = HolidayPeriod(date(2026, 10, 17), date(2026, 11, 1), "Toussaint")
    barrier = Barrier(6)

    def act(number: int) -> None:
        barrier.wait(20)
        with runtime.open_unit_of_work() as work:
            if number % 3 == 0:
                save_imported_periods(work, SYSTEM, town_id, {HolidayZone.C: [period]})
            elif number % 3 == 1:
                authoring.set_town_zones(work, SYSTEM, town_id, zone=HolidayZone.REUNION, time_zone=None)
            else:
                authoring.set_school_zones(work, SYSTEM, school_id, zone=HolidayZone.B, time_zone=None)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(6)))
    with runtime.open_unit_of_work() as work:
        [calendar] = authoring.list_calendars(work, SYSTEM, town_id)
        assert (calendar.name, calendar.periods) == ("C", [period])
        town = work.session.get_one(Town, town_id)
        assert (town.zone, town.time_zone) == (HolidayZone.REUNION, "Indian/Reunion")


@pytest.mark.parametrize(
    "name", ["", "Paris", "Europe/Atlantis", "UTC+2", "../etc/passwd", "localtime", "posix/Europe/Paris", "x" * 40]
)
def test_what_is_no_time_zone_is_refused(work: UnitOfWork, town: Town, name: str) -> None:
    assert not is_time_zone(name)
    if name:
        with pytest.raises(UnknownTimeZone):
            authoring.set_town_zones(work, SYSTEM, town.id, zone=HolidayZone.C, time_zone=name)
    assert town.time_zone == "Europe/Paris"


def test_every_zone_has_a_time_zone_of_the_world() -> None:
    assert all(is_time_zone(get_zone_facts(zone).time_zone) for zone in HolidayZone)


def command(work: UnitOfWork, *arguments: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(work, parser.parse_args(arguments))


def test_the_command_line_sets_and_shows_zones(work: UnitOfWork, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    school = TownFactory(work).create_school(town)
    command(work, "set", town.slug, "--zone", "reunion")
    command(work, "set", town.slug, "--school", school.uai, "--time-zone", "Indian/Mayotte")
    command(work, "show", town.slug)
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines == [
        f"{town.slug}: {town.name}, zone reunion, Indian/Reunion, 2026-11-23 12:00, phone {town.support_phone}",
        f"  {school.uai}: {school.name}, zone reunion, Indian/Mayotte, 2026-11-23 11:00",
    ]
    for arguments in (("show", "nowhere"), ("set", town.slug, "--school", "0000000X", "--zone", "A")):
        with pytest.raises(NotFound):
            command(work, *arguments)
    other = TownFactory(work).create_school(TownFactory(work).create_town())
    with pytest.raises(NotFound):
        command(work, "set", town.slug, "--school", other.uai, "--zone", "A")


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))) as running:
        yield running


@pytest.fixture
def place(server: LiveServer) -> tuple[UUID, UUID]:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        school = factory.create_school(town)
        factory.create_tablet(town, school_id=school.id)
        return town.id, school.id


def test_zones_are_set_and_read_by_api(server: LiveServer, place: tuple[UUID, UUID]) -> None:
    town_id, school_id = place
    with contextlib.closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:
        made = client.put(f"/towns/{town_id}/zones", json={"zone": "guadeloupe"})
        assert (made.status_code, made.json()["zone"], made.json()["time_zone"]) == (200, "guadeloupe", "America/Guadeloupe")
        assert client.get("/towns").json()["items"][0]["time_zone"] == "America/Guadeloupe"
        made = client.put(f"/schools/{school_id}/zones", json={"zone": "B", "time_zone": "Europe/Paris"})
        assert (made.json()["zone"], made.json()["time_zone"]) == ("B", "Europe/Paris")
        assert client.get("/schools", params={"town_id": str(town_id)}).json()["items"][0]["zone"] == "B"
        assert client.put(f"/schools/{school_id}/zones", json={}).json()["zone"] is None
        refused = client.put(f"/towns/{town_id}/zones", json={"zone": "C", "time_zone": "Paris"})
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_time_zone")
        assert client.put(f"/towns/{town_id}/zones", json={"zone": "D"}).status_code == 422
