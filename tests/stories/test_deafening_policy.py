"""Rules that cut tablets off, confirmed by two people who should have known better: what they reach, and how it ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import Role
from enrollment.places.models import Grade
from mdm.worker.drains import drain
from mdm.worker.schedule import HOUSEKEEPING
from simulator import SimulatedTablet
from simulator.conversation import ConversationEnding
from simulator.hardware import Hardware
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database

#: Systems whose tablets are managed by declarations, and by profiles.
DECLARATIVE, WITH_PROFILES = "26.1", "16.7.10"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


class Class:
    """A class with two tablets, and an administrator."""

    def __init__(self, server: LiveServer, clock: ManualClock, systems: Sequence[str]) -> None:
        self.server, self.clock, self.systems = server, clock, systems
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            self.town = world.create_town()
            school_class = world.create_class(world.create_school(self.town))
            self.pupils = [world.create_pupil(school_class, Grade.CE2, first=name).id for name in ("Ada", "Noé")]
        self.admin = server.sign_in(self.town.id, Role.TOWN_ADMIN, "admin")
        self.tablets: list[SimulatedTablet] = []

    async def enroll(self) -> None:
        """Enroll the tablets, and let them receive their rules."""
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = self.admin.post("/invitations", json=spec).json()
        for number, (os, invitation) in enumerate(zip(self.systems, invitations, strict=True)):
            hardware = replace(Hardware.from_seed("deaf", str(self.town.id), number), os_version=os)
            tablet = SimulatedTablet(self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware)
            await tablet.enrol()
            self.tablets.append(tablet)
        await self.pass_time(minutes=0)
        await self.pass_time(minutes=2)

    async def pass_time(self, **duration: float) -> list[ConversationEnding]:
        """Let time pass for the server and the tablets, which answer as often as they can. Returns how each ended last."""
        self.clock.advance(timedelta(**duration))
        for tablet in self.tablets:
            tablet.device.clock.offset = self.clock.now() - datetime.now(UTC)
        await asyncio.to_thread(self.run_jobs)
        endings: list[ConversationEnding] = []
        for _ in range(5):
            await asyncio.to_thread(self.run_worker)
            logs = [await tablet.poll() for tablet in self.tablets]
            endings = [log.ending for log in logs]
            if not any(log.answered_commands for log in logs):
                break
        return endings

    def run_worker(self) -> None:
        """Run the worker's jobs that answers of tablets and decisions leave."""
        for topic in (Topic.ENROLLED, Topic.COMMAND_RESULT, Topic.RECONCILE):
            drain(self.server.runtime, topic)

    def run_jobs(self) -> None:
        """Run the scheduled jobs that look at tablets again."""
        for job in ("reap", "checks", "rollouts"):
            with self.server.runtime.open_unit_of_work() as work:
                HOUSEKEEPING[job](work)

    def publish(self, values: dict[str, Any]) -> str:
        """Publish values for the town, with the code that the refusal shows. Returns the path of the document."""
        body = {"town_id": str(self.town.id), "place": "town"}
        path = f"/policy-documents/{self.admin.put('/policy-documents', json=body).json()['id']}"
        number = self.admin.post(f"{path}/versions", json={"values": values}).json()["number"]
        publication = {"reason": "a safer network"}
        refusal = self.admin.post(f"{path}/versions/{number}/publish", json=publication)
        assert (refusal.status_code, refusal.json()["code"]) == (409, "risks_not_confirmed")
        publication["confirmation"] = refusal.json()["details"]["confirmation"]
        self.admin.post(f"{path}/versions/{number}/publish", json=publication).raise_for_status()
        return path

    def get_newest_version(self, path: str) -> dict[str, Any]:
        """Return the newest version of a document."""
        return dict(self.admin.get(f"{path}/versions").json()["items"][0])

    async def close(self) -> None:
        for tablet in self.tablets:
            await tablet.close()
        self.admin.close()


@pytest.mark.parametrize("system", [DECLARATIVE, WITH_PROFILES])
def test_a_network_that_is_not_there_reaches_one_tablet_and_it_comes_back_by_itself(
    server: LiveServer, clock: ManualClock, system: str
) -> None:
    asyncio.run(_run_story(Class(server, clock, [system, system])))


async def _run_story(school: Class) -> None:
    try:
        await school.enroll()
        network = {"SSID_STR": "ecole-typo", "EncryptionType": "WPA2", "Password": "long enough"}
        values = {"forceWiFiToAllowedNetworksOnly": True, "wifi.managed": [network], "allowCamera": False}
        path = school.publish({"all": values})
        assert school.get_newest_version(path)["state"] == "rolling"

        # The first tablet obeys and can hear nothing any more; the other one has not even been asked.
        await school.pass_time(minutes=1)
        endings = await school.pass_time(minutes=1)
        assert sorted(endings) == [ConversationEnding.DONE, ConversationEnding.NO_NETWORK]
        [cut_off] = [tablet for tablet in school.tablets if tablet.is_cut_off]
        [other] = [tablet for tablet in school.tablets if not tablet.is_cut_off]
        assert "allowCamera" not in other.restrictions or other.restrictions["allowCamera"] is True
        rollout = school.admin.get(f"{path}/rollout").json()
        assert (rollout["version"]["stage"], rollout["outcome"], sum(rollout["tablets"].values())) == ("tablet", "waits", 1)

        # It is silent: the roll-out stops, and nothing has reached anybody else.
        await school.pass_time(minutes=46)
        version = school.get_newest_version(path)
        assert (version["state"], version["stop_reason"]) == ("stopped", "1 of 1 tablets are out of contact since")
        assert cut_off.is_cut_off

        # Nobody can reach it, and nobody has to: the trial removes itself, and the tablet hears the former rules.
        assert await school.pass_time(minutes=20) == [ConversationEnding.DONE, ConversationEnding.DONE]
        await school.pass_time(minutes=2)
        for tablet in school.tablets:
            assert not tablet.is_cut_off
            assert tablet.restrictions.get("allowCamera") is not False
            assert not any(identifier.endswith(".trial") for identifier in tablet.profiles)
        await school.pass_time(hours=30)
        assert not cut_off.is_cut_off, "it is not tried again"
    finally:
        await school.close()


def test_a_network_that_works_goes_to_all_and_stays(server: LiveServer, clock: ManualClock) -> None:
    asyncio.run(_run_good_story(Class(server, clock, [DECLARATIVE, WITH_PROFILES])))


async def _run_good_story(school: Class) -> None:
    try:
        await school.enroll()
        for tablet in school.tablets:
            tablet.device.networks_in_range = frozenset({"ecole"})
        network = {"SSID_STR": "ecole", "EncryptionType": "WPA2", "Password": "long enough"}
        path = school.publish({"all": {"forceWiFiToAllowedNetworksOnly": True, "wifi.managed": [network]}})
        for _ in range(12):
            await school.pass_time(minutes=1)
            if school.get_newest_version(path)["state"] == "live":
                break
        for _ in range(3):
            await school.pass_time(minutes=1)
        for tablet in school.tablets:
            assert tablet.restrictions["forceWiFiToAllowedNetworksOnly"] is True
            assert not any(identifier.endswith(".trial") for identifier in tablet.profiles)
        await school.pass_time(hours=3)
        assert [tablet.restrictions["forceWiFiToAllowedNetworksOnly"] for tablet in school.tablets] == [True, True]
    finally:
        await school.close()
