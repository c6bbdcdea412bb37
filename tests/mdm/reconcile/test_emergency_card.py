"""The emergency card on simulated tablets: it opens in every mode, by profile and by declaration, whatever a town or a school sets."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from profiles.policy.emergency_card import CARD_LABEL, LOCK_SCREEN_TEXT, build_card_url
from profiles.policy.kinds import PlaceKind
from simulator.errors import ShortcutClosed
from simulator.web_shortcuts import list_web_shortcuts
from tests.conftest import KEYRING
from tests.mdm.reconcile.test_a_school_day import SchoolDay
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.policy import publish_document
from tests.support.server import LiveServer, start_live_server

pytestmark = pytest.mark.one_database

_LOCK_SCREEN = "com.apple.shareddeviceconfiguration"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


def run_day(story: Callable[[SchoolDay], Awaitable[None]], server: LiveServer, clock: ManualClock) -> None:
    day = SchoolDay(server, clock)

    async def run_and_close() -> None:
        try:
            await story(day)
        finally:
            await day.close()

    asyncio.run(run_and_close())


def create_hours(day: SchoolDay) -> None:
    body = {"week": FOUR_DAYS_JSON, "night_from": "20:00", "night_to": "07:00"}
    day.admin.put(f"/towns/{day.town.id}/timetable", json=body).raise_for_status()


async def open_card(day: SchoolDay) -> None:
    """Open the card on every tablet as a child does."""
    url = build_card_url(day.server.url, day.town.id)
    for tablet in day.tablets.values():
        [card] = [each for each in list_web_shortcuts(tablet.device) if each["URL"] == url]
        assert (card["Label"], card["IsRemovable"], card["Icon"][:4]) == (CARD_LABEL, False, b"\x89PNG")
        page = html.unescape(await tablet.open_web_shortcut(url))
        assert all(number in page for number in ("3018", "119", "112", "114"))
        assert "01 23 45 67 89" in page
        assert not any(name in page for name in ("Ada", "Noé"))


def read_lock_screen(day: SchoolDay) -> list[str]:
    payloads = [each for tablet in day.tablets.values() for each in tablet.device.installed_payloads]
    return [each["LockScreenFootnote"] for each in payloads if each["PayloadType"] == _LOCK_SCREEN]


def test_the_card_opens_at_every_hour_whatever_is_set(server: LiveServer, clock: ManualClock) -> None:
    async def story(day: SchoolDay) -> None:
        create_hours(day)
        phone = {"phone": "01 23 45 67 89"}
        assert day.admin.put(f"/schools/{day.school.id}/phone", json=phone).json()["phone"] == phone["phone"]
        url = build_card_url(day.server.url, day.town.id)
        removable: dict[str, Any] = {"web_shortcuts": [{"name": "Rien", "url": url}], "browser": "off"}
        with server.runtime.open_unit_of_work() as work:
            rules = {"all": removable, "school": {"allowed_apps": ["com.apple.calculator"]}}
            publish_document(work, day.town.id, PlaceKind.TOWN, "", rules)
            publish_document(work, day.town.id, PlaceKind.SCHOOL, str(day.school.id), {"all": {"webClip.managed": []}})
        await day.enroll()
        for time in ("09:00", "12:00", "18:30", "21:00"):
            day.move_to(time)
            await day.exchange()
            await open_card(day)
        assert set(read_lock_screen(day)) == {LOCK_SCREEN_TEXT}
        session = {"town_id": str(day.town.id), "school_id": str(day.school.id), "class_id": str(day.school_class.id)}
        for time, preset, sites in (("09:00", "screens_down", []), ("10:00", "focus_sites", ["lecon.example"])):
            day.move_to(time, 1)
            day.admin.post(
                "/class-sessions", json={**session, "minutes": 30, "preset": preset, "sites": sites}
            ).raise_for_status()
            await day.exchange()
            await open_card(day)

    run_day(story, server, clock)


def test_lost_mode_covers_the_card_and_a_town_may_write_the_lock_screen(server: LiveServer, clock: ManualClock) -> None:
    async def story(day: SchoolDay) -> None:
        create_hours(day)
        day.publish_document("town", "", {"all": {"lock_screen_text": "Mairie 01 02 03 04 05"}})
        await day.enroll()
        day.move_to("09:00")
        await day.exchange()
        assert set(read_lock_screen(day)) == {"Mairie 01 02 03 04 05"}
        tablet = day.tablets["new"]
        [row] = day.admin.get("/tablets", params={"q": tablet.serial}).json()["items"]
        day.admin.post(f"/tablets/{row['id']}/lost-mode/enable", json={"reason": "left on the bus"}).raise_for_status()
        await day.exchange()
        with pytest.raises(ShortcutClosed, match="lost mode"):
            await tablet.open_web_shortcut(build_card_url(day.server.url, day.town.id))

    run_day(story, server, clock)
