"""The first weeks of a town, by the browser alone: from its first list of pupils to a lost tablet, a return and the audit trail.

The town is the one that the way in makes, the tablets are simulated, and each main act takes five clicks at most; or, by the keyboard alone,
five times Enter, on what Tab reaches and shows.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from enrollment.tablets.models import Tablet
from mdm.accounts import totp
from mdm.reconcile.rollouts import watch_rollouts
from profiles.policy.kinds import VersionState
from profiles.policy.models import PolicyVersion
from simulator import SimulatedTablet
from tests.browser.accessible import check_page
from tests.browser.hands import Hand, Keyboard, Pointer
from tests.browser.pictures import take_picture
from tests.browser.test_first_day import PASSWORD, choose_password, open_first_link
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support import sampling
from tests.support.server import LiveServer

ROSTER = text_file(
    ONDE, *(onde_line(last, first, ine=f"{number:010d}A", grade="CE2", label="CE2 A") for number, (last, first) in enumerate(
        [("ABRICOTIER", "Adèle"), ("BELLETOILE", "Basile"), ("CRAIEBLEUE", "Célestine")]))
)  # fmt: skip


class Fleet:
    """Simulated tablets that live in a thread of their own, because the browser's thread runs an event loop."""

    def __init__(self, server: LiveServer) -> None:
        self.server, self.tablets = server, dict[str, SimulatedTablet]()
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1)

    def enroll(self, code: str) -> SimulatedTablet:
        tablet = SimulatedTablet(self.server.url, code, ca=self.server.ca)
        self._run(tablet.enrol())
        self.tablets[tablet.serial] = tablet
        return tablet

    def talk(self, rounds: int = 3) -> None:
        """Let the worker and every tablet do what they have to."""
        for _ in range(rounds):
            self.server.run_worker()
            for tablet in self.tablets.values():
                if not tablet.is_erased:
                    self._run(tablet.poll())
        self.server.run_worker()

    def watch_rollouts(self) -> str:
        """Let the worker look at roll-outs, as it does each minute: it chooses a first tablet. Returns the tag of it."""
        with self.server.runtime.open_unit_of_work() as work:
            watch_rollouts(work)
            version = work.session.scalars(select(PolicyVersion).where(PolicyVersion.state == VersionState.ROLLING)).one()
            return work.session.get_one(Tablet, version.stage_target).tag

    def close(self) -> None:
        for tablet in self.tablets.values():
            self._run(tablet.close())
        self._thread.shutdown()
        self._loop.close()

    def _run(self, work: object) -> None:
        self._thread.submit(self._loop.run_until_complete, work).result()  # type: ignore[arg-type]


KINDS: tuple[type[Pointer | Keyboard], ...] = (Pointer, Keyboard)
#: Both under `make test-all`, otherwise the one and the other day by day.
HANDS = [kind for turn, kind in enumerate(KINDS) if sampling.is_turn(turn, 2)]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", HANDS)
def test_the_first_weeks_of_a_town(server: LiveServer, browser: Browser, kind: type[Pointer | Keyboard]) -> None:
    hand = kind(open_first_link(server, browser, "fr-FR"), PASSWORD)
    fleet = Fleet(server)
    try:
        _live_through(server, browser, hand, fleet)
    finally:
        fleet.close()


def _live_through(server: LiveServer, browser: Browser, hand: Hand, fleet: Fleet) -> None:
    _make_town(hand)
    _import_roster(hand)
    _set_hours(hand)
    tags = _lend_tablets(hand, fleet)
    _give_bundle(hand, fleet)
    _deny_site(hand, fleet)
    _lose_and_find(hand, fleet, tags[0])
    _clear_passcode(hand, fleet, tags[1])
    _return_and_lend_again(hand, fleet, tags[2])
    _invite_colleague(hand, browser, server)
    _read_what_was_done(hand)


def _make_town(hand: Hand) -> None:
    page = hand.page
    hand.begin("choose a password")
    hand.fill(page.locator("#password"), PASSWORD)
    hand.activate(page.locator("main button").last)
    hand.begin("make the town")
    hand.fill(page.get_by_label("Nom de la ville"), "Belleville-sur-Craie")
    hand.fill(page.get_by_label("Numéro de téléphone pour qui la trouve"), "01 23 45 67 89")
    hand.fill(page.get_by_label("Un code UAI et un nom par ligne"), "0922999K École Jules-Verne")
    hand.button("Créer la ville")
    expect(page.get_by_role("heading", name="Premiers jours de Belleville-sur-Craie")).to_be_visible()
    take_picture(page, "console-first-day")


def _import_roster(hand: Hand) -> None:
    hand.begin("import a roster")
    hand.open_chapter("/rosters")
    roster = {"name": "CSVExtraction.csv", "mimeType": "text/csv", "buffer": ROSTER}
    hand.attach(hand.page.get_by_label("Fichier", exact=True), roster)
    hand.button("Voir l'aperçu")
    take_picture(hand.page, "console-roster")
    hand.button("Confirmer l'import")
    hand.expect_status("L'import est confirmé.")


def _set_hours(hand: Hand) -> None:
    hand.begin("set the hours")
    hand.open_chapter("/hours")
    for day in ("Lundi", "Mardi", "Jeudi", "Vendredi"):
        hand.fill(hand.page.get_by_label(f"{day}, École"), "08:30-11:30, 13:30-16:30")
    hand.fill(hand.page.get_by_label("Repos de nuit de"), "20:00")
    hand.fill(hand.page.get_by_label("à", exact=True), "07:00")
    hand.button("Voir l'aperçu")
    take_picture(hand.page, "console-hours", both=False)
    hand.button("Enregistrer les horaires")
    expect(hand.page.get_by_role("img", name="08:30-11:30 école").first).to_be_visible()


def _lend_tablets(hand: Hand, fleet: Fleet) -> list[str]:
    """Let three tablets join by the code on the screen, and hand them to the class. Returns their tags."""
    page = hand.page
    hand.begin("show a code")
    hand.page.goto(f"{fleet.server.url}/start/tablet")
    hand.button("Montrer un code")
    code = re.search(r"/join/(\S+)", page.locator("main").inner_text())
    assert code is not None
    for _ in range(3):
        fleet.enroll(code[1])
    fleet.talk()
    hand.begin("hand over a class")
    hand.open_chapter("/desk")
    hand.activate(page.locator("a[href*='handover?class=']").first)
    tags = []
    for number, serial in enumerate(fleet.tablets):
        hand.begin("hand over to a child")
        _scan(page, serial)
        hand.activate(page.locator("#ask button[value=signed_now]"))
        expect(page.locator("#progress")).to_have_text(f"{number + 1} sur 3")
    expect(page.locator("#pupils tr[data-state=held]")).to_have_count(3)  # the progress counts what is still to be sent, too
    take_picture(page, "desk-handover")
    page.goto(fleet.server.url)
    tags = re.findall(r"BEL-\d{5}", page.locator("table").inner_text())
    fleet.talk()
    return tags


def _scan(page: Page, text: str) -> None:
    """Scan as a hand scanner does, once the page's script listens."""
    expect(page.locator("#scan-form.scripted")).to_have_count(1)
    expect(page.locator("#scan")).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def _give_bundle(hand: Hand, fleet: Fleet) -> None:
    page = hand.page
    hand.begin("make a bundle")
    hand.open_chapter("/apps")
    hand.fill(page.get_by_label("Nom", exact=True).last, "Mathador")
    hand.fill(page.get_by_label("Identifiant de l'application"), "fr.mathador.classe")
    hand.fill(page.get_by_label("Page ou numéro dans l'App Store"), "4711")
    hand.button("Ajouter l'application")
    hand.fill(page.get_by_label("Licences de Mathador que possède la ville"), "1")
    hand.button("Enregistrer")
    hand.fill(page.locator("#bundle-name"), "Calcul")
    hand.check(page.locator("label").filter(has_text="Mathador").locator("input"))
    hand.button("Créer le bouquet")
    hand.begin("give CE2 the bundle")
    hand.open_chapter("/apps")
    hand.activate(hand.page.get_by_role("link", name="Calcul, CE2"))
    hand.check(page.get_by_label("Publier bien que des licences manquent"))
    hand.button("Publier")
    hand.expect_status("Le bouquet est donné")
    fleet.talk()
    page.reload()
    short = page.get_by_role("row", name="pas de licence libre")
    for _ in range(8):  # a tablet that was just given its licence may be told after the others
        if short.count() == 2:
            break
        fleet.talk(1)
        page.reload()
    assert short.count() == 2, page.locator("main").inner_text()
    check_page(page)
    take_picture(page, "console-bundle")
    page.goto(f"{fleet.server.url}/apps")
    take_picture(page, "console-apps")


def _deny_site(hand: Hand, fleet: Fleet) -> None:
    page = hand.page
    hand.begin("deny a site")
    hand.search("sites interdits")
    hand.link("Sites interdits")
    hand.fill(page.locator("#value"), "jeux.example")
    hand.button("Noter dans le brouillon")
    hand.link("Voir ce qu'il change")
    take_picture(page, "console-rules")
    hand.fill(page.get_by_label("Pourquoi ce changement ?"), "demande des directeurs")
    hand.activate(page.get_by_role("button", name="Publier").first)
    hand.expect_status("Publié")
    tag = fleet.watch_rollouts()
    fleet.talk()
    hand.begin("see why a site is closed")
    _open_tablet(hand, tag)
    hand.link("Règles et pourquoi")
    hand.fill(page.get_by_label("Site"), "www.jeux.example")
    hand.button("Essayer")
    hand.expect_status("bloqué : un site interdit (jeux.example)")
    take_picture(page, "console-why")


def _open_tablet(hand: Hand, tag: str) -> None:
    hand.page.goto("/".join(hand.page.url.split("/")[:3]) + f"/?q={tag}")
    hand.link(tag)


def _lose_and_find(hand: Hand, fleet: Fleet, tag: str) -> None:
    page = hand.page
    hand.begin("mark as lost")
    _open_tablet(hand, tag)
    hand.fill(page.get_by_label("Qui l'a signalée, où, quand ?"), "oubliée dans le bus, mardi soir")
    hand.button("Marquer perdue")
    fleet.talk(1)
    expect(page.get_by_role("heading", level=1)).to_contain_text("perdue")
    page.reload()
    assert [tablet.lost_mode is not None for tablet in fleet.tablets.values()].count(True) == 1
    take_picture(page, "console-lost")
    hand.begin("find it again")
    hand.fill(page.get_by_label("Comment a-t-elle été retrouvée ?"), "rapportée à la mairie")
    hand.check(page.get_by_label("J'ai rappelé la famille"))
    hand.button("Lever le mode perdu")
    fleet.talk(1)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("en service")
    take_picture(page, "console-tablet")


def _clear_passcode(hand: Hand, fleet: Fleet, tag: str) -> None:
    hand.begin("clear a passcode")
    _open_tablet(hand, tag)
    hand.unfold("Effacer le code")
    hand.button("Effacer le code")
    fleet.talk(1)
    hand.page.reload()
    expect(hand.page.locator(".timeline")).to_contain_text("effacer le code (ClearPasscode) : accepté par la tablette")


def _return_and_lend_again(hand: Hand, fleet: Fleet, tag: str) -> None:
    page = hand.page
    hand.begin("take a tablet back")
    hand.open_chapter("/desk")
    hand.link("Reprendre")
    _scan(page, tag)
    expect(page.locator("#result")).to_contain_text(tag)
    expect(page.locator("#today-count")).to_have_text("1")
    hand.begin("lend it again")
    hand.link("Préparer")
    _scan(page, tag)
    expect(page.locator("#result")).to_contain_text("prête")
    hand.link("Belleville-sur-Craie")
    hand.activate(page.locator("a[href*='handover?class=']").first)
    _scan(page, tag)
    hand.activate(page.locator("#ask button[value=was_signed]"))
    expect(page.locator("#progress")).to_have_text("3 sur 3")


def _invite_colleague(hand: Hand, browser: Browser, server: LiveServer) -> None:
    page = hand.page
    hand.begin("invite a colleague")
    hand.open_chapter("/accounts")
    hand.fill(page.get_by_label("Nom", exact=True), "Ana Colle")
    hand.fill(page.locator("#login"), "ana")
    hand.choose(page.get_by_label("Rôle"), "town_admin")
    hand.button("Créer le lien")
    link = str(page.get_by_label("Lien").input_value())
    colleague = browser.new_context(ignore_https_errors=True, locale="fr-FR").new_page()
    colleague.goto(link)
    choose_password(colleague)
    colleague.goto("/".join(link.split("/")[:3]) + "/me")
    colleague_hand = type(hand)(colleague, PASSWORD)
    colleague_hand.begin("add a second factor")
    colleague_hand.button("Configurer une application")
    secret = b32decode(colleague.locator("main code").inner_text().replace(" ", ""))
    take_picture(colleague, "console-second-factor", both=False)
    colleague_hand.fill(colleague.locator("#code"), totp.compute_code(secret, totp.get_step(server.runtime.clock.now())))
    colleague_hand.button("Enregistrer")
    expect(colleague.get_by_role("heading", level=1)).to_have_text("Codes de secours")


def _read_what_was_done(hand: Hand) -> None:
    page = hand.page
    hand.begin("export the inventory")
    hand.open_chapter("/")
    take_picture(page, "console-tablets")
    with page.expect_download() as downloading:
        hand.link("En tableur, sans les noms")
    assert Path(downloading.value.path()).read_bytes().startswith(b"PK")
    hand.begin("read the audit trail")
    hand.open_chapter("/audit")
    hand.fill(page.get_by_label("Acte, par exemple tablet.erase"), "tablet.mark_lost")
    hand.button("Chercher")
    expect(page.get_by_role("row").filter(has_text="tablet.mark_lost").first).to_be_visible()
    take_picture(page, "console-audit")
