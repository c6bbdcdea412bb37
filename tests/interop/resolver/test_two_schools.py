"""New lists on trial in one of two schools, with the real programs: simulated tablets of both ask their resolver before, during and after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade
from mdm.worker.schedule import HOUSEKEEPING
from profiles.filters import releases
from profiles.filters.content_repository import ContentRepository
from profiles.filters.options import set_trial_schools
from profiles.filters.reading import read_lists
from profiles.policy.kinds import PlaceKind
from simulator import SimulatedTablet
from simulator.errors import ResolverAway
from simulator.hardware import Hardware
from tests.interop.resolver.server_with_resolver import start_server_with_resolver
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.support.policy import publish_document
from tests.support.server import LiveServer
from tests.support.waiting import wait_until
from tests.support.world import TownFactory

#: The school that tries new lists gets its DNS settings by declaration, the other one in a profile.
SYSTEMS = {"trying": "27.0", "waiting": "26.1"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock, internet: str) -> Iterator[LiveServer]:
    with start_server_with_resolver(engine, tmp_path / "data", clock, internet) as running:
        yield running


class TwoSchools:
    """A town that blocks games, a school that tries new lists and one that waits, and a tablet of each."""

    def __init__(self, server: LiveServer, clock: ManualClock) -> None:
        self.server, self.clock = server, clock
        with server.runtime.open_unit_of_work() as work:
            factory = TownFactory(work)
            self.town = factory.create_town()
            schools = [factory.create_school(self.town) for _ in SYSTEMS]
            self.pupils = [factory.create_pupil(factory.create_class(school), Grade.CE2).id for school in schools]
            import_archive(work, SYSTEM, self.town.id, archive({"l/games/domains": b"jeu.example\n"}))
            values = {"web.delivery": {"kind": "resolver"}, "web.blocked_categories": ["games"]}
            publish_document(work, self.town.id, PlaceKind.TOWN, "", {"all": values})
            set_trial_schools(work, SYSTEM, self.town.id, [schools[0].id], 24)
        self.admin = server.sign_in(self.town.id, Role.TOWN_ADMIN, "admin")
        self.tablets: dict[str, SimulatedTablet] = {}

    async def enroll(self) -> None:
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = {each["pupil_id"]: each["code"] for each in self.admin.post("/invitations", json=spec).json()}
        for number, ((name, os), pupil_id) in enumerate(zip(SYSTEMS.items(), self.pupils, strict=True)):
            hardware = replace(Hardware.from_seed("schools", str(self.town.id), number), os_version=os)
            tablet = SimulatedTablet(self.server.url, invitations[str(pupil_id)], ca=self.server.ca, hardware=hardware)
            await tablet.enrol()
            self.tablets[name] = tablet
        for minutes in (0, 5, 15):  # the resolver is tried before it is trusted
            self.clock.advance(timedelta(minutes=minutes))
            with self.server.runtime.open_unit_of_work() as work:
                HOUSEKEEPING["checks"](work)
            await self.exchange()

    async def exchange(self) -> None:
        for _ in range(6):
            await asyncio.to_thread(self.server.run_worker)
            for tablet in self.tablets.values():
                await tablet.poll()

    def add_release(self) -> UUID:
        """Store new lists that came by themselves, with one game more."""
        lists = read_lists(archive({"l/games/domains": b"jeu.example\nnouveau.example\n"}).getvalue())
        with self.server.runtime.open_unit_of_work() as work:
            ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
            return releases.add_release(work, self.town.id, [], lists.describe(), []).id

    def are_addresses_served(self) -> bool:
        """Return whether the resolver answers at the addresses of both tablets: it takes up new ones within seconds."""
        try:
            self.list_closed("www.jeu.example")
        except ResolverAway:
            return False
        return True

    def list_closed(self, host: str) -> set[str]:
        """Return the tablets for which the resolver closes a host."""
        return {name for name, tablet in self.tablets.items() if not self._is_open(tablet, host)}

    def _is_open(self, tablet: SimulatedTablet, host: str) -> bool:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(asyncio.run, tablet.resolve_name(host)).result()
        assert answer.asked, "it asks the town's resolver"
        return answer.exists

    def explain(self, name: str, host: str) -> str:
        """Return what the server says of a host on a tablet."""
        [row] = self.admin.get("/tablets", params={"q": self.tablets[name].serial}).json()["items"]
        return str(self.admin.get(f"/tablets/{row['id']}/why-host", params={"host": host}).json()["decision"])

    async def close(self) -> None:
        for tablet in self.tablets.values():
            await tablet.close()
        self.admin.close()


async def follow_trial(town: TwoSchools) -> None:
    await town.enroll()
    urls = {name: tablet.device.dns_settings[0]["DNSSettings"]["ServerURL"] for name, tablet in town.tablets.items()}
    assert urls["trying"] != urls["waiting"]
    assert await asyncio.to_thread(wait_until, town.are_addresses_served)
    assert await asyncio.to_thread(wait_until, lambda: town.list_closed("www.jeu.example") == set(SYSTEMS), 10)
    assert town.list_closed("nouveau.example") == set()
    first = town.add_release()
    assert await asyncio.to_thread(wait_until, lambda: town.list_closed("nouveau.example") == {"trying"}, 10)
    assert {name: town.explain(name, "nouveau.example") for name in SYSTEMS} == {"trying": "block", "waiting": "allow"}
    town.admin.post(f"/filter-list-releases/{first}/stop").raise_for_status()
    assert await asyncio.to_thread(wait_until, lambda: town.list_closed("nouveau.example") == set(), 10)
    second = town.add_release()
    assert await asyncio.to_thread(wait_until, lambda: town.list_closed("nouveau.example") == {"trying"}, 10)
    town.admin.post(f"/filter-list-releases/{second}/approve").raise_for_status()
    assert await asyncio.to_thread(wait_until, lambda: town.list_closed("nouveau.example") == set(SYSTEMS), 10)
    after = {name: tablet.device.dns_settings[0]["DNSSettings"]["ServerURL"] for name, tablet in town.tablets.items()}
    assert after == urls, "no tablet needed a command"


def test_new_lists_act_in_the_school_that_tries_them_alone_until_they_are_approved(
    server: LiveServer, clock: ManualClock
) -> None:
    town = TwoSchools(server, clock)

    async def run() -> None:
        try:
            await follow_trial(town)
        finally:
            await town.close()

    asyncio.run(run())
