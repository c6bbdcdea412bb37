"""Every page costs the same number of statements, however many children, tablets, classes and schools a town has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import Role
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade, School, Town
from mdm.console.frame import SESSION_COOKIE
from mdm.console.routes import list_page_routes
from mdm.web import create_app
from tests.browser.walk.addresses import list_addresses
from tests.browser.walk.world import WalkWorld, make_walk_world
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.installation import install
from tests.support.statements import count_statements
from tests.support.world import TownFactory

ROUTES = [route for route in list_page_routes("GET") if "." not in route.path]
#: Statements that depend on what a page looks at by itself, and not on the size of the town: a session that is renewed, a cache that is filled.
TOLERANCE = 2
GROWTH = 12


class PageCounter:
    """Counts the statements of each page in the small town; then lets the town grow."""

    def __init__(self, runtime: Runtime) -> None:
        install(runtime)
        self.engine: Engine = runtime.engine
        self.world: WalkWorld = make_walk_world(runtime)
        self.app = create_app(runtime)
        self.addresses = {route.path: list_addresses(route, self.world)[0] for route in ROUTES}
        self.before = {path: self.count(path) for path in self.addresses}
        _grow(runtime, self.world)

    def count(self, path: str) -> int:
        """Return how many statements the administrator's page takes, once its caches are warm."""

        async def read() -> int:
            headers = {"Cookie": f"{SESSION_COOKIE}={self.world.cookies[Role.TOWN_ADMIN]}", "Accept": "text/html"}
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=headers) as client:
                await client.get(self.addresses[path])
                with count_statements(self.engine) as statements:
                    await client.get(self.addresses[path])
                return len(statements)

        return asyncio.run(read())


def _grow(runtime: Runtime, world: WalkWorld) -> None:
    """Add schools, and classes, pupils and tablets to the school of the walk."""
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = work.session.get_one(Town, world.town_id)
        town.tag_prefix = "GROWN"  # no tag of these is one that the town has given
        own = work.session.get_one(School, world.keys["school"])
        for number in range(GROWTH):
            school = factory.create_school(town, f"École {number}")
            for place in (school, own):
                school_class = factory.create_class(place, f"CE2 {number}")
                tablet = factory.create_tablet(town)
                factory.lend_tablet(tablet, factory.create_pupil(school_class, Grade.CE2))
                factory.enroll_tablet(tablet, last_seen_at=work.now)
            factory.create_tablet(town, school_id=own.id)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageCounter]:
    folder: Path = tmp_path_factory.mktemp("statements")
    engine = databases.create_sqlite_engine(folder)
    settings = Settings(_env_file=None, data_dir=folder, public_url="https://localhost", second_factor=SecondFactorPolicy.OFFERED)
    yield PageCounter(Runtime(settings=settings, engine=engine, clock=ManualClock(datetime.now(UTC)), keyring=KEYRING))
    engine.dispose()


@pytest.mark.parametrize("route", ROUTES, ids=[route.path for route in ROUTES])
def test_a_page_of_a_larger_town_takes_no_more_statements(route: APIRoute, counter: PageCounter) -> None:
    assert counter.count(route.path) <= counter.before[route.path] + TOLERANCE
