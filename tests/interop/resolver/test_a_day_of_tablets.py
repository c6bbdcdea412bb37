"""The day of a class with the town's resolver, with the real programs: each tablet reaches exactly what the server says is open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from mdm.resolver.service import ResolverStatus, load_resolver_state
from simulator.errors import ResolverAway
from tests.interop.resolver.server_with_resolver import start_server_with_resolver
from tests.stories.test_web_filter_day import NAMES, FilterDay, follow_day
from tests.support.server import LiveServer
from tests.support.waiting import wait_until


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock, internet: str) -> Iterator[LiveServer]:
    with start_server_with_resolver(engine, tmp_path / "data", clock, internet) as running:
        yield running


class ResolvedDay(FilterDay):
    """The same day, on which a resolver answers and the tablets also ask."""

    remedy = None

    def list_open(self, name: str) -> set[str]:
        """Return the names that a tablet's address opens, once the tablet reaches them and no others."""
        assert wait_until(self.is_resolver_known, 30), "the clock has moved on; the next sign of life is there within a second"
        opened = super().list_open(name)
        # The resolver takes up a new address within seconds; until then it knows no such path.
        expected = opened, {self.tablets[name].device.dns_settings[0]["DNSSettings"]["ServerURL"]}
        assert wait_until(lambda: self.ask_names(name) == expected, 30), (name, self.ask_names(name), expected)
        return opened

    def is_resolver_known(self) -> bool:
        """Return whether the server knows at this hour that the resolver answers."""
        with self.server.runtime.open_unit_of_work() as work:
            return load_resolver_state(work).status is ResolverStatus.ANSWERING

    def compare_random_names(self, name: str, count: int) -> None:
        """Leave the comparison to the story itself, and to that of the programs with the rule."""

    def ask_names(self, name: str) -> tuple[set[str], set[str]]:
        """Return the names that exist for a tablet, and the addresses of the resolvers that answered it: none while it refuses the path."""
        with ThreadPoolExecutor(1) as pool:
            try:
                return pool.submit(asyncio.run, self._ask_names(name)).result()
            except ResolverAway:
                return set(), set()

    async def _ask_names(self, name: str) -> tuple[set[str], set[str]]:
        answers = [await self.tablets[name].resolve_name(host) for host in NAMES]
        return {host for host, answer in zip(NAMES, answers, strict=True) if answer.exists}, {each.asked for each in answers}


def test_each_tablet_reaches_what_is_open_and_nothing_else_through_a_day(server: LiveServer, clock: ManualClock) -> None:
    day = ResolvedDay(server, clock)

    async def run() -> None:
        try:
            await follow_day(day)
        finally:
            await day.close()

    asyncio.run(run())
