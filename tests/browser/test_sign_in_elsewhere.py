"""Signing in at an organisation's own provider, in a real browser, from the settings of the administrator to the signed-in colleague."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import Role
from tests.browser.accessible import check_page
from tests.browser.hands import find_chapter, open_chapter
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD
from tests.support.identity_provider import start_identity_provider
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def issuer() -> Iterator[str]:
    with start_identity_provider() as running:
        yield running


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, allow_private_addresses=True) as running:
        yield running


def _confirm(page: Page) -> None:
    page.fill("#confirm_password", PASSWORD)
    page.click("form:has(#confirm_password) > button:not([type])")


def _enter_at_provider(page: Page, subject: str) -> None:
    page.fill("input[name=sub]", subject)
    page.get_by_role("button", name="Authorize").click()


def test_a_colleague_signs_in_at_the_provider_of_the_town(
    server: LiveServer, browser: Browser, sign_in: Callable[..., Page], issuer: str
) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    admin = sign_in(town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(admin, "/identity-providers")
    check_page(admin)
    for field, value in (("name", "Ville"), ("issuer", issuer), ("client_id", "cartable"), ("client_secret", "a secret")):
        admin.fill(f"#{field}", value)
    admin.get_by_role("button", name="Valider").click()
    _confirm(admin)
    expect(admin.get_by_role("heading", name="Ville", level=2)).to_be_visible()
    assert "a secret" not in admin.content()
    admin.get_by_label("Groupe", exact=True).fill("desk")
    admin.get_by_label("Rôle", exact=True).select_option("helpdesk")
    admin.get_by_role("button", name="Donner le rôle au groupe").click()
    admin.get_by_role("button", name="Vérifier qu'il répond").click()
    expect(admin.get_by_role("status")).to_contain_text("répond")
    check_page(admin)

    page = browser.new_context(ignore_https_errors=True, locale="en-GB").new_page()
    page.goto(server.url + "/sessions")
    page.get_by_role("link", name="Sign in with your organisation").click()
    check_page(page)
    page.get_by_role("link", name="Ville").click()
    _enter_at_provider(page, "bob")
    expect(page.get_by_role("alert")).to_contain_text("in no group that has a role")
    check_page(page)
    page.get_by_role("link", name="Begin again").click()
    page.get_by_role("link", name="Ville").click()
    _enter_at_provider(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
    expect(page.get_by_role("link", name="Ada Byron")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(server.url + "/sessions")
    expect(page.locator("#login")).to_be_visible()

    admin.goto(server.url + "/me")
    admin.get_by_role("button", name="Lier à Ville").click()
    _enter_at_provider(admin, "carol")
    expect(admin.get_by_text("lié", exact=True)).to_be_visible()
    admin.get_by_role("button", name="Se déconnecter").click()
    admin.goto(server.url + "/sign-in/organisation")
    admin.get_by_role("link", name="Ville").click()
    _enter_at_provider(admin, "carol")
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Aujourd'hui")
    expect(find_chapter(admin, "/accounts")).to_be_attached()
