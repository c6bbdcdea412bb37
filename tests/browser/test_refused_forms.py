"""The keyboard after a refusal and after Escape: the focus stands on what a person goes on with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cartable.scope import Role
from mdm.console.frame import SESSION_COOKIE
from tests.browser.accessible import check_page
from tests.browser.desk_world import desk_world
from tests.support.server import LiveServer


@pytest.fixture
def page(server: LiveServer, sign_in: Callable[..., Page]) -> Page:
    page = sign_in(desk_world(server.runtime, size=1).town_id, Role.TOWN_ADMIN, "keys")
    page.wait_for_url("**/today")
    return page


def expect_wrong(page: Page, field: Locator) -> None:
    """See that a field has the focus and is described by the message of the refusal, and by its own hint as before."""
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    message = page.get_by_role("alert").first.inner_text()
    assert message.strip()
    described = [page.locator(f"[id='{each}']").inner_text() for each in str(field.get_attribute("aria-describedby")).split()]
    assert described[0] == message
    check_page(page)


def test_after_a_refused_form_the_focus_is_on_the_first_wrong_field(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/web-filter")
    page.get_by_label("Un site par ligne").fill("ville.example\nce n'est pas un site")
    page.get_by_label("Un site par ligne").locator("xpath=ancestor::form").get_by_role("button").click()
    expect_wrong(page, page.get_by_label("Un site par ligne"))
    expect(page.get_by_label("Un site par ligne")).to_have_value("ville.example\nce n'est pas un site")
    page.goto(f"{server.url}/calendar")
    zone = page.get_by_label("Fuseau horaire", exact=True)
    zone.fill("Mars/Olympus")
    zone.press("Enter")
    expect_wrong(page, zone)
    assert "time-zone-why" in str(zone.get_attribute("aria-describedby")), "the hint is still read"


def test_a_wrong_field_that_is_folded_away_is_unfolded(page: Page, server: LiveServer) -> None:
    page.goto(f"{server.url}/data/duties")
    folded = page.locator("#periods ~ table details").first
    folded.locator("summary").click()
    days = folded.get_by_role("spinbutton")
    days.evaluate("each => { each.removeAttribute('max'); each.value = '36000'; }")
    folded.get_by_role("textbox").fill("Délibération du conseil")
    folded.get_by_role("button").click()
    expect_wrong(page, page.locator("#periods ~ table details").first.get_by_role("spinbutton"))


def test_without_scripts_the_focus_is_on_the_message(page: Page, server: LiveServer, browser: Browser) -> None:
    plain = open_like(page, server, browser, java_script_enabled=False)
    plain.goto(f"{server.url}/calendar")
    plain.get_by_label("Fuseau horaire", exact=True).fill("Mars/Olympus")
    plain.get_by_label("Fuseau horaire", exact=True).press("Enter")
    expect(plain.get_by_role("alert")).to_be_focused()


def test_escape_closes_the_menu_of_a_phone_level_by_level_and_gives_the_focus_back(
    page: Page, server: LiveServer, browser: Browser
) -> None:
    phone = open_like(page, server, browser, viewport={"width": 390, "height": 844})
    phone.goto(f"{server.url}/today")
    button, menu = phone.get_by_role("button", name="Menu"), phone.locator("#menu")
    button.focus()
    phone.keyboard.press("Enter")
    expect(menu).to_be_visible()
    group = menu.locator("summary", has_text="Filtre")
    group.focus()
    phone.keyboard.press("Enter")
    link = menu.get_by_role("link", name="Filtre web")
    expect(link).to_be_visible()
    link.focus()
    phone.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(group).to_be_focused()
    phone.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()


def test_escape_closes_the_suggestions_and_the_focus_stays_in_the_search(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("calendrier", delay=20)
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page.locator("#find")).to_be_focused()
    expect(page.locator("#find")).to_have_attribute("aria-expanded", "false")


def open_like(page: Page, server: LiveServer, browser: Browser, **options: object) -> Page:
    """Open another window of the same person."""
    [cookie] = [each for each in page.context.cookies() if each.get("name") == SESSION_COOKIE]
    context = browser.new_context(ignore_https_errors=True, locale="fr-FR", **options)  # type: ignore[arg-type]
    context.add_cookies([{"name": SESSION_COOKIE, "value": str(cookie.get("value")), "url": server.url}])
    return context.new_page()
