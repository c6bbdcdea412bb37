"""A version of iPadOS in a real browser: counted, required by a day and hour, and published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect

from cartable.scope import Role
from enrollment.tablets.models import Tablet
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer


def test_a_version_is_counted_required_and_published(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    place = HoursTown(server)
    with server.runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, place.tablet_id).os_version = "26.1"
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/system-updates")
    check_page(page)
    page.get_by_label("Pour qui").select_option(label="École Jules-Verne")
    page.get_by_label("Version d'iPadOS").first.fill("26.2")
    page.get_by_role("button", name="Compter").click()
    expect(page.get_by_role("region", name="Les tablettes et iPadOS 26.2")).to_contain_text("1sont en retard")
    check_page(page)
    page.get_by_label("Au plus tard le").fill(str((server.runtime.clock.now() + timedelta(days=9)).date()))
    page.get_by_role("button", name="Noter, et voir ce que cela change").click()
    expect(page.get_by_role("row", name="iPadOS que les tablettes doivent avoir")).to_contain_text("26.2")
    check_page(page)
    page.get_by_label("Pourquoi ce changement ?").fill("une faille est fermée")
    page.get_by_role("button", name="Publier").click()
    expect(page.get_by_role("status")).to_contain_text("Publié")
    open_chapter(page, "/system-updates")
    page.get_by_label("Pour qui").select_option(label="École Jules-Verne")
    page.get_by_role("button", name="Compter").click()
    expect(page.get_by_role("region", name="Exigé aujourd'hui")).to_contain_text("Au moins iPadOS 26.2")
    check_page(page)
