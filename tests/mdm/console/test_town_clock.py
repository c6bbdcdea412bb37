"""In a town overseas no page shows the clock of Paris: every page of the console, for each role of the town."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from cartable.clock import ManualClock
from cartable.scope import Role
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.channel.endpoint import DeviceRequestRouter
from mdm.console.frame import SESSION_COOKIE
from mdm.console.routes import list_page_routes
from mdm.web import create_app
from tests.browser.walk.addresses import list_addresses
from tests.browser.walk.world import WalkWorld, make_walk_world
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.installation import install

ROUTES = [route for route in list_page_routes("GET") if "." not in route.path]
#: A minute that is in Paris 20:47 and on La Réunion 23:47, so that neither hour is on a page by chance.
INSTANT = datetime(2026, 11, 23, 19, 47, tzinfo=UTC)
IN_PARIS, ON_THE_ISLAND = "20:47", "23:47"
ROLES = (Role.TOWN_ADMIN, Role.HEAD, Role.TEACHER, Role.DPO)


@dataclass
class Island:
    """The walk's town, moved to La Réunion, where everything has happened at one instant."""

    app: DeviceRequestRouter
    world: WalkWorld

    def read(self, address: str, role: Role) -> str:
        async def get() -> str:
            headers = {"Cookie": f"{SESSION_COOKIE}={self.world.cookies[role]}", "Accept": "text/html"}
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=headers) as client:
                return (await client.get(address)).text

        return asyncio.run(get())


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    folder: Path = tmp_path_factory.mktemp("island")
    engine = databases.create_sqlite_engine(folder)
    settings = Settings(_env_file=None, data_dir=folder, public_url="https://localhost", second_factor=SecondFactorPolicy.OFFERED)
    runtime = Runtime(settings=settings, engine=engine, clock=ManualClock(INSTANT), keyring=KEYRING)
    install(runtime)
    world = make_walk_world(runtime)
    with runtime.open_unit_of_work() as work:
        work.session.get_one(Town, world.town_id).time_zone = "Indian/Reunion"
    yield Island(create_app(runtime), world)
    engine.dispose()


@pytest.mark.parametrize("route", ROUTES, ids=[route.path for route in ROUTES])
def test_no_page_shows_the_time_of_paris(route: APIRoute, island: Island) -> None:
    for role in ROLES:
        page = island.read(list_addresses(route, island.world)[0], role)
        assert IN_PARIS not in page, (route.path, role, page[max(page.find(IN_PARIS) - 200, 0) :][:300])


def test_pages_show_the_time_of_the_island(island: Island) -> None:
    for address in ("/accounts", "/audit", "/sessions"):
        assert ON_THE_ISLAND in island.read(address, Role.TOWN_ADMIN), address
