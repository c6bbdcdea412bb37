"""The rules in a real browser: a setting found by words, noted, seen and published; and why a tablet has it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import Role
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer


def test_a_setting_is_found_noted_published_and_explained(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    place = HoursTown(server)
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/rules")
    page.get_by_label("Pour qui").select_option(label="École Jules-Verne")
    page.get_by_role("button", name="Choisir").click()
    page.get_by_label("Avec vos mots").fill("capture")
    page.get_by_role("button", name="Chercher").click()
    check_page(page)
    page.get_by_role("link", name="Captures d'écran").first.click()
    check_page(page)
    page.get_by_label("non", exact=True).check()
    page.get_by_role("button", name="Noter dans le brouillon").click()
    expect(page.get_by_role("row", name="Captures d'écran")).to_contain_text("dans le brouillon")
    page.get_by_role("link", name="Voir ce qu'il change").click()
    check_page(page)
    page.get_by_label("Pourquoi ce changement ?").fill("pas de captures à l'école")
    page.get_by_role("button", name="Publier").click()
    expect(page.get_by_role("status")).to_contain_text("Publié")
    check_page(page)
    page.goto(f"{server.url}/tablets/{place.tablet_id}/why?q=capture")
    check_page(page)
    expect(page.get_by_role("row", name="Captures d'écran").first).to_contain_text("école")
