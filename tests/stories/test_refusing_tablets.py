"""Tablets that refuse, over real HTTPS on both delivery paths: what people see, the button that tries again, and the end of the story."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import Role
from mdm.worker.schedule import HOUSEKEEPING
from simulator import SimulatedTablet
from simulator.hardware import Hardware
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database

POLICY_PROFILE = "fr.cartable.policy"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


class Desk:
    """One town, its admin, and one tablet of a pupil that behaves as the test says."""

    def __init__(self, server: LiveServer, clock: ManualClock) -> None:
        self.server, self.clock = server, clock
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            self.town = world.create_town()
            self.pupil_id = world.create_pupil(world.create_class(world.create_school(self.town))).id
        self.admin: httpx.Client = server.sign_in(self.town.id, Role.TOWN_ADMIN, "admin")

    async def enroll(self, behaviour: str, os_version: str = "26.1") -> None:
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(self.pupil_id)]}
        [invitation] = self.admin.post("/invitations", json=spec).json()
        hardware = replace(Hardware.from_seed("refusing", str(self.town.id), behaviour), os_version=os_version)
        self.tablet = SimulatedTablet(
            self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware, behaviour=behaviour
        )
        await self.tablet.enrol()
        await self.exchange()

    async def exchange(self, rounds: int = 4) -> None:
        """Let the worker and the tablet run until nothing is left to do."""
        for _ in range(rounds):
            await asyncio.to_thread(self.server.run_worker)
            conversation = await self.tablet.poll()
            assert not conversation.anomalies, conversation.anomalies
        await asyncio.to_thread(self.server.run_worker)

    async def wait(self, **duration: float) -> None:
        """Let time pass, and run the housekeeping jobs that look at tablets again."""
        self.clock.advance(timedelta(**duration))
        for job in ("checks", "lost_cases"):
            with self.server.runtime.open_unit_of_work() as work:
                HOUSEKEEPING[job](work)
        await self.exchange()

    def read(self) -> dict[str, Any]:
        """Return the tablet as the API shows it."""
        [row] = self.admin.get("/tablets", params={"q": self.tablet.serial}).json()["items"]
        return dict(self.admin.get(f"/tablets/{row['id']}").json())

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.admin.post(f"/tablets/{self.read()['id']}/{path}", json=body).raise_for_status()


def _run(story: Callable[[Desk], Awaitable[None]], server: LiveServer, clock: ManualClock) -> None:
    desk = Desk(server, clock)

    async def run_and_close() -> None:
        try:
            await story(desk)
        finally:
            await desk.tablet.close()
            desk.admin.close()

    asyncio.run(run_and_close())


def test_a_tablet_that_refuses_its_profile_gets_it_after_a_wait_or_at_once_by_the_button(
    server: LiveServer, clock: ManualClock
) -> None:
    _run(_refuse_profile, server, clock)


async def _refuse_profile(desk: Desk) -> None:
    await desk.enroll("refuses_profiles:2", os_version="16.7.10")
    rules = desk.read()["rules"]
    assert (rules["state"], rules["reason"], rules["attempts"]) == ("failed", "refused", 1)
    assert "4001" in rules["problem"] or "4010" in rules["problem"]
    assert rules["next_attempt_at"] is not None
    await desk.wait(minutes=1)
    assert desk.read()["rules"]["attempts"] == 2
    desk.post("rules/retry")
    await desk.exchange()
    rules = desk.read()["rules"]
    assert (rules["state"], rules["reason"], rules["attempts"]) == ("verified", "installed", 0)
    assert POLICY_PROFILE in desk.tablet.profiles


def test_a_tablet_that_refuses_the_removal_of_its_profile_is_asked_again(server: LiveServer, clock: ManualClock) -> None:
    _run(_refuse_removal, server, clock)


async def _refuse_removal(desk: Desk) -> None:
    await desk.enroll("refuses_removal")
    assert POLICY_PROFILE in desk.tablet.profiles
    await desk.wait(minutes=1)
    assert POLICY_PROFILE not in desk.tablet.profiles
    assert desk.read()["rules"]["path"] == "declarations"


def test_a_tablet_that_is_still_applying_its_declarations_keeps_its_profile(server: LiveServer, clock: ManualClock) -> None:
    _run(_in_progress, server, clock)


async def _in_progress(desk: Desk) -> None:
    await desk.enroll("in_progress:1")
    rules = desk.read()["rules"]
    assert (rules["path"], rules["state"], rules["reason"], rules["seen_mode"]) == (
        "declarations",
        "waiting",
        "in_progress",
        None,
    )
    assert POLICY_PROFILE in desk.tablet.profiles
    await desk.tablet.report_declarations()
    await desk.exchange()
    rules = desk.read()["rules"]
    assert (rules["state"], rules["seen_mode"]) == ("verified", rules["wanted_mode"])
    assert POLICY_PROFILE not in desk.tablet.profiles


def test_a_tablet_that_cannot_apply_a_declaration_once_is_repaired(server: LiveServer, clock: ManualClock) -> None:
    _run(_invalid_once, server, clock)


async def _invalid_once(desk: Desk) -> None:
    await desk.enroll("invalid:1")
    assert desk.read()["rules"]["state"] == "verified", "the repair had new tokens, so the tablet fetched it again"
    assert POLICY_PROFILE not in desk.tablet.profiles


def test_a_tablet_that_never_applies_declarations_is_managed_by_its_profile(server: LiveServer, clock: ManualClock) -> None:
    _run(_always_invalid, server, clock)


async def _always_invalid(desk: Desk) -> None:
    await desk.enroll("invalid:0")
    rules = desk.read()["rules"]
    assert (rules["state"], rules["reason"]) == ("failed", "invalid")
    assert "Error.ConfigurationCannotBeApplied" in rules["problem"]
    assert POLICY_PROFILE in desk.tablet.profiles
    for minutes in (2, 10, 30):
        await desk.wait(minutes=minutes)
    rules = desk.read()["rules"]
    assert (rules["path"], rules["state"]) == ("profile", "verified")
    assert "Error.ConfigurationCannotBeApplied" in rules["fallback_reason"]
    assert desk.tablet.device.declarations["items"] == {}


def test_partial_reports_confirm_the_rules(server: LiveServer, clock: ManualClock) -> None:
    _run(_partial, server, clock)


async def _partial(desk: Desk) -> None:
    await desk.enroll("partial_reports")
    assert desk.read()["rules"]["state"] == "verified"
    assert POLICY_PROFILE not in desk.tablet.profiles


def test_a_tablet_that_fetches_its_declarations_late_gets_the_announced_ones(server: LiveServer, clock: ManualClock) -> None:
    _run(_fetch_late, server, clock)


async def _fetch_late(desk: Desk) -> None:
    await desk.enroll("late_fetches:1")
    assert desk.read()["rules"]["state"] == "verified"
    assert POLICY_PROFILE not in desk.tablet.profiles


def test_a_tablet_that_refuses_lost_mode_is_shown_and_locked_in_the_end(server: LiveServer, clock: ManualClock) -> None:
    _run(_refuse_lost_mode, server, clock)


async def _refuse_lost_mode(desk: Desk) -> None:
    await desk.enroll("refuses_lost_mode:2")
    desk.post("lost-mode/enable", reason="left on the bus")
    await desk.exchange()
    case = desk.read()["lost"]
    assert (case["origin"], case["confirmed_at"], case["attempts"]) == ("reported", None, 1)
    assert "12021" in case["problem"]
    await desk.wait(minutes=1)
    assert desk.read()["lost"]["attempts"] == 2
    desk.post("lost-mode/retry")
    await desk.exchange()
    assert desk.read()["lost"]["confirmed_at"] is not None
    assert desk.read()["lost"]["problem"] is None
    assert desk.tablet.lost_mode is not None
