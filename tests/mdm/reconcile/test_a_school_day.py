"""A day of one class on an accelerated clock, over real HTTPS: tablets that know declarations and tablets that do not.

At every step the tablets hold, setting by setting, what the engine wants, and "why?" says the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import Role
from enrollment.facts import facts_for
from enrollment.places.models import Level
from enrollment.tablets.repository import TabletRepository
from mdm.worker.schedule import HOUSEKEEPING
from profiles.effective.compile import content_in
from profiles.effective.situation import load_policy, situation_of
from profiles.schedule.modes import Mode
from profiles.schedule.service import timed
from simulator import SimulatedTablet, applying, declarative, reporting
from simulator.hardware import Hardware
from simulator.store import AppStore
from tests.conftest import KEYRING
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.server import LiveServer, live_server
from tests.support.world import World

PARIS = ZoneInfo("Europe/Paris")


def _next_monday() -> datetime:
    today = datetime.now(PARIS).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


class Day:
    """The town, its class of CE2, two tablets, and the clock."""

    def __init__(self, server: LiveServer, clock: ManualClock) -> None:
        self.server, self.clock, self.monday = server, clock, _next_monday()
        with server.runtime.open_unit_of_work() as work:
            world = World(work)
            self.town = world.town()
            self.school = world.school(self.town)
            self.school_class = world.school_class(self.school)
            self.pupils = [world.pupil(self.school_class, Level.CE2, first=name).id for name in ("Ada", "Noé")]
        self.admin: httpx.Client = server.client(self.town.id, Role.TOWN_ADMIN, "admin")
        self.tablets: dict[str, SimulatedTablet] = {}

    async def close(self) -> None:
        for tablet in self.tablets.values():
            await tablet.close()
        self.admin.close()

    def to(self, time: str, days: int = 0) -> None:
        """Move the clock to a local time of the day, and let the schedule see it."""
        hour, minute = map(int, time.split(":"))
        wanted = (self.monday + timedelta(days=days)).replace(hour=hour, minute=minute).astimezone(UTC)
        assert wanted >= self.clock.now()
        self.clock.advance(wanted - self.clock.now())
        with self.server.runtime.open_unit_of_work() as work:
            HOUSEKEEPING["modes"](work)

    def author(self) -> None:
        """A timetable, and documents that differ by mode."""
        post, put, town = self.admin.post, self.admin.put, str(self.town.id)
        calendar = {"periods": [{"first": str(self._date(14)), "last": str(self._date(20)), "name": "Vacances"}]}
        put(f"/towns/{town}/calendars/own", json={**calendar, "known_until": str(self._date(300))}).raise_for_status()
        body = {"week": FOUR_DAYS_JSON, "calendar": "own", "night_from": "20:00", "night_to": "07:00"}
        put(f"/towns/{town}/timetable", json=body).raise_for_status()
        app = {"name": "ScratchJr", "bundle_identifier": "org.scratchjr.ipad", "app_store_id": 895485086}
        made = post("/apps", json={"town_id": town, **app}).json()
        bundle = post("/bundles", json={"town_id": town, "name": "Code", "app_ids": [made["id"]]}).json()
        self.publish(
            "town",
            "",
            {
                "all": {"allowAirDrop": False, "web.denied": ["jeux.example"], "web.blocked_categories": ["games"]},
                "home": {"allowAirDrop": True},
                "holiday": {"allowChat": False},
            },
            locks={"all": ["allowChat"]},
        )
        only = {"web.permitted": ["ecole.example"], "web.only_permitted": True}
        self.publish(
            "grade",
            "CE2",
            {"school": {"allowSafari": False, **only}, "trip": {"allowAssistant": False}},
            presets=[{"preset_id": bundle["id"], "use": "required"}],
        )

    def publish(self, place: str, target: str, values: dict[str, Any], **content: Any) -> str:
        document = self.admin.put("/policy-documents", json={"town_id": str(self.town.id), "place": place, "target": target}).json()
        path = f"/policy-documents/{document['id']}/versions"
        draft = self.admin.post(path, json={"values": values, **content}).json()
        self.admin.post(f"{path}/{draft['number']}/publish", json={"reason": "for a test"}).raise_for_status()
        return str(document["id"])

    async def enrol(self) -> None:
        """One tablet of today, one too old for declarations."""
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = self.admin.post("/invitations", json=spec).json()
        for number, (name, os, invitation) in enumerate(zip(("new", "old"), ("26.1", "16.7.10"), invitations, strict=True)):
            hardware = replace(Hardware.made_from("day", str(self.town.id), number), os_version=os)
            tablet = SimulatedTablet(self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware)
            await tablet.enrol()
            self.tablets[name] = tablet

    async def talk(self) -> None:
        for _ in range(6):
            await asyncio.to_thread(self.server.work_off)
            for tablet in self.tablets.values():
                talked = await tablet.poll()
                assert not talked.surprises, talked.surprises
        await asyncio.to_thread(self.server.work_off)

    def wanted(self, serial: str) -> tuple[Mode, dict[str, Any]]:
        """What the engine wants of a tablet now: restrictions by key, every other payload by its type."""
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).by_serial(serial)
            assert row is not None
            facts = facts_for(work, [row.id])
            now = timed(work, facts.values())[row.id]
            policy = load_policy(work, facts.values())
            content = content_in(situation_of(facts[row.id], policy, now), policy, now.mode)
            return now.mode, {**content.restrictions, **content.others}

    async def converged(self, mode: Mode) -> None:
        """Both tablets hold what is wanted in this mode, in one payload each setting, and "why?" tells it."""
        await self.talk()
        for name, tablet in self.tablets.items():
            now, wanted = self.wanted(tablet.serial)
            assert now is mode, (name, now, mode)
            held = _held(tablet)
            assert {key: _plain(value) for key, value in held.items()} == {k: _plain(v) for k, v in wanted.items()}, (name, mode)
            said = [k for p in tablet.device.installed_payloads for k in (*p, p["PayloadType"]) if k in wanted]
            assert len(said) == len(set(said)), f"{name}: a setting in two payloads"
            [row] = self.admin.get("/tablets", params={"q": tablet.serial}).json()
            why = self.admin.get(f"/tablets/{row['id']}/why").json()
            assert why["mode"] == mode.value
            values = {each["key"]: each["value"] for each in why["settings"]}
            assert all(_plain(values[key]) == _plain(value) for key, value in wanted.items() if key in values)
            games = self.admin.get(f"/tablets/{row['id']}/why-host", params={"host": "www.jeux.example"}).json()
            assert (games["mode"], games["decision"]) == (mode.value, "block")
        assert self.tablets["new"].mode == mode.value

    def _date(self, days: int) -> Any:
        return (self.monday + timedelta(days=days)).date()


def _held(tablet: SimulatedTablet) -> dict[str, Any]:
    """What is in force on a tablet, setting by setting; payloads that exist once by their type."""
    held = dict(tablet.restrictions)
    for payload in tablet.device.installed_payloads:
        if payload["PayloadType"] in ("com.apple.webcontent-filter", "com.apple.dnsSettings.managed"):
            held[payload["PayloadType"]] = {key: value for key, value in payload.items() if not key.startswith("Payload")}
    return held


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value


def _run(story: Callable[[Day], Awaitable[None]], day: Day) -> None:
    async def whole() -> None:
        try:
            await story(day)
        finally:
            await day.close()

    asyncio.run(whole())


def test_tablets_follow_the_day_on_both_paths(server: LiveServer, clock: ManualClock) -> None:
    _run(_follow, Day(server, clock))


async def _follow(day: Day) -> None:
    day.author()
    await day.enrol()
    for time, mode in (
        ("06:30", Mode.NIGHT_REST),
        ("08:00", Mode.AFTER_SCHOOL),
        ("08:20", Mode.SCHOOL),
        ("11:30", Mode.AFTER_SCHOOL),
        ("13:20", Mode.SCHOOL),
        ("16:30", Mode.AFTER_SCHOOL),
        ("18:30", Mode.HOME),
        ("20:00", Mode.NIGHT_REST),
    ):
        day.to(time)
        await day.converged(mode)
    assert "fr.cartable.policy" not in day.tablets["new"].profiles, "the declared policy has taken the place of the installed one"
    assert "fr.cartable.policy" in day.tablets["old"].profiles
    await _other_modes(day)


async def _other_modes(day: Day) -> None:
    town, post = str(day.town.id), day.admin.post
    # An evaluation on Tuesday, a class session, a trip on Thursday, holidays in a fortnight.
    exam = {"level": "CE2", "day": str(day._date(1)), "starts": "09:00", "ends": "10:00"}
    post(f"/towns/{town}/evaluations", json=exam).raise_for_status()
    trip = {"first": str(day._date(3)), "last": str(day._date(3)), "kind": "trip", "class_id": str(day.school_class.id)}
    post(f"/towns/{town}/exceptions", json=trip).raise_for_status()
    day.to("09:30", 1)
    await day.converged(Mode.EXAM)
    day.to("10:30", 1)
    session = {"town_id": town, "school_id": str(day.school.id), "class_id": str(day.school_class.id), "minutes": 30}
    started = post("/class-sessions", json={**session, "preset": "focus_apps", "apps": ["org.scratchjr.ipad"]}).json()
    await day.converged(Mode.CLASS_SESSION)
    assert day.tablets["new"].restrictions["allowListedAppBundleIDs"] == ["com.apple.webapp", "org.scratchjr.ipad"]
    assert started["ends"] > started["starts"]
    day.to("11:05", 1)
    await day.converged(Mode.SCHOOL)
    day.to("10:00", 3)
    await day.converged(Mode.TRIP)
    day.to("10:00", 15)
    await day.converged(Mode.HOLIDAY)


def test_a_lost_tablet_is_strict_and_an_edit_reaches_both_paths(server: LiveServer, clock: ManualClock) -> None:
    _run(_edit, Day(server, clock))


async def _edit(day: Day) -> None:
    day.author()
    await day.enrol()
    day.to("09:00")
    await day.converged(Mode.SCHOOL)
    document = day.publish("school", str(day.school.id), {"all": {"allowAirDrop": True, "allowCamera": False}})
    await day.converged(Mode.SCHOOL)
    assert day.tablets["new"].restrictions["allowCamera"] is False
    assert day.tablets["old"].restrictions["allowAirDrop"] is True
    assert day.admin.get(f"/policy-documents/{document}/tablets").json()["tablets"] == 2
    for tablet in day.tablets.values():
        [row] = day.admin.get("/tablets", params={"q": tablet.serial}).json()
        day.admin.post(f"/tablets/{row['id']}/lost", json={"reason": "left on the bus"}).raise_for_status()
    await day.converged(Mode.LOST)
    assert day.tablets["new"].lost is not None


def test_drift_is_seen_and_repaired(server: LiveServer, clock: ManualClock) -> None:
    _run(_drift, Day(server, clock))


async def _drift(day: Day) -> None:
    day.author()
    await day.enrol()
    day.to("09:00")
    await day.converged(Mode.SCHOOL)
    day.clock.advance(timedelta(seconds=5))
    tablet = day.tablets["new"]
    # The tablet has lost a declaration, and says so in a full report.
    items = tablet.device.declarations["items"]
    for key in [key for key in items if ".mode." in key]:
        del items[key]
    tablet.device.declarations.pop("told")
    tablet.device.declarations["token"] = "something else"
    await applying.apply(tablet.channel)
    await reporting.report(tablet.channel)
    await day.converged(Mode.SCHOOL)


def test_tablets_that_promise_and_never_sync_keep_their_rules_by_commands(
    server: LiveServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_channel: object) -> None:
        """A client that acknowledges declarations and knows nothing of them."""

    monkeypatch.setattr(declarative, "synchronise", never)
    _run(_silent, Day(server, clock))


async def _silent(day: Day) -> None:
    day.author()
    await day.enrol()
    day.to("09:00")
    await day.talk()
    for tablet in day.tablets.values():
        mode, wanted = day.wanted(tablet.serial)
        assert mode is Mode.SCHOOL
        assert {key: _plain(value) for key, value in _held(tablet).items()} == {
            key: _plain(value) for key, value in wanted.items()
        }


def test_apps_may_be_declared_too(engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    with live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, declarative_apps=True) as server:
        _run(_apps, Day(server, clock))


async def _apps(day: Day) -> None:
    day.author()
    await day.enrol()
    tablet = day.tablets["new"]
    tablet.device.store = AppStore(names={895485086: "org.scratchjr.ipad"}, seconds=0)
    await day.talk()
    assert not any("InstallApplication" in told.request_types for told in tablet.history), "no command installs a declared app"
    assert "org.scratchjr.ipad" in tablet.apps
    [row] = day.admin.get("/tablets", params={"q": tablet.serial}).json()
    [app] = day.admin.get(f"/tablets/{row['id']}").json()["apps"]
    assert (app["state"], app["reason"]) == ("installed", "installed")


def test_payloads_that_the_operator_keeps_from_declarations_go_by_command(
    engine: Engine, tmp_path: Path, clock: ManualClock
) -> None:
    kept = "com.apple.webcontent-filter"
    with live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, profile_payloads=kept) as server:
        _run(_beside, Day(server, clock))


async def _beside(day: Day) -> None:
    day.author()
    await day.enrol()
    tablet = day.tablets["new"]
    for time, mode in (("08:30", Mode.SCHOOL), ("18:45", Mode.HOME), ("21:00", Mode.NIGHT_REST)):
        day.to(time)
        await day.converged(mode)
        kinds = {key: {each["PayloadType"] for each in one.payloads} for key, one in tablet.profiles.items()}
        assert kinds["fr.cartable.policy"] == {"com.apple.webcontent-filter"}
        declared = [types for key, types in kinds.items() if key.startswith("fr.cartable.policy.")]
        assert declared
        assert all(types == {"com.apple.applicationaccess"} for types in declared)
