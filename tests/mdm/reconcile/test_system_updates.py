"""A version of iPadOS required by a day and hour, until the tablets themselves report that they have it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from enrollment.tablets.models import Tablet
from enrollment.tablets.service import TabletDetails, update_systems
from simulator import SimulatedTablet
from simulator.hardware import Hardware
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.statements import count_statements
from tests.support.world import TownFactory

PARIS = ZoneInfo("Europe/Paris")
SYSTEMS = {"behind": "26.1", "ahead": "26.2", "old": "16.7.10"}
UPDATE = "configuration/fr.cartable.update"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000) as running:
        yield running


class UpdatingTown:
    """A town with three tablets on different systems, whose clocks are the server's."""

    def __init__(self, server: LiveServer, clock: ManualClock) -> None:
        self.server, self.clock = server, clock
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            self.town = world.create_town()
            school_class = world.create_class(world.create_school(self.town))
            self.pupils = [world.create_pupil(school_class, Grade.CE2, first=name).id for name in SYSTEMS]
        self.admin: httpx.Client = server.sign_in(self.town.id, Role.TOWN_ADMIN, "admin")
        body = {"town_id": str(self.town.id), "place": "town", "target": ""}
        self.document = f"/policy-documents/{self.admin.put('/policy-documents', json=body).json()['id']}"
        self.tablets: dict[str, SimulatedTablet] = {}

    async def enroll(self) -> None:
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = self.admin.post("/invitations", json=spec).json()
        for (name, version), invitation in zip(SYSTEMS.items(), invitations, strict=True):
            hardware = replace(Hardware.from_seed("update", str(self.town.id), name), os_version=version)
            tablet = SimulatedTablet(self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware)
            tablet.device.clock.read = self.clock.now
            tablet.device.has_passcode = False
            await tablet.enrol()
            self.tablets[name] = tablet

    async def exchange(self) -> None:
        for _ in range(4):
            await asyncio.to_thread(self.server.run_worker)
            for tablet in self.tablets.values():
                assert not (await tablet.poll()).anomalies
        await asyncio.to_thread(self.server.run_worker)

    def publish(self, values: dict[str, Any]) -> None:
        draft = self.admin.post(f"{self.document}/versions", json={"values": {"all": values}}).json()
        path = f"{self.document}/versions/{draft['number']}/publish"
        self.admin.post(path, json={"at_once_reason": "for a test"}).raise_for_status()

    def count_readiness(self) -> dict[str, int]:
        counts: dict[str, int] = self.admin.get(f"{self.document}/update-readiness", params={"version": "26.2"}).json()
        return counts

    def list_declared(self, name: str) -> set[str]:
        return set(self.tablets[name].device.declarations.get("items", {}))

    def get_stored_version(self, name: str) -> str:
        [row] = self.admin.get("/tablets", params={"q": self.tablets[name].serial}).json()["items"]
        return str(row["os_version"])


def test_tablets_behind_update_at_the_deadline_and_report_it_themselves(server: LiveServer, clock: ManualClock) -> None:
    town = UpdatingTown(server, clock)

    async def run() -> None:
        try:
            await _update(town)
        finally:
            for tablet in town.tablets.values():
                await tablet.close()
            town.admin.close()

    asyncio.run(run())


async def _update(town: UpdatingTown) -> None:
    await town.enroll()
    await town.exchange()
    assert town.count_readiness() == {"up_to_date": 1, "behind": 1, "unsupported": 1, "unknown": 0}
    for odd in (7, ["26.2"], {"26": "2"}, ""):
        town.tablets["behind"].device.odd_status_items = {"device.operating-system.version": odd}
        await town.tablets["behind"].report_declarations()
        assert town.get_stored_version("behind") == "26.1", "what is no version is stored nowhere"
    town.tablets["behind"].device.odd_status_items = {}
    deadline = (town.clock.now() + timedelta(hours=6)).astimezone(PARIS).replace(tzinfo=None)
    update = {"version": "26.2", "deadline": deadline.isoformat()}
    preview = town.admin.post(f"{town.document}/preview", json={"values": {"all": {"system.update": update}}}).json()
    assert preview["changed"] == 1, "what has the version already, or cannot be updated, is not changed"
    town.publish({"system.update": update})
    await town.exchange()
    behind = town.tablets["behind"]
    assert UPDATE in town.list_declared("behind")
    assert UPDATE not in town.list_declared("ahead"), (
        "a tablet installs exactly the version that is named, so never an earlier one"
    )
    assert behind.device.hardware.os_version == "26.1", "before the deadline it is prepared, not installed"
    [old] = town.admin.get("/tablets", params={"q": town.tablets["old"].serial}).json()["items"]
    assert "system.update" in town.admin.get(f"/tablets/{old['id']}/why").json()["left_out"]

    town.clock.advance(timedelta(hours=6, minutes=1))
    await behind.poll()
    assert behind.device.hardware.os_version == "26.2"
    assert town.get_stored_version("behind") == "26.2", "by its own report, without being asked"
    await town.exchange()
    assert UPDATE not in town.list_declared("behind"), "what is done is withdrawn"
    assert town.count_readiness() == {"up_to_date": 2, "behind": 0, "unsupported": 1, "unknown": 0}
    assert [town.get_stored_version(name) for name in ("ahead", "old")] == ["26.2", "16.7.10"]


def test_new_systems_of_many_tablets_are_stored_in_constant_statements(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tablets = [world.create_tablet(town) for _ in range(6)]
        for tablet in tablets:
            tablet.os_version = "26.1"
        work.session.flush()
        counts = []
        for some, version in ((tablets[:2], "26.2"), (tablets, "26.3")):
            systems = {tablet.id: TabletDetails(os_version=version, build_version="23X") for tablet in some}
            with count_statements(runtime.engine) as statements:
                update_systems(work, systems)
            counts.append(len(statements))
            with count_statements(runtime.engine) as statements:
                update_systems(work, systems)
            assert len(statements) == 1, "what is known already is read, and nothing is written"
        assert counts[0] == counts[1]
        work.session.expire_all()
        assert {work.session.get_one(Tablet, tablet.id).os_version for tablet in tablets} == {"26.3"}
