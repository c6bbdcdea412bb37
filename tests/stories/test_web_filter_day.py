"""A class through a day with the town's resolver: the address that each tablet has, what is served there, and what the server says of it.

One tablet gets its DNS settings by declaration, one in a profile that declarations name, one in a profile that a command installs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.ids import new_id
from cartable.scope import SYSTEM
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets.repository import TabletRepository
from mdm.care.web_filter import Remedy, try_host
from mdm.worker.schedule import HOUSEKEEPING
from profiles.filters.address_repository import FilterAddressRepository
from profiles.filters.proved_filter import FilterPart
from profiles.filters.repository import FilterRepository
from profiles.filters.resolver_access import find_token
from profiles.filters.resolver_filter import ResolverFilter, decide_name
from profiles.filters.rules import HostDecision
from profiles.policy.kinds import PlaceKind
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.models import GuardianRule
from simulator import SimulatedTablet
from simulator.hardware import Hardware
from tests.conftest import KEYRING
from tests.mdm.reconcile.test_a_school_day import SchoolDay
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.policy import publish_document
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database

SYSTEMS = {"declared": "27.0", "profile": "26.1", "command": "16.7.10"}
LISTS = {"l/adult/domains": b"adulte.example\n", "l/games/domains": b"jeux.example\n", "l/doh/domains": b"dns.example\n"}
NAMES = (
    "adulte.example",
    "jeux.example",
    "dns.example",
    "lumni.example",
    "lecon.example",
    "sos.example",
    "autre.example",
    "push.apple.com",
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    settings: dict[str, Any] = {"resolver_url": "https://dns.ville.example", "resolver_addresses": ("192.0.2.53",)}
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, **settings) as running:
        yield running


class FilterDay(SchoolDay):
    """A town whose rules and lists differ by mode, and a class of three children."""

    #: No resolver runs here, so nothing is called enforced.
    remedy: Remedy | None = Remedy.MEND_RESOLVER

    def prepare(self) -> None:
        self.prepare_town()
        with self.server.runtime.open_unit_of_work() as work:
            values: dict[str, dict[str, Any]] = {
                "all": {
                    "web.delivery": {"kind": "resolver", "when_away": "lenient"},
                    "web.permitted": ["sos.example"],
                    "web.permitted_categories": ["sexual_education"],
                },
                "home": {"web.blocked_categories": ["games"]},
            }
            publish_document(work, self.town.id, PlaceKind.TOWN, "", values)

    def prepare_town(self) -> None:
        """Create the hours, a third child and the lists, and no rules."""
        put, town = self.admin.put, str(self.town.id)
        calendar = {"periods": [{"first": str(self._date(14)), "last": str(self._date(20)), "name": "Vacances"}]}
        put(f"/towns/{town}/calendars/own", json={**calendar, "known_until": str(self._date(300))}).raise_for_status()
        body = {"week": FOUR_DAYS_JSON, "calendar": "own", "night_from": "20:00", "night_to": "07:00"}
        put(f"/towns/{town}/timetable", json=body).raise_for_status()
        with self.server.runtime.open_unit_of_work() as work:
            self.pupils.append(TownFactory(work).create_pupil(self.school_class, Grade.CE2, first="Léa").id)
            import_archive(work, SYSTEM, self.town.id, archive(LISTS))

    async def prove(self, *times: str) -> None:
        """Let time pass until the tablets have been in contact under what was tried, and have what takes its place."""
        for time in times:
            self.move_to(time)
            with self.server.runtime.open_unit_of_work() as work:
                HOUSEKEEPING["checks"](work)
            await self.exchange()

    async def enroll(self) -> None:
        spec = {"kind": "pupil", "town_id": str(self.town.id), "pupil_ids": [str(each) for each in self.pupils]}
        invitations = self.admin.post("/invitations", json=spec).json()
        for number, ((name, os), invitation) in enumerate(zip(SYSTEMS.items(), invitations, strict=True)):
            hardware = replace(Hardware.from_seed("filter", str(self.town.id), number), os_version=os)
            tablet = SimulatedTablet(self.server.url, invitation["code"], ca=self.server.ca, hardware=hardware)
            await tablet.enrol()
            self.tablets[name] = tablet

    def add_family_list(self, name: str, *sites: str) -> None:
        """Store that the guardian of a tablet's child opens these sites alone."""
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(self.tablets[name].serial)
            assert row is not None
            pupil_id, guardian_id = load_facts(work, [row.id])[row.id].pupil_id, new_id()
            assert pupil_id is not None
            for site in sites:
                work.session.add(
                    GuardianRule(
                        town_id=self.town.id, pupil_id=pupil_id, guardian_id=guardian_id, kind=GuardianRuleKind.ONLY_LISTED_SITES,
                        subject=site, written_at=work.now,
                    )
                )  # fmt: skip

    def find_served(self, name: str) -> ResolverFilter:
        """Return what is served at the one address that a tablet has."""
        [settings] = self.tablets[name].device.dns_settings
        assert settings["ProhibitDisablement"] is True
        assert settings["DNSSettings"].get("AllowFailover", False) is (name == "declared"), "only newer systems may fail over"
        token = find_token(settings["DNSSettings"]["ServerURL"])
        assert token is not None
        with self.server.runtime.open_unit_of_work() as work:
            return ResolverFilter.from_json(
                FilterAddressRepository(work.session).find_by_tokens(self.town.id, [token])[token].filter
            )

    def list_open(self, name: str) -> set[str]:
        """Return the names that a tablet's address opens, after asking the server the same of each."""
        served, opened = self.find_served(name), set()
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(self.tablets[name].serial)
            assert row is not None
            for host in NAMES:
                categories = FilterRepository(work.session).find_categories(self.town.id, host)
                decision = decide_name(served, host, categories).decision
                outcome = try_host(work, row.id, host)
                assert outcome.remedy is self.remedy, (name, host, outcome)
                assert outcome.explanation.verdict.decision is decision, (name, host, outcome)
                assert FilterPart.RESOLVER in outcome.on_tablet.parts, (name, outcome.on_tablet.parts)
                assert (FilterPart.RESOLVER in outcome.closing) is (decision is HostDecision.BLOCK), (name, host, outcome)
                opened |= {host} if decision is HostDecision.ALLOW else set()
        return opened

    def compare_random_names(self, name: str, count: int) -> None:
        """Assert that the server explains random names as the tablet's address answers them."""
        draw = random.Random(7)
        served = self.find_served(name)
        hosts = [
            ".".join([*draw.choices(["a", "www", "jeux", "lumni"], k=draw.randint(0, 2)), draw.choice(NAMES)])
            for _ in range(count)
        ]
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(self.tablets[name].serial)
            assert row is not None
            for host in dict.fromkeys(hosts):
                outcome = try_host(work, row.id, host)
                answer = decide_name(served, host, FilterRepository(work.session).find_categories(self.town.id, host))
                assert outcome.explanation.verdict == answer, host


def test_a_class_is_filtered_through_a_day(server: LiveServer, clock: ManualClock) -> None:
    day = FilterDay(server, clock)

    async def run() -> None:
        try:
            await follow_day(day)
        finally:
            await day.close()

    asyncio.run(run())


async def follow_day(day: FilterDay) -> None:
    day.prepare()
    await day.enroll()
    await day.prove("09:00", "09:05", "09:20")
    school = set(NAMES) - {"adulte.example", "dns.example"}
    for name in SYSTEMS:
        assert day.list_open(name) == school, "each tablet has tried the resolver, and is at the address of the school"
    # A class session with web sites alone.
    session = {"town_id": str(day.town.id), "school_id": str(day.school.id), "class_id": str(day.school_class.id), "minutes": 30}
    body = {**session, "preset": "focus_sites", "sites": ["lecon.example"]}
    day.admin.post("/class-sessions", json=body).raise_for_status()
    await day.exchange()
    for name in SYSTEMS:
        assert day.list_open(name) == {"lecon.example", "push.apple.com"}
    # At home: the town closes games, and one family opens two sites alone.
    day.add_family_list("declared", "lumni.example", "adulte.example")
    day.move_to("18:30")
    await day.exchange()
    assert day.list_open("declared") == {"lumni.example", "push.apple.com"}
    for name in ("profile", "command"):
        assert day.list_open(name) == school - {"jeux.example"}
        day.compare_random_names(name, 300)
    day.move_to("21:00")
    await day.exchange()
    for name in SYSTEMS:
        assert day.list_open(name) == {"sos.example", "push.apple.com"}
