"""A day of one class with an advancing clock, over real HTTPS: a tablet that supports declarations and one that does not.

At every step the tablets have, setting by setting, what the engine computes, and the explanation API agrees.
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
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets.repository import TabletRepository
from mdm.worker.schedule import HOUSEKEEPING
from profiles.effective.contents import build_mode_content
from profiles.effective.situation import build_situation, load_policy
from profiles.policy.baseline import ALLOWED_APPS
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from simulator import SimulatedTablet, applying, declarative, reporting
from simulator.hardware import Hardware
from simulator.store import AppStore
from tests.conftest import KEYRING
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database

PARIS = ZoneInfo("Europe/Paris")


def _next_monday() -> datetime:
    today = datetime.now(PARIS).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


class SchoolDay:
    """The town, its class of CE2, two tablets, and the clock."""

    def __init__(self, server: LiveServer, clock: ManualClock) -> None:
        self.server, self.clock, self.monday = server, clock, _next_monday()
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            self.town = world.create_town()
            self.school = world.create_school(self.town)
            self.school_class = world.create_class(self.school)
            self.pupils = [world.create_pupil(self.school_class, Grade.CE2, first=name).id for name in ("Ada", "Noé")]
        self.admin: httpx.Client = server.sign_in(self.town.id, Role.TOWN_ADMIN, "admin")
        self.tablets: dict[str, SimulatedTablet] = {}

    async def close(self) -> None:
        for tablet in self.tablets.values():
            await tablet.close()
        self.admin.close()

    def move_to(self, time: str, days: int = 0) -> None:
        """Move the clock to a local time, and run the job that re-evaluates modes."""
        hour, minute = map(int, time.split(":"))
        target = (self.monday + timedelta(days=days)).replace(hour=hour, minute=minute).astimezone(UTC)
        assert target >= self.clock.now()
        self.clock.advance(target - self.clock.now())
        with self.server.runtime.open_unit_of_work() as work:
            HOUSEKEEPING["modes"](work)

    def create_policy(self) -> None:
        """Create a timetable, documents that differ by mode, and a bundle."""
        post, put, town = self.admin.post, self.admin.put, str(self.town.id)
        calendar = {"periods": [{"first": str(self._date(14)), "last": str(self._date(20)), "name": "Vacances"}]}
        put(f"/towns/{town}/calendars/own", json={**calendar, "known_until": str(self._date(300))}).raise_for_status()
        body = {"week": FOUR_DAYS_JSON, "calendar": "own", "night_from": "20:00", "night_to": "07:00"}
        put(f"/towns/{town}/timetable", json=body).raise_for_status()
        app = {"name": "ScratchJr", "bundle_identifier": "org.scratchjr.ipad", "app_store_id": 895485086}
        created = post("/apps", json={"town_id": town, **app}).json()
        bundle = post("/bundles", json={"town_id": town, "name": "Code", "app_ids": [created["id"]]}).json()
        self.publish_document(
            "town",
            "",
            {
                "all": {"allowAirDrop": False, "web.denied": ["jeux.example"], "web.blocked_categories": ["games"]},
                "home": {"allowAirDrop": True},
                "holiday": {"allowChat": False},
            },
            locks={"all": ["allowChat"]},
        )
        allow_list = {"web.permitted": ["ecole.example"], "web.only_permitted": True}
        self.publish_document(
            "grade",
            "CE2",
            {"school": {"allowSafari": False, **allow_list}, "trip": {"allowAssistant": False}},
            presets=[{"preset_id": bundle["id"], "use": "required"}],
        )

    def publish_document(self, place: str, target: str, values: dict[str, Any], **content: Any) -> str:
        """Publish a version of the document of a place, and return the id of the document."""
        body = {"town_id": str(self.town.id), "place": place, "target": target}
        document = self.admin.put("/policy-documents", json=body).json()
        path = f"/policy-documents/{document['id']}/versions"
        draft = self.admin.post(path, json={"values": values, **content}).json()
        self.admin.post(f"{path}/{draft['number']}/publish", json={"at_once_reason": "for a test"}).raise_for_status()
        return str(document["id"])

    async def enroll(self) -> None:
        """Enroll one tablet with a current system, and one whose system is too old for declarations."""
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = self.admin.post("/invitations", json=spec).json()
        for number, (name, os, invitation) in enumerate(zip(("new", "old"), ("26.1", "16.7.10"), invitations, strict=True)):
            hardware = replace(Hardware.from_seed("day", str(self.town.id), number), os_version=os)
            tablet = SimulatedTablet(self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware)
            await tablet.enrol()
            self.tablets[name] = tablet

    async def exchange(self) -> None:
        """Let the worker and the tablets run until nothing is left to do."""
        for _ in range(6):
            await asyncio.to_thread(self.server.run_worker)
            for tablet in self.tablets.values():
                conversation = await tablet.poll()
                assert not conversation.anomalies, conversation.anomalies
        await asyncio.to_thread(self.server.run_worker)

    def compute_desired(self, serial: str) -> tuple[Mode, dict[str, Any]]:
        """Return the mode and the desired settings of a tablet: restrictions by key, every other payload by its type."""
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(serial)
            assert row is not None
            facts = load_facts(work, [row.id])
            now = evaluate_modes(work, facts.values())[row.id]
            policy = load_policy(work, facts.values())
            content = build_mode_content(build_situation(facts[row.id], policy, now), policy, now.mode)
            return now.mode, {**content.restrictions, **content.composed_payloads}

    async def assert_converged(self, mode: Mode) -> None:
        """Assert that both tablets have the desired settings of this mode, each in one payload, and that the explanation agrees."""
        await self.exchange()
        for name, tablet in self.tablets.items():
            now, desired = self.compute_desired(tablet.serial)
            assert now is mode, (name, now, mode)
            effective = _read_effective_settings(tablet)
            assert {key: _normalize(value) for key, value in effective.items()} == {
                k: _normalize(v) for k, v in desired.items()
            }, (name, mode)
            keys = [k for p in tablet.device.installed_payloads for k in (*p, p["PayloadType"]) if k in desired]
            assert len(keys) == len(set(keys)), f"{name}: a setting in two payloads"
            [row] = self.admin.get("/tablets", params={"q": tablet.serial}).json()["items"]
            why = self.admin.get(f"/tablets/{row['id']}/why").json()
            assert why["mode"] == mode.value
            values = {each["key"]: each["value"] for each in why["settings"]}
            if values.get("allowSafari") is False:  # it is hidden, and closed lists of apps are without it
                values[ALLOWED_APPS] = [app for app in values.get(ALLOWED_APPS) or () if app != "com.apple.mobilesafari"]
            differing = {k: values[k] for k, v in desired.items() if k in values and _normalize(values[k]) != _normalize(v)}
            assert not differing
            games = self.admin.get(f"/tablets/{row['id']}/why-host", params={"host": "www.jeux.example"}).json()
            assert (games["mode"], games["decision"]) == (mode.value, "block")
        [new] = self.admin.get("/tablets", params={"q": self.tablets["new"].serial}).json()["items"]
        rules = self.admin.get(f"/tablets/{new['id']}").json()["rules"]
        assert (rules["path"], rules["seen_mode"]) == ("declarations", mode.value)

    def _date(self, days: int) -> Any:
        return (self.monday + timedelta(days=days)).date()


def _read_effective_settings(tablet: SimulatedTablet) -> dict[str, Any]:
    """Return the effective settings of a tablet: restrictions by key, payloads that exist once by their type."""
    effective = dict(tablet.restrictions)
    for payload in tablet.device.installed_payloads:
        if payload["PayloadType"] in ("com.apple.webcontent-filter", "com.apple.dnsSettings.managed"):
            effective[payload["PayloadType"]] = {key: value for key, value in payload.items() if not key.startswith("Payload")}
    return effective


def _normalize(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value


def _run(story: Callable[[SchoolDay], Awaitable[None]], day: SchoolDay) -> None:
    async def run_and_close() -> None:
        try:
            await story(day)
        finally:
            await day.close()

    asyncio.run(run_and_close())


@pytest.mark.timeout(300)  # fourteen changes of two tablets
def test_tablets_follow_the_modes_of_a_day(server: LiveServer, clock: ManualClock) -> None:
    _run(_follow, SchoolDay(server, clock))


async def _follow(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
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
        day.move_to(time)
        await day.assert_converged(mode)
    assert "fr.cartable.policy" not in day.tablets["new"].profiles, "the declared policy has replaced the installed profile"
    assert "fr.cartable.policy" in day.tablets["old"].profiles
    await _other_modes(day)


async def _other_modes(day: SchoolDay) -> None:
    town, post = str(day.town.id), day.admin.post
    # An evaluation on Tuesday, a class session, a trip on Thursday, holidays in a fortnight.
    exam = {"grade": "CE2", "day": str(day._date(1)), "starts": "09:00", "ends": "10:00"}
    post(f"/towns/{town}/exams", json=exam).raise_for_status()
    trip = {"first": str(day._date(3)), "last": str(day._date(3)), "kind": "trip", "class_id": str(day.school_class.id)}
    post(f"/towns/{town}/day-exceptions", json=trip).raise_for_status()
    day.move_to("09:30", 1)
    await day.assert_converged(Mode.EXAM)
    day.move_to("10:30", 1)
    session = {"town_id": town, "school_id": str(day.school.id), "class_id": str(day.school_class.id), "minutes": 30}
    started = post("/class-sessions", json={**session, "preset": "focus_apps", "apps": ["org.scratchjr.ipad"]}).json()
    await day.assert_converged(Mode.CLASS_SESSION)
    assert day.tablets["new"].restrictions["allowListedAppBundleIDs"] == ["com.apple.webapp", "org.scratchjr.ipad"]
    assert started["ends"] > started["starts"]
    day.move_to("11:05", 1)
    await day.assert_converged(Mode.SCHOOL)
    day.move_to("10:00", 3)
    await day.assert_converged(Mode.TRIP)
    day.move_to("10:00", 15)
    await day.assert_converged(Mode.HOLIDAY)


def test_policy_change_and_lost_mode_reach_both_tablets(server: LiveServer, clock: ManualClock) -> None:
    _run(_edit, SchoolDay(server, clock))


async def _edit(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    day.move_to("09:00")
    await day.assert_converged(Mode.SCHOOL)
    document = day.publish_document("school", str(day.school.id), {"all": {"allowAirDrop": True, "allowCamera": False}})
    await day.assert_converged(Mode.SCHOOL)
    assert day.tablets["new"].restrictions["allowCamera"] is False
    assert day.tablets["old"].restrictions["allowAirDrop"] is True
    assert len(day.admin.get(f"/policy-documents/{document}/tablets").json()["items"]) == 2
    for tablet in day.tablets.values():
        [row] = day.admin.get("/tablets", params={"q": tablet.serial}).json()["items"]
        day.admin.post(f"/tablets/{row['id']}/lost-mode/enable", json={"reason": "left on the bus"}).raise_for_status()
    await day.assert_converged(Mode.LOST)
    assert day.tablets["new"].lost_mode is not None


def test_drift_is_detected_and_repaired(server: LiveServer, clock: ManualClock) -> None:
    _run(_drift, SchoolDay(server, clock))


async def _drift(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    day.move_to("09:00")
    await day.assert_converged(Mode.SCHOOL)
    day.clock.advance(timedelta(seconds=5))
    tablet = day.tablets["new"]
    # The tablet has lost a declaration, and reports it.
    items = tablet.device.declarations["items"]
    for key in [key for key in items if ".mode." in key]:
        del items[key]
    tablet.device.declarations.pop("reported")
    tablet.device.declarations["token"] = "something else"
    await applying.apply_declarations(tablet.channel)
    await reporting.send_status_report(tablet.channel)
    await day.assert_converged(Mode.SCHOOL)


def test_tablet_that_never_reports_declarations_is_managed_by_profiles(
    server: LiveServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ignore(_channel: object) -> None:
        """Stand for a client that acknowledges declarations without applying them."""

    monkeypatch.setattr(declarative, "synchronise_declarations", ignore)
    _run(_silent, SchoolDay(server, clock))


async def _silent(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    day.move_to("09:00")
    await day.exchange()
    for tablet in day.tablets.values():
        mode, desired = day.compute_desired(tablet.serial)
        assert mode is Mode.SCHOOL
        assert {key: _normalize(value) for key, value in _read_effective_settings(tablet).items()} == {
            key: _normalize(value) for key, value in desired.items()
        }


def test_apps_can_be_declared(engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, declarative_apps=True) as server:
        _run(_apps, SchoolDay(server, clock))


async def _apps(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    tablet = day.tablets["new"]
    tablet.device.store = AppStore(bundle_ids={895485086: "org.scratchjr.ipad"}, install_seconds=0)
    await day.exchange()
    assert not any("InstallApplication" in conversation.request_types for conversation in tablet.history), (
        "no command installs a declared app"
    )
    assert "org.scratchjr.ipad" in tablet.apps
    [row] = day.admin.get("/tablets", params={"q": tablet.serial}).json()["items"]
    [app] = day.admin.get(f"/tablets/{row['id']}").json()["apps"]
    assert (app["state"], app["reason"]) == ("installed", "installed")


def test_payloads_excluded_from_declarations_are_installed_by_command(engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    excluded = "com.apple.webcontent-filter"
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, profile_payloads=excluded) as server:
        _run(_beside, SchoolDay(server, clock))


async def _beside(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    tablet = day.tablets["new"]
    for time, mode in (("08:30", Mode.SCHOOL), ("18:45", Mode.HOME), ("21:00", Mode.NIGHT_REST)):
        day.move_to(time)
        await day.assert_converged(mode)
        kinds = {key: {each["PayloadType"] for each in profile.payloads} for key, profile in tablet.profiles.items()}
        assert kinds["fr.cartable.policy"] == {"com.apple.webcontent-filter"}
        declared = [types for key, types in kinds.items() if key.startswith("fr.cartable.policy.")]
        assert any("com.apple.applicationaccess" in types for types in declared)
        assert not any("com.apple.webcontent-filter" in types for types in declared)
