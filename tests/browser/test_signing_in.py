"""The first thing that a person does."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import Role
from tests.browser.hands import open_chapter
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_an_administrator_signs_in_and_sees_the_tablets(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        town_id, tag = town.id, world.create_tablet(town).tag
    page = sign_in(town_id, Role.TOWN_ADMIN, "admin")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Aujourd'hui")
    open_chapter(page, "/")
    expect(page.get_by_role("link", name=tag)).to_be_visible()
    page.get_by_role("link", name=tag).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(tag)
