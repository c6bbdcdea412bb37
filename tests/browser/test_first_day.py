"""The first day in a real browser, without the demonstration: from an empty server to a town with schools, a colleague and a tablet."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from mdm.accounts.operators import ensure_first_account
from simulator import SimulatedTablet
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.support.server import LiveServer

PASSWORD = "une phrase que je retiens"
SCHOOLS = "0922999K École Jules-Verne\n0929001J École Simone-Veil"


def open_first_link(server: LiveServer, browser: Browser, locale: str) -> Page:
    """Open the link that the server prints at its first start, and return the page."""
    with server.runtime.open_unit_of_work() as work:
        link = ensure_first_account(work, None)
    assert link is not None
    page = browser.new_context(ignore_https_errors=True, locale=locale).new_page()
    page.goto(link.url)
    return page


def choose_password(page: Page) -> None:
    page.wait_for_load_state()
    for field in ("#password", "#again"):
        if page.locator(field).count():
            page.fill(field, PASSWORD)
    page.locator("main button").last.click()


@pytest.fixture
def page(server: LiveServer, browser: Browser) -> Page:
    return open_first_link(server, browser, "fr-FR")


def list_done(page: Page) -> set[str]:
    page.wait_for_load_state()
    return {str(each.get_attribute("data-step")) for each in page.locator(".todo .done").all()}


async def enroll(server: LiveServer, code: str) -> None:
    async with SimulatedTablet(server.url, code, ca=server.ca) as tablet:
        await tablet.enrol()


def test_from_an_empty_server_to_a_first_tablet(server: LiveServer, browser: Browser, page: Page) -> None:
    link = page.url
    check_page(page)
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Montrer le mot de passe").click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    choose_password(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Premier jour")
    check_page(page)
    other = browser.new_context(ignore_https_errors=True, locale="fr-FR").new_page()
    other.goto(link)
    expect(other.locator("main")).to_contain_text("déjà")  # the link works once

    page.get_by_label("Nom de la ville").fill("Belleville-sur-Craie")
    page.get_by_label("Zone de vacances").select_option("B")
    page.get_by_label("Numéro de téléphone pour qui la trouve").fill("appelez-moi")
    page.get_by_label("Un code UAI et un nom par ligne").fill(SCHOOLS)
    page.get_by_role("button", name="Créer la ville").click()
    expect(page.get_by_role("alert")).to_contain_text("pas un numéro de téléphone")
    expect(page.get_by_label("Nom de la ville")).to_have_value("Belleville-sur-Craie")
    expect(page.get_by_label("Un code UAI et un nom par ligne")).to_have_value(SCHOOLS)
    page.get_by_label("Numéro de téléphone pour qui la trouve").fill("01 23 45 67 89")
    page.get_by_role("button", name="Créer la ville").click()

    expect(page.get_by_role("heading", name="Premiers jours de Belleville-sur-Craie")).to_be_visible()
    assert list_done(page) == {"schools"}
    check_page(page)
    page.get_by_role("link", name="Cartable", exact=True).click()
    assert list_done(page) == {"schools"}  # it stays on the start page

    page.get_by_role("link", name="Première tablette").click()
    page.get_by_role("button", name="Montrer un code").click()
    check_page(page)
    code = re.search(r"/join/(\S+)", page.locator("main").inner_text())
    assert code is not None
    expect(page.get_by_role("img")).to_have_js_property("complete", True)
    assert page.get_by_role("img").evaluate("image => image.naturalWidth") > 0
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, enroll(server, code[1])).result()
    expect(page.get_by_role("status")).to_contain_text("BEL-00001 est arrivée", timeout=9000)  # the page moved on by itself

    open_chapter(page, "/accounts")
    page.get_by_label("Nom", exact=True).fill("Ana Colle")
    page.locator("#login").fill("ana")
    page.get_by_label("Rôle").select_option("technician")
    page.get_by_role("button", name="Créer le lien").click()
    page.locator("input[name=confirm_password]").fill(PASSWORD)
    page.locator("main button").first.click()
    other.goto(str(page.get_by_label("Lien").input_value()))
    choose_password(other)
    expect(other.get_by_role("heading", level=1)).to_contain_text("Aujourd'hui")
    open_chapter(other, "/")
    expect(other.get_by_role("row", name="BEL-00001")).to_be_visible()
    page.goto(f"{server.url}/start")
    assert list_done(page) == {"schools", "first_tablet", "colleagues"}


def test_the_first_day_in_english(server: LiveServer, browser: Browser) -> None:
    page = open_first_link(server, browser, "en-GB")
    choose_password(page)
    page.get_by_label("Name of the town").fill("Whitby")
    page.get_by_label("A code (UAI) and a name on each line").fill(f"{SCHOOLS}\n0922999X Wrong")
    page.get_by_role("button", name="Make the town").click()
    expect(page.get_by_role("status")).to_have_text("2 schools were created.")
    expect(page.get_by_role("row", name="Wrong")).to_contain_text("the code (UAI) is wrong")
    check_page(page)
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", name="First days of Whitby")).to_be_visible()
    open_chapter(page, "/town")
    page.get_by_label("Name of 0929001J").fill("Abbey School")
    page.get_by_role("row", name="0929001J").get_by_role("button", name="Rename").click()
    expect(page.get_by_label("Name of 0929001J")).to_have_value("Abbey School")
    check_page(page)
    page.get_by_role("row", name="0929001J").get_by_role("button", name="Close").click()
    expect(page.get_by_role("row", name="0929001J")).to_contain_text("closed on")
