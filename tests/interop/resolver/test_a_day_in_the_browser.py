"""The day of a class whose filter people set in a browser: tablets reach through the real resolver what the pages of the console say.

The tablets' own half, without people, is in `test_a_day_of_tablets`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from cartable.clock import ManualClock
from cartable.scope import Role
from enrollment.tablets.repository import TabletRepository
from tests.browser.accessible import check_page
from tests.browser.conftest import create_person, started_browser
from tests.interop.resolver.test_a_day_of_tablets import ResolvedDay, clock, server
from tests.stories.test_web_filter_day import NAMES, SYSTEMS
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer

__all__ = ["clock", "server", "started_browser"]
#: What the rules want of a name, and the tablet does.
_OPEN, _CLOSED = "ouvert", "bloqué"


class BrowserDay(ResolvedDay):
    """A day on which people act in a browser. The tablets live in a loop of their own: the browser has that of this thread."""

    def __init__(self, server: LiveServer, clock: ManualClock, browser: Browser) -> None:
        super().__init__(server, clock)
        self.browser = browser
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        create_person(server, self.town.id, Role.TOWN_ADMIN, "mairie")
        create_person(server, self.town.id, Role.HEAD, "directrice", self.school.id)

    def run(self, act: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(act, self.loop).result(200)

    def stop(self) -> None:
        """Close the tablets and end their loop."""
        self.run(self.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    @contextmanager
    def sign_in(self, login: str) -> Iterator[Page]:
        """Sign a person in by the form: the hours that pass end every session."""
        context = self.browser.new_context(ignore_https_errors=True, locale="fr-FR")
        page = context.new_page()
        page.goto(self.server.url + "/sign-in")
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.click("main button")
        yield page
        context.close()

    def find_address(self, name: str) -> str:
        """Return the address of a tablet's page."""
        with self.server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(self.tablets[name].serial)
            assert row is not None
            return f"{self.server.url}/tablets/{row.id}"

    def assert_all_say(self, opened: dict[str, set[str]]) -> None:
        """Assert that the resolver opens these names to each tablet, that its page has the same words, and that no adult name is open."""
        for name, names in opened.items():
            assert self.list_open(name) == names, name
            assert "adulte.example" not in names
        with self.sign_in("mairie") as page:
            for name, names in opened.items():
                tried = NAMES if name == "declared" else ("adulte.example", "lecon.example")
                for host in tried:
                    page.goto(f"{self.find_address(name)}/why?host={host}")
                    word = _OPEN if host in names else _CLOSED
                    expect(page.locator("main").get_by_role("status").locator("strong")).to_have_text(word)
                page.goto(self.find_address(name))
                expect(page.get_by_text("Filtre web prouvé")).to_be_visible()
                expect(page.get_by_text("résolveur de la collectivité").first).to_be_visible()

    def choose_resolver(self) -> None:
        with self.sign_in("mairie") as page:
            page.goto(self.server.url + "/web-filter")
            page.get_by_label("Le résolveur de la collectivité").check()
            page.get_by_label("Le résolveur du réseau répond, si le système le permet").check()
            page.get_by_role("button", name="Noter dans le brouillon").click()
            page.get_by_label("Pourquoi ce changement ?").fill("le même filtre à l'école et à la maison")
            for box in page.get_by_role("checkbox").all():
                box.check()
            page.get_by_role("button", name="Publier").click()
            page.fill("#confirm_password", PASSWORD)
            page.click("main button")
            expect(page.locator("main").get_by_role("status")).to_contain_text("Publié")

    def deny_at_school(self, host: str) -> None:
        with self.sign_in("mairie") as page:
            page.goto(self.server.url + "/rules")
            page.get_by_label("Pour qui").select_option(label="École Jules-Verne")
            page.get_by_role("button", name="Choisir").click()
            page.get_by_label("Avec vos mots").fill("sites interdits")
            page.get_by_role("button", name="Chercher").click()
            page.get_by_role("link", name="Sites interdits").click()
            page.locator("#value").fill(host)
            page.get_by_role("button", name="Noter dans le brouillon").click()
            page.get_by_role("link", name="Voir ce qu'il change").click()
            page.get_by_label("Pourquoi ce changement ?").fill("demande de l'école")
            page.get_by_role("button", name="Publier").click()
            expect(page.get_by_role("status")).to_contain_text("Publié")

    def start_lesson(self, host: str) -> None:
        with self.sign_in("directrice") as page:
            page.goto(self.server.url + "/class")
            page.locator("#preset").select_option("focus_sites")
            page.locator("#sites").fill(host)
            page.locator("main form[action$='/start'] button").click()
            expect(page.get_by_text("Jusqu'à").or_(page.get_by_role("button", name="Terminer maintenant")).first).to_be_visible()
            expect(page.get_by_role("cell").filter(has_text="résolveur de la collectivité")).to_have_count(len(SYSTEMS))
            check_page(page)

    def try_at_home(self) -> None:
        """Assert that the page of the town says of an adult name what tablets find at home."""
        with self.sign_in("mairie") as page:
            page.goto(f"{self.server.url}/web-filter?host=www.adulte.example&mode=home")
            expect(page.locator("main").get_by_role("status").last).to_contain_text("fermé par les règles")
            check_page(page)


@pytest.mark.timeout(240)
def test_what_people_set_in_a_browser_is_what_tablets_reach(
    server: LiveServer,
    clock: ManualClock,
    started_browser: Browser,
) -> None:
    day = BrowserDay(server, clock, started_browser)
    day.prepare_town()
    day.choose_resolver()
    try:
        day.run(day.enroll())
        day.run(day.prove("09:00", "09:05", "09:20"))
        day.deny_at_school("jeux.example")
        day.run(day.exchange())
        school = set(NAMES) - {"adulte.example", "dns.example", "jeux.example"}
        day.assert_all_say(dict.fromkeys(SYSTEMS, school))
        day.start_lesson("lecon.example")
        day.run(day.exchange())
        day.assert_all_say({name: {"lecon.example", "push.apple.com"} for name in SYSTEMS})
        day.add_family_list("declared", "lumni.example", "adulte.example")
        day.move_to("18:30")
        day.run(day.exchange())
        day.assert_all_say({"declared": {"lumni.example", "push.apple.com"}, "profile": school, "command": school})
        day.try_at_home()
        day.move_to("21:00")
        day.run(day.exchange())
        day.assert_all_say({name: {"push.apple.com"} for name in SYSTEMS})
    finally:
        day.stop()
