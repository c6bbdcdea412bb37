"""The page of the calendar: upload, report, confirm; zones of the town and of a school."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import School, Town
from enrollment.places.zones import HolidayZone
from profiles.schedule import authoring
from tests.mdm.console.conftest import Person
from tests.profiles.schedule.test_ministry_files import AUTUMN, RETURN, SUMMER, build_csv
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def place(server: LiveServer) -> tuple[UUID, UUID]:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        return town.id, world.create_school(town).id


def upload(admin: Person, town_id: UUID, content: bytes, **fields: str) -> httpx.Response:
    data = {"csrf": admin.csrf, **fields}
    return admin.client.post(f"/calendar/{town_id}/preview", data=data, files={"file": ("calendrier.csv", content)})


def test_a_calendar_from_upload_to_import(server: LiveServer, person: Callable[..., Person], place: tuple[UUID, UUID]) -> None:
    town_id, _ = place
    admin = person(town_id, Role.TOWN_ADMIN)
    assert 'href="/calendar"' in admin.client.get("/").text
    bad = "Vacances;-;bientôt;x;Versailles;Zone C;x"
    preview = upload(admin, town_id, build_csv(RETURN, AUTUMN, SUMMER, bad)).text
    assert "17/10/2026 – 01/11/2026" in preview
    assert "date non comprise" in preview
    assert "31 août" in preview
    with server.runtime.open_unit_of_work() as work:
        assert authoring.list_calendars(work, SYSTEM, town_id) == [], "a preview stores nothing"
    periods = html.unescape(re.findall(r'name="periods" value="([^"]*)"', preview)[0])
    done = admin.client.post(f"/calendar/{town_id}/import", data={"csrf": admin.csrf, "periods": periods}, follow_redirects=True)
    assert "Le calendrier est importé" in html.unescape(done.text)
    assert "17/10/2026 – 01/11/2026" in done.text
    with server.runtime.open_unit_of_work() as work:
        assert [view.name for view in authoring.list_calendars(work, SYSTEM, town_id)] == ["C"]


def test_a_file_that_is_no_calendar_comes_back_with_the_reason(person: Callable[..., Person], place: tuple[UUID, UUID]) -> None:
    admin = person(place[0], Role.TOWN_ADMIN)
    refused = upload(admin, place[0], b"PK\x03\x04")
    assert (refused.status_code, "calendrier" in refused.text) == (422, True)
    other_zone = upload(admin, place[0], build_csv(AUTUMN.replace("Zone C", "Zone A")))
    assert 'name="periods"' not in other_zone.text
    for periods in ("", "[]", "{", '{"C": [["x", "y", "z"]]}', '{"Z": []}', '{"C": [["2026-11-02", "2026-10-01", "x"]]}', "{}"):
        answer = admin.client.post(f"/calendar/{place[0]}/import", data={"csrf": admin.csrf, "periods": periods})
        assert answer.status_code in (422, 400), periods


def test_zones_are_set_on_the_page(server: LiveServer, person: Callable[..., Person], place: tuple[UUID, UUID]) -> None:
    town_id, school_id = place
    admin = person(town_id, Role.TOWN_ADMIN)
    saved = admin.client.post(f"/calendar/{town_id}/zones", data={"csrf": admin.csrf, "zone": "mayotte", "time_zone": ""})
    assert saved.status_code == 303
    school = f"/calendar/{town_id}/schools/{school_id}/zones"
    admin.client.post(school, data={"csrf": admin.csrf, "zone": "reunion", "time_zone": "Indian/Reunion"})
    with server.runtime.open_unit_of_work() as work:
        town, place_row = work.session.get_one(Town, town_id), work.session.get_one(School, school_id)
        assert (town.zone, town.time_zone) == (HolidayZone.MAYOTTE, "Indian/Mayotte")
        assert (place_row.zone, place_row.time_zone) == (HolidayZone.REUNION, "Indian/Reunion")
    wrong = admin.client.post(f"/calendar/{town_id}/zones", data={"csrf": admin.csrf, "zone": "C", "time_zone": "Paris"})
    assert wrong.status_code == 422
    admin.client.post(school, data={"csrf": admin.csrf})
    with server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(School, school_id).zone is None


def test_others_do_not_open_the_page(person: Callable[..., Person], place: tuple[UUID, UUID]) -> None:
    technician = person(place[0], Role.TECHNICIAN)
    assert technician.client.get("/calendar").status_code == 404
    admin = person(place[0], Role.TOWN_ADMIN)
    forged = admin.client.post(f"/calendar/{place[0]}/zones", data={"csrf": "x", "zone": "A"})
    assert forged.status_code == 403
