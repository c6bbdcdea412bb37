"""Commands in a real browser: a class is locked by selection, followed and cancelled; a forgotten passcode is cleared."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cartable.scope import SYSTEM, Role
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from simulator import SimulatedTablet
from tests.browser.accessible import check_page
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory


class SimulatedTablets:
    """Enrolled simulated tablets of a town, on a thread with an event loop of its own: the browser has the other one."""

    def __init__(self, server: LiveServer, count: int) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            town = TownFactory(work).create_town()
            spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=count)
            self.town_id, self.code = town.id, create_invitations(work, SYSTEM, spec)[0].code
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.tablets = [SimulatedTablet(server.url, self.code, ca=server.ca) for _ in range(count)]
        for tablet in self.tablets:
            self._run(tablet.enrol())
        for _ in range(2):
            self.connect()

    def connect(self, *numbers: int) -> None:
        """Let tablets poll, by default all, and the worker apply their results."""
        self.server.run_worker()
        for number in numbers or range(len(self.tablets)):
            self._run(self.tablets[number].poll())
        self.server.run_worker()

    def close(self) -> None:
        for tablet in self.tablets:
            self._run(tablet.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=10)
        self.loop.close()

    def _run(self, action: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(action, self.loop).result(timeout=60)


@pytest.fixture
def enroll(server: LiveServer) -> Iterator[Callable[[int], SimulatedTablets]]:
    fleets: list[SimulatedTablets] = []

    def act(count: int) -> SimulatedTablets:
        fleets.append(SimulatedTablets(server, count))
        return fleets[-1]

    yield act
    for fleet in fleets:
        fleet.close()


def test_a_selection_is_locked_followed_and_cancelled(
    server: LiveServer, enroll: Callable[[int], SimulatedTablets], sign_in: Callable[..., Page]
) -> None:
    fleet = enroll(2)
    page = sign_in(fleet.town_id, Role.TECHNICIAN, "technician")
    page.goto(f"{server.url}/")
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_label("Aux tablettes choisies").select_option(label="Verrouiller l'écran")
    page.get_by_role("button", name="Suivant").click()
    expect(page.get_by_text("2 tablettes choisies")).to_be_visible()
    check_page(page)
    page.get_by_label("Message sur l'écran verrouillé").fill("Rangez les tablettes")
    page.get_by_role("button", name="Verrouiller l'écran : 2 tablettes").click()
    expect(page.get_by_role("status")).to_have_text("C'est donné. Cette page suit d'elle-même.")
    check_page(page)
    fleet.connect(0)
    expect(page.locator("tbody").get_by_text("accepté par la tablette")).to_have_count(
        1, timeout=15_000
    )  # the page follows by itself
    page.get_by_role("button", name="Annuler ce qui n'est pas parti").click()
    expect(page.get_by_role("status")).to_have_text("Ce qui n'était pas parti est annulé.")
    expect(page.locator("tbody").get_by_text("annulé")).to_have_count(1)
    fleet.connect(1)
    check_page(page)


def test_a_forgotten_passcode_is_cleared(
    server: LiveServer, enroll: Callable[[int], SimulatedTablets], sign_in: Callable[..., Page]
) -> None:
    fleet = enroll(1)
    page = sign_in(fleet.town_id, Role.HELPDESK, "helpdesk")
    page.goto(f"{server.url}/")
    page.locator("tbody th a").first.click()
    check_page(page)
    page.get_by_text("Effacer le code", exact=True).first.click()
    page.get_by_role("button", name="Effacer le code", exact=True).click()
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Continuer").click()
    expect(page.get_by_role("status")).to_contain_text("L'ordre est donné.")
    assert fleet.tablets[0].channel.device.has_passcode
    fleet.connect()
    assert not fleet.tablets[0].channel.device.has_passcode
