"""From an invitation to a signed-in administrator with a second factor, in a real browser, with a real (virtual) authenticator."""

from __future__ import annotations

from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from cartable.settings import SecondFactorPolicy
from mdm.accounts import links, totp
from tests.browser.accessible import check_page
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, second_factor=SecondFactorPolicy.REQUIRED) as running:
        yield running


def _invite(server: LiveServer, role: Role = Role.TOWN_ADMIN) -> tuple[UUID, str]:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        link = links.invite(work, SYSTEM, login="ana", display_name="Ana Colle", role=role, town_id=town.id)
        return town.id, link.url


def _choose_password(page: Page, url: str) -> None:
    page.goto(url)
    check_page(page)
    page.fill("#password", PASSWORD)
    page.locator("main button").last.click()


def _sign_in(page: Page, server: LiveServer) -> None:
    page.goto(server.url + "/")
    page.fill("#login", "ana")
    page.fill("#password", PASSWORD)
    page.click("main button")


def _add_authenticator(context: BrowserContext, page: Page) -> None:
    """Give the browser an authenticator that agrees to everything, as Chromium's own tools do."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_invitation_password_app_signed_in_and_out_for_good_in_french(
    server: LiveServer, browser: Browser, clock: ManualClock
) -> None:
    _, url = _invite(server)
    context = browser.new_context(locale="fr-FR")
    page = context.new_page()
    _choose_password(page, url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Mon compte")
    expect(page.get_by_role("status")).to_contain_text("second facteur")
    check_page(page)
    page.goto(server.url + "/accounts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mon compte")
    page.get_by_role("button", name="Configurer une application").click()
    check_page(page)
    secret = b32decode(page.locator("main code").inner_text().replace(" ", ""))
    page.fill("#code", "000000")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("#code", totp.compute_code(secret, totp.get_step(clock.now())))
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Codes de secours")
    recovery_code = page.locator(".codes code").first.inner_text()
    page.get_by_role("link", name="Je les ai conservés").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Comptes de")  # what they wanted to see before
    cookie = next(each for each in context.cookies() if each["name"] == "cartable")
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.locator("#login")).to_be_visible()
    context.add_cookies([{"name": "cartable", "value": cookie["value"], "url": server.url}])
    page.goto(server.url + "/accounts")
    expect(page.locator("#login")).to_be_visible()
    for code in (totp.compute_code(secret, totp.get_step(clock.now()) + 1), recovery_code):
        _sign_in(page, server)
        expect(page.get_by_role("heading", level=1)).to_have_text("Second facteur")
        check_page(page)
        page.goto(server.url + "/accounts")
        expect(page.get_by_role("heading", level=1)).to_have_text("Second facteur")
        page.fill("#code", code)
        page.click("main button")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Comptes de")
        page.get_by_role("button", name="Se déconnecter").click()


def test_a_passkey_is_made_signs_in_and_confirms_dangerous_acts_in_english(
    server: LiveServer, browser: Browser, clock: ManualClock
) -> None:
    town_id, url = _invite(server)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    _add_authenticator(context, page)
    _choose_password(page, url)
    page.get_by_role("button", name="Add a passkey").click()
    check_page(page)
    page.fill("#name", "Office computer")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.goto(server.url + "/me")
    expect(page.get_by_role("button", name="Remove Office computer")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    _sign_in(page, server)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
    page.goto(f"{server.url}/accounts?town_id={town_id}")
    page.fill("#display_name", "Colleague")
    page.fill("#login", "colleague")
    page.locator("#role").select_option("helpdesk")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password, once more")
    check_page(page)
    page.fill("#confirm_password", PASSWORD)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A link for Colleague")
    clock.advance(timedelta(minutes=11))
    page.goto(server.url + "/me")
    page.get_by_role("button", name="Remove Office computer").click()
    page.fill("#confirm_password", PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("code of your app")


def test_whoever_only_helps_signs_in_by_the_password_alone(server: LiveServer, browser: Browser) -> None:
    _, url = _invite(server, Role.HELPDESK)
    page = browser.new_context(locale="fr-FR").new_page()
    _choose_password(page, url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Aujourd'hui")
    page.get_by_role("button", name="Se déconnecter").click()
    page.goto(url)
    expect(page.get_by_role("alert")).to_contain_text("a déjà servi")
