"""The web filter in a real browser: what is not enforced is said, and the resolver is chosen, seen in a draft and published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from profiles.filters import service
from profiles.filters.reading import read_lists
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.conftest import KEYRING
from tests.mdm.console.test_hours_pages import HoursTown
from tests.profiles.filters.test_lists import archive
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, resolver_url="https://dns.ville.example") as running:
        yield running


def test_the_resolver_is_chosen_published_and_an_address_tried(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    place = HoursTown(server)
    with server.runtime.open_unit_of_work() as work:
        lists = read_lists(archive({"l/adult/domains": b"adulte.example\n"}).read())
        service.import_lists(work, SYSTEM, place.town_id, lists)
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    page.goto(server.url + "/rules")
    open_chapter(page, "/web-filter")
    check_page(page)
    _try_adult_site(page)
    expect(page.get_by_text("Inapplicable avec ces moyens")).to_be_visible()
    page.get_by_label("Le résolveur de la collectivité").check()
    page.get_by_label("Le résolveur du réseau répond, si le système le permet").check()
    page.get_by_label("Réseaux Wi-Fi qui ont leur propre filtre").fill("ecole")
    page.get_by_role("button", name="Noter dans le brouillon").click()
    check_page(page)
    expect(page.get_by_text("Tous les noms seraient cherchés par un service DNS")).to_be_visible()
    page.get_by_label("Pourquoi ce changement ?").fill("le même filtre à l'école et à la maison")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Publier").click()
    page.fill("#confirm_password", PASSWORD)
    page.click("main button")
    expect(page.locator("main").get_by_role("status")).to_contain_text("Publié")


def _try_adult_site(page: Page) -> None:
    page.get_by_label("Site", exact=True).fill("www.adulte.example")
    page.get_by_label("Mode", exact=True).select_option("home")
    page.get_by_role("button", name="Essayer").click()
    check_page(page)
    expect(page.locator("main").get_by_role("status")).to_contain_text(
        "une catégorie fermée à tous les enfants (pornographie, adult)"
    )
