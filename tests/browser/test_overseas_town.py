"""A town overseas in a real browser: its hours, its sessions, what a tablet will be and the day's ribbon follow the clock of the town."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from enrollment.places.zones import HolidayZone
from profiles.schedule import authoring
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.conftest import KEYRING
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer, start_live_server

#: Twenty past ten on a school day there: in Paris it is the night before, or early in the morning.
HOUR, MINUTE = 10, 20
ZONES = [("Pacific/Noumea", HolidayZone.NOUVELLE_CALEDONIE), ("Indian/Reunion", HolidayZone.REUNION)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


@pytest.fixture(params=ZONES, ids=[zone for zone, _ in ZONES])
def place(request: pytest.FixtureRequest, server: LiveServer, clock: ManualClock) -> HoursTown:
    """A town overseas with hours, on the next school day there."""
    name, holidays = request.param
    zone, made = ZoneInfo(name), HoursTown(server)
    day = [{"kind": "school", "from": "08:30", "to": "11:30"}, {"kind": "school", "from": "13:30", "to": "16:30"}]
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), day)
    with server.runtime.open_unit_of_work() as work:
        town = work.session.get_one(Town, made.town_id)
        town.time_zone, town.zone = name, holidays
        authoring.save_calendar(work, SYSTEM, made.town_id, "open", periods=(), public=(), known_until=None)
        authoring.save_timetable(work, SYSTEM, made.town_id, None, week=week, calendar="open", night=("20:00", "07:00"))
    tomorrow = clock.now().astimezone(zone).date() + timedelta(days=1)
    clock.advance(datetime(tomorrow.year, tomorrow.month, tomorrow.day, HOUR, MINUTE, tzinfo=zone) - clock.now())
    return made


def test_the_town_sees_its_own_clock(
    place: HoursTown, sign_in: Callable[..., Page], clock: ManualClock, server: LiveServer
) -> None:
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    page.wait_for_url("**/today")
    with server.runtime.open_unit_of_work() as work:
        today = clock.now().astimezone(ZoneInfo(work.session.get_one(Town, place.town_id).time_zone)).date()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{today:%d/%m/%Y}")
    ribbon = page.locator("section[aria-labelledby=modes]")
    expect(ribbon.get_by_text("maintenant : école")).to_be_visible()
    line = ribbon.locator("line.now")
    assert float(str(line.get_attribute("x1"))) == pytest.approx((HOUR * 60 + MINUTE) * 100 / 1440, abs=0.1)
    open_chapter(page, "/hours")
    expect(page.get_by_role("img", name="08:30-11:30 école").first).to_be_visible()
    page.get_by_role("link", name="Que sera une tablette ?").click()
    expect(page.get_by_label("Jour et heure")).to_have_value(f"{today:%Y-%m-%d}T{HOUR}:{MINUTE}")
    for time, mode, until in (("10:00", "école", "11:30"), ("12:15", "maison", "13:30"), ("21:00", "nuit", "07:00")):
        page.get_by_label("Étiquette ou numéro de série").fill(place.tag)
        page.get_by_label("Jour et heure").fill(f"{today:%Y-%m-%d}T{time}")
        page.get_by_role("button", name="Montrer").click()
        row = page.get_by_role("row", name=place.tag)
        expect(row).to_contain_text(mode)
        expect(row).to_contain_text(until)
    check_page(page)


def test_a_session_starts_and_ends_by_the_clock_of_the_town(
    place: HoursTown, sign_in: Callable[..., Page], clock: ManualClock
) -> None:
    page = sign_in(place.town_id, Role.HEAD, "head", place.school_id)
    open_chapter(page, "/class")
    page.get_by_label("Durée").select_option("45")
    page.get_by_role("button", name="Commencer").click()
    expect(page.get_by_text("En cours jusqu'à 11:05")).to_be_visible()
    expect(page.get_by_role("link", name="1 séance de classe aujourd'hui")).to_be_visible()
    expect(page.get_by_text("10:20-11:05")).to_be_visible()
    check_page(page)
    clock.advance(timedelta(minutes=46))
    page.reload()
    expect(page.get_by_text("En cours jusqu'à")).to_have_count(0)
    expect(page.get_by_text("10:20-11:05")).to_be_visible()
