"""The check page in a real browser: it says in words whether the picture has come, and without script the picture says it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from mdm.console.filters.foreign_hosts import PICTURE_PATH
from tests.browser.accessible import check_page
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server

CHECK_HOST = "check.ville.example"
TABLET = ViewportSize(width=810, height=1080)


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(
        engine, KEYRING, tmp_path / "data", clock, resolver_url="https://dns.ville.example", resolver_check_host=CHECK_HOST
    ) as running:
        yield running


def open_page(browser: Browser, server: LiveServer, *, is_resolved: bool, has_script: bool = True) -> Page:
    """Return the page in a browser whose network knows the check host or not, and gives the server's own answer for it."""
    context = browser.new_context(ignore_https_errors=True, viewport=TABLET, locale="fr-FR", java_script_enabled=has_script)
    page = context.new_page()

    def answer(route: Route) -> None:
        if not is_resolved:
            route.abort("namenotresolved")
            return
        given = context.request.get(server.url + PICTURE_PATH, headers={"Host": CHECK_HOST})
        route.fulfill(status=given.status, headers=given.headers, body=given.body())

    page.route(f"https://{CHECK_HOST}:*/**", answer)
    page.goto(server.url + "/check")
    return page


def test_the_answer_is_said_in_words(browser: Browser, server: LiveServer) -> None:
    page = open_page(browser, server, is_resolved=True)
    expect(page.get_by_role("status")).to_have_text("Oui : le résolveur de la collectivité répond à cette tablette.")
    check_page(page)
    page.context.close()
    page = open_page(browser, server, is_resolved=False)
    expect(page.get_by_role("status")).to_contain_text("Non : le résolveur de la collectivité ne répond pas")
    check_page(page)
    page.context.close()


def test_without_script_the_page_says_what_the_picture_means(browser: Browser, server: LiveServer) -> None:
    page = open_page(browser, server, is_resolved=True, has_script=False)
    expect(page.get_by_text("Si une coche verte apparaît ci-dessus")).to_be_visible()
    page.context.close()
