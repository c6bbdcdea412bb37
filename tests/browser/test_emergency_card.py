"""The emergency card as a child sees it on a tablet: nothing to sign in to, accessible, the same in French and English."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.accessible import check_page
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.mark.parametrize("width", [390, 810])
def test_a_child_reads_the_numbers(browser: Browser, server: LiveServer, width: int) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        world.create_school(town, "École Jules-Verne").phone = "01 23 45 67 89"
        address = f"{server.url}/emergency/{town.id}"
    view = ViewportSize(width=width, height=1080)
    context = browser.new_context(ignore_https_errors=True, viewport=view, locale="fr-FR", java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Tu as besoin d'aide ?")
    for text in ("3018", "119", "École Jules-Verne", "01 23 45 67 89"):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    expect(page.locator("a[href^='http'], form, script")).to_have_count(0)
    context.close()
    context = browser.new_context(ignore_https_errors=True, viewport=view, locale="fr-FR")
    page = context.new_page()
    page.goto(address)
    check_page(page)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You need help?")
    check_page(page)
    context.close()
