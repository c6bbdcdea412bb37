"""The whole way in, as people walk it in a browser: from an empty server, without the demonstration, to a town at work.

A second administrator comes by a mail, a third by the organisation's own sign-in, both with a second factor; a technician comes for a mission;
a teacher holds the first enrolled tablet; and an alarm lies in a mailbox. Provider, mail server and tablet are programs of their own.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b32decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.settings import SecondFactorPolicy
from mdm.accounts import totp
from mdm.accounts.operators import ensure_first_account
from mdm.worker.drains import drain
from simulator import SimulatedTablet
from tests.browser.accessible import check_page
from tests.conftest import KEYRING
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.identity_provider import start_identity_provider
from tests.support.mail_server import LOGIN, Mailbox, start_mail_server
from tests.support.mail_server import PASSWORD as MAIL_PASSWORD
from tests.support.server import LiveServer, start_live_server

PASSWORD = "une phrase que je retiens"
#: The longest that the clocks of the server and of the identity provider may differ bounds how often the clock is moved before.
STEP = timedelta(seconds=30)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(tmp_path / "chain.pem", append=True)
    with start_mail_server(tmp_path / "chain.pem", tmp_path / "key.pem") as running:
        yield running


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock, mailbox: Mailbox) -> Iterator[LiveServer]:
    options: dict[str, Any] = {
        "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_user": LOGIN, "smtp_password": MAIL_PASSWORD,
        "smtp_ca": tmp_path / "ca.pem", "mail_from": "Cartable <cartable@belleville.example>", "allow_private_addresses": True,
    }  # fmt: skip
    with start_live_server(
        engine, KEYRING, tmp_path / "data", clock, second_factor=SecondFactorPolicy.REQUIRED, **options
    ) as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[str]:
    with start_identity_provider() as running:
        yield running


class Colleague:
    """A person in front of a browser of their own, with an app for codes once it is set up."""

    def __init__(self, server: LiveServer, browser: Browser, clock: ManualClock) -> None:
        self.server, self.clock = server, clock
        self.page: Page = browser.new_context(ignore_https_errors=True, locale="fr-FR").new_page()
        self.page.set_default_timeout(15_000)
        self.secret = b""

    def choose_password(self, url: str) -> None:
        self.page.goto(url)
        self.page.fill("#password", PASSWORD)
        if self.page.locator("#again").count():
            self.page.fill("#again", PASSWORD)
        self.page.locator("main button").last.click()

    def compute_code(self) -> str:
        """The next code of the app: each is good once."""
        self.clock.advance(STEP)
        return totp.compute_code(self.secret, totp.get_step(self.clock.now()))

    def set_up_app(self) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Mon compte")
        self.page.get_by_role("button", name="Configurer une application").click()
        self.confirm()
        self.secret = b32decode(self.page.locator("main code").inner_text().replace(" ", ""))
        self.page.fill("#code", self.compute_code())
        self.page.get_by_role("button", name="Enregistrer").click()
        self.page.get_by_role("link", name="Je les ai conservés").click()

    def confirm(self) -> None:
        """Give password and code once more, where they are asked for."""
        self.page.wait_for_load_state()
        if self.page.locator("#confirm_password").count():
            self.page.fill("#confirm_password", PASSWORD)
            if self.secret:
                self.page.fill("#confirm_code", self.compute_code())
            self.page.locator("form:has(#confirm_password) > button:not([type])").click()

    def open(self, path: str) -> None:
        self.page.goto(self.server.url + path)

    def invite(self, name: str, login: str, role: str, **choices: str) -> str:
        """Invite somebody on the page of accounts, and return the link."""
        self.open("/accounts")
        self.page.get_by_label("Nom", exact=True).fill(name)
        self.page.locator("#login").fill(login)
        self.page.locator("#role").select_option(role)
        for field, label in choices.items():
            self.page.locator(f"#{field}").select_option(label=label)
        self.page.get_by_role("button", name="Créer le lien").click()
        self.confirm()
        return str(self.page.get_by_label("Lien").input_value())


async def _enroll(server: LiveServer, code: str) -> None:
    async with SimulatedTablet(server.url, code, ca=server.ca) as tablet:
        await tablet.enrol()


def test_from_nothing_to_a_town_at_work(
    server: LiveServer, browser: Browser, clock: ManualClock, mailbox: Mailbox, issuer: str
) -> None:
    founder = _found_town(server, browser, clock)
    _let_colleague_in_by_organisation(founder, browser, issuer)
    _let_colleague_in_by_mail(founder, browser, mailbox)
    _call_technician(founder, browser)
    _import_roster(founder)
    _give_teacher_a_tablet(founder, browser)
    _read_alarm(founder, mailbox)
    founder.open("/start")
    done = {str(each.get_attribute("data-step")) for each in founder.page.locator(".todo .done").all()}
    assert done >= {"schools", "roster", "first_tablet", "colleagues"}


def _found_town(server: LiveServer, browser: Browser, clock: ManualClock) -> Colleague:
    with server.runtime.open_unit_of_work() as work:
        link = ensure_first_account(work, None)
    assert link is not None
    founder = Colleague(server, browser, clock)
    founder.choose_password(link.url)
    expect(founder.page.get_by_role("heading", level=1)).to_have_text("Premier jour")
    founder.open("/me")
    founder.set_up_app()
    founder.open("/me")
    founder.page.fill("#email", "claire@belleville.example")
    founder.page.locator("form[action='/me/notices'] button").click()
    founder.open("/start")
    founder.page.get_by_label("Nom de la ville").fill("Belleville-sur-Craie")
    founder.page.get_by_label("Numéro de téléphone pour qui la trouve").fill("01 23 45 67 89")
    founder.page.get_by_label("Un code UAI et un nom par ligne").fill("0922999K École Jules-Verne\n0929001J École Simone-Veil")
    founder.page.get_by_role("button", name="Créer la ville").click()
    expect(founder.page.get_by_role("heading", name="Premiers jours de Belleville-sur-Craie")).to_be_visible()
    return founder


def _let_colleague_in_by_organisation(founder: Colleague, browser: Browser, issuer: str) -> None:
    """Ada comes from the organisation's own sign-in, is an administrator by her group, and sets up her second factor first."""
    founder.open("/identity-providers")
    for field, value in (("name", "Ville"), ("issuer", issuer), ("client_id", "cartable"), ("client_secret", "a secret")):
        founder.page.fill(f"#{field}", value)
    founder.page.get_by_role("button", name="Valider").click()
    founder.confirm()
    founder.page.get_by_label("Groupe", exact=True).fill("desk")
    founder.page.get_by_label("Rôle", exact=True).select_option("town_admin")
    founder.page.get_by_role("button", name="Donner le rôle au groupe").click()
    ada = Colleague(founder.server, browser, founder.clock)
    ada.open("/sessions")
    ada.page.get_by_role("link", name="Se connecter par votre organisation").click()
    ada.page.get_by_role("link", name="Ville").click()
    ada.page.fill("input[name=sub]", "ada")
    ada.page.get_by_role("button", name="Authorize").click()
    ada.set_up_app()
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Mes connexions")  # what she came for
    expect(ada.page.get_by_role("link", name="Ada Byron")).to_be_visible()


def _let_colleague_in_by_mail(founder: Colleague, browser: Browser, mailbox: Mailbox) -> None:
    """Bea reads her mail, opens the link, chooses a password and sets up her second factor."""
    founder.invite("Béa Roy", "bea@belleville.example", "town_admin")
    check_page(founder.page)
    expect(founder.page.get_by_text("bea@belleville.example")).to_be_visible()
    drain(founder.server.runtime, Topic.ACCOUNT_LINK)
    [mail] = [each for each in mailbox.mails if each["To"] == "bea@belleville.example"]
    link = re.search(r"https?://\S+/welcome/\S+", mail.get_content())
    assert link
    bea = Colleague(founder.server, browser, founder.clock)
    bea.choose_password(link[0])
    bea.set_up_app()
    bea.open("/accounts")
    expect(bea.page.get_by_role("heading", level=1)).to_contain_text("Comptes de")


def _call_technician(founder: Colleague, browser: Browser) -> None:
    """The founder operates the server too: enters a technician of several towns, and calls her for today."""
    founder.open("/towns")
    check_page(founder.page)
    founder.page.fill("#technician-name", "Théa Tech")
    founder.page.fill("#technician-login", "thea")
    founder.page.get_by_role("button", name="Enregistrer le technicien").click()
    founder.confirm()
    link = str(founder.page.get_by_label("Lien").input_value())
    thea = Colleague(founder.server, browser, founder.clock)
    thea.choose_password(link)
    thea.open("/desk")
    expect(thea.page.get_by_text("Belleville-sur-Craie")).to_have_count(0)
    founder.open("/missions")
    founder.page.fill("#login", "thea")
    today = founder.clock.now().astimezone(ZoneInfo("Europe/Paris")).date().isoformat()
    founder.page.fill("#first_day", today)
    founder.page.fill("#last_day", today)
    founder.page.fill("#reason", "mise en service")
    founder.page.get_by_role("button", name="Appeler").click()
    founder.confirm()
    expect(founder.page.get_by_role("row", name="Théa Tech")).to_be_visible()
    check_page(founder.page)
    thea.open("/desk")
    expect(thea.page.get_by_text("Belleville-sur-Craie").first).to_be_visible()


def _import_roster(founder: Colleague) -> None:
    founder.open("/rosters")
    content = text_file(ONDE, onde_line("MARTIN", "Zoé"), onde_line("ROUX", "Basile"))
    founder.page.locator("#school").select_option("0922999K")
    roster = {"name": "CSVExtraction.csv", "mimeType": "text/csv", "buffer": content}
    founder.page.get_by_label("Fichier", exact=True).set_input_files(roster)  # type: ignore[arg-type]
    founder.page.get_by_role("button", name="Voir l'aperçu").click()
    founder.page.get_by_role("button", name="Confirmer l'import").click()
    founder.confirm()
    expect(founder.page.get_by_role("status")).to_have_text("L'import est confirmé.")


def _give_teacher_a_tablet(founder: Colleague, browser: Browser) -> None:
    """Paule signs in for her class, and holds the first tablet: it enrolls with the code that is shown for her."""
    founder.open("/accounts")
    label = founder.page.locator("#class_id option").nth(1).inner_text()
    link = founder.invite("Paule Durand", "paule", "teacher", class_id=label)
    paule = Colleague(founder.server, browser, founder.clock)
    paule.choose_password(link)
    expect(paule.page.get_by_role("heading", level=1)).to_have_text(label)
    expect(paule.page.get_by_role("rowheader", name="Zoé M.")).to_be_visible()
    founder.open("/staff")
    founder.page.fill("#last_name", "Durand")
    founder.page.fill("#first_name", "Paule")
    founder.page.locator("#kind").select_option("main")
    founder.page.get_by_role("button", name="Valider").click()
    row = founder.page.get_by_role("row", name="Paule")
    row.locator("summary").click()
    row.get_by_role("button", name="Montrer un code").click()
    founder.page.wait_for_load_state()
    code = re.search(r"/join/(\S+)", founder.page.locator("main").inner_text())
    assert code is not None
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _enroll(founder.server, code[1])).result()
    founder.server.run_worker()
    founder.open("/staff")
    expect(founder.page.get_by_role("row", name="Paule").get_by_role("link", name="BEL-00001")).to_be_visible()


def _read_alarm(founder: Colleague, mailbox: Mailbox) -> None:
    """That administrators were made has rung, in a mail that names nobody."""
    drain(founder.server.runtime, Topic.ALARM)
    drain(founder.server.runtime, Topic.NOTICE)
    mails = [each for each in mailbox.mails if each["To"] == "claire@belleville.example"]
    assert any("administrateur" in str(mail["Subject"]) for mail in mails), [str(mail["Subject"]) for mail in mails]
    assert "Béa" not in "".join(mail.get_content() for mail in mails)
