"""The menu in front of a person: its groups by keyboard, on a phone, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from cartable.scope import Role
from mdm.console.frame import SESSION_COOKIE
from tests.browser.accessible import check_page
from tests.browser.desk_world import desk_world
from tests.support.server import LiveServer


@pytest.fixture
def page(server: LiveServer, sign_in: Callable[..., Page]) -> Page:
    return sign_in(desk_world(server.runtime, size=1).town_id, Role.TOWN_ADMIN, "menu")


def test_a_group_opens_and_closes_by_keyboard_and_one_at_a_time(page: Page) -> None:
    menu = page.get_by_role("navigation", name="Chapitres")
    menu.locator("summary", has_text="Filtre").focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("link", name="Filtre web")).to_be_visible()
    check_page(page)
    page.keyboard.press("Escape")
    expect(menu.get_by_role("link", name="Filtre web")).to_be_hidden()
    expect(menu.locator("summary", has_text="Filtre")).to_be_focused()
    page.keyboard.press("Enter")
    menu.locator("summary", has_text="Horaires").click()
    expect(menu.get_by_role("link", name="Calendrier")).to_be_visible()
    expect(menu.get_by_role("link", name="Filtre web")).to_be_hidden()
    page.mouse.click(5, 700)
    expect(menu.get_by_role("link", name="Calendrier")).to_be_hidden()
    menu.locator("summary", has_text="Horaires").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/hours/days$"))


@pytest.mark.parametrize("scripts", [True, False])
def test_a_phone_has_a_button_for_the_menu(server: LiveServer, page: Page, browser: Browser, scripts: bool) -> None:
    [cookie] = [each for each in page.context.cookies() if each.get("name") == SESSION_COOKIE]
    context = browser.new_context(
        ignore_https_errors=True, locale="fr-FR", viewport={"width": 390, "height": 844}, java_script_enabled=scripts
    )
    context.add_cookies([{"name": SESSION_COOKIE, "value": str(cookie.get("value")), "url": server.url}])
    phone = context.new_page()
    phone.goto(f"{server.url}/today")
    menu = phone.locator("#menu")
    expect(menu).to_be_hidden()
    phone.get_by_role("button", name="Menu").focus()
    phone.keyboard.press("Enter")
    expect(menu).to_be_visible()
    menu.locator("summary", has_text="Filtre").click()
    expect(menu.get_by_role("link", name="Filtre web")).to_be_visible()
    menu.get_by_role("link", name="Listes", exact=False).first.click()
    expect(phone.locator("main")).to_be_visible()
    expect(menu).to_be_hidden()
    context.close()
