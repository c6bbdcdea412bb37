"""A session that is about to end warns, goes on when asked, and keeps what was typed; a program's token is made, used and ended on its page."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from datetime import timedelta

import httpx
from playwright.sync_api import Page, expect

from cartable.clock import ManualClock
from cartable.scope import Role
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def _advance(server: LiveServer, page: Page, minutes: float) -> None:
    """Let time go by, for the server and for the page."""
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(minutes=minutes))
    page.clock.fast_forward(int(minutes * 60_000))


def test_a_session_warns_goes_on_and_loses_nothing_that_was_typed(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    page = sign_in(town_id, Role.TOWN_ADMIN, "admin")
    page.clock.install()
    minutes = server.runtime.settings.token_minutes
    page.goto(f"{server.url}/accounts")
    warning = page.locator("#session-end")
    expect(warning).to_be_hidden()
    _advance(server, page, minutes - 4)
    expect(warning).to_be_visible()
    expect(warning).to_contain_text("Votre session va")
    check_page(page)
    warning.get_by_role("button").click()
    expect(warning).to_be_hidden()
    _advance(server, page, minutes - 4)
    expect(warning).to_be_visible()
    page.fill("#display_name", "Ana Colle")  # whoever types is there
    expect(warning).to_be_hidden()
    page.fill("#login", "ana@valmont.example")
    page.locator("#role").select_option("helpdesk")
    _advance(server, page, minutes + 1)
    expect(warning).to_contain_text("Votre session a pris fin")
    page.get_by_role("button", name="Créer le lien").click()
    expect(page.locator("main")).to_contain_text("conservé")
    page.fill("#login", "admin")
    page.fill("#password", PASSWORD)
    page.locator("main button").first.click()
    expect(page.locator("[name=display_name]")).to_have_value("Ana Colle")
    expect(page.locator("[name=login]")).to_have_value("ana@valmont.example")
    check_page(page)


def test_a_programs_token_from_its_page_to_its_end(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        town_id, day = town.id, (work.now + timedelta(days=30)).date().isoformat()
        tag = world.create_tablet(town).tag
    page = sign_in(town_id, Role.TOWN_ADMIN, "admin")
    page.goto(f"{server.url}/accounts")
    open_chapter(page, "/service-tokens")
    check_page(page)
    page.fill("#name", "Inventaire")
    page.locator("#role").select_option("helpdesk")
    page.fill("#last_day", day)
    page.locator("input[name=permissions][value=see]").check()
    page.locator("form[action='/service-tokens'] button").click()
    page.fill("#confirm_password", PASSWORD)
    page.locator("form:has(#confirm_password) > button:not([type])").click()
    token = page.locator("main code").first.inner_text()
    check_page(page)
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=f"{server.url}/api/v1", verify=trust, headers={"Authorization": f"Bearer {token}"}) as program:
        assert tag in program.get("/tablets").text
        assert program.get(f"/towns/{town_id}/alarms").status_code == 403
        page.goto(f"{server.url}/service-tokens")
        assert token not in page.content(), "shown once"
        expect(page.get_by_role("row", name="Inventaire")).to_contain_text(re.compile(r"\d\d/\d\d/\d{4}"))
        page.get_by_role("button", name="Inventaire").click()
        page.wait_for_load_state()
        if page.locator("#confirm_password").count():
            page.fill("#confirm_password", PASSWORD)
            page.locator("form:has(#confirm_password) > button:not([type])").click()
        expect(page.get_by_role("row", name="Inventaire")).to_have_count(0)
        assert program.get("/tablets").status_code == 401
