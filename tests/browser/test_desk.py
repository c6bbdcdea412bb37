"""Handover day in a real browser: a bench, a whole class, a network that fails, a sign-in that ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import func, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import Role
from enrollment.tablets.models import AgreementState, IdempotencyRecord, Loan, LoanAccessory, Tablet, TabletState
from tests.browser.conftest import create_person
from tests.browser.desk_world import FIRST, LAST, DeskWorld, desk_world
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer

SignIn = Callable[..., Page]


@dataclass
class Hands:
    """A person at the table: counts every act (a scan with its Enter, a key that decides, a touch)."""

    page: Page
    acts: int = 0

    def scan(self, text: str) -> None:
        self.acts += 1
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def key(self, key: str) -> None:
        self.acts += 1
        self.page.keyboard.press(key)

    def touch(self, selector: str) -> None:
        self.acts += 1
        self.page.locator(selector).click()


def _waiting(page: Page) -> int:
    kept = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('cartable.desk.')).length")
    return int(kept)


def _wait_until(page: Page, condition: str) -> None:
    """Wait in the test, not in the page: its policy lets nobody evaluate strings there."""
    for _ in range(1500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


def _retry_at_once(page: Page) -> None:
    """Let the pauses before a scan is sent again last no time."""
    page.add_init_script("const wait = window.setTimeout; window.setTimeout = (act) => wait(act, 0);")


def _wait_for_answers(page: Page) -> None:
    _wait_until(page, "Object.keys(localStorage).every((key) => !key.startsWith('cartable.desk.'))")


def _open_table(page: Page, server: LiveServer, world: DeskWorld) -> None:
    page.goto(f"{server.url}/desk/{world.town_id}/handover?class={world.class_id}")


def _loans_by_pupil(server: LiveServer) -> dict[UUID, Loan]:
    with server.runtime.open_unit_of_work() as work:
        rows = work.session.scalars(select(Loan).where(Loan.closed_at.is_(None), Loan.handed_over_at.is_not(None)))
        return {loan.pupil_id: loan for loan in rows if loan.pupil_id is not None}


def _is_asked(page: Page) -> bool:
    return bool(page.locator("#ask").evaluate("(it) => it.classList.contains('open')"))


def test_a_bench_of_scans_never_stops(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime)
    other = desk_world(server.runtime, size=1)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    page.get_by_role("link", name="Atelier").click()
    page.get_by_role("link", name="Préparer").first.click()
    hands, result = Hands(page), page.locator("#result")
    expect(page.locator("#scan")).to_be_focused()
    hands.scan(world.serials[0].lower())
    expect(result).to_contain_text("prête")
    hands.scan("S" + world.serials[1])  # as the bar code of the box has it
    expect(page.locator("#today-count")).to_have_text("2")
    hands.scan("NOPE12345")
    expect(result).to_contain_text("aucune commande")
    hands.scan(other.serials[0])  # another town's: nothing tells that it exists
    expect(result).to_contain_text("aucune commande")
    hands.scan('ç"àé')  # a scanner on the wrong keyboard
    expect(result).to_contain_text("autre clavier")
    hands.scan(world.serials[0])
    expect(result).to_contain_text("était déjà prête")
    expect(page.locator("#scan")).to_be_focused()
    # Labels printed beforehand: serial, then label.
    page.locator("#preprinted").check()
    expect(page.locator("#scan")).to_be_focused()
    hands.scan(world.serials[2])
    expect(page.locator("#tag")).to_be_focused()
    hands.scan("ZZ-777")
    expect(result).to_contain_text("ZZ-777 prête")
    expect(page.locator("#scan")).to_be_focused()
    hands.scan(world.serials[3])
    hands.scan("ZZ-777")
    expect(result).to_contain_text("porte déjà cette étiquette")
    page.reload()
    expect(page.locator("#today-count")).to_have_text("4")
    expect(page.locator("#tag")).to_be_visible()  # the choice stays
    # All at once, faster than the server answers.
    page.locator("#preprinted").uncheck()
    for serial in world.serials[3:]:
        hands.scan(serial)
    expect(page.locator("#today-count")).to_have_text("7")
    with server.runtime.open_unit_of_work() as work:
        states = set(work.session.scalars(select(Tablet.state).where(Tablet.serial.in_(world.serials))))
    assert states == {TabletState.PREPARED}


def test_a_class_of_thirty_is_handed_over_in_at_most_three_actions_each(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _open_table(page, server, world)
    expect(page.locator("#progress")).to_have_text("0 sur 30")
    most, total = 0, 0
    for number, tag in enumerate(world.tags):
        hands = Hands(page)
        if number == 5:  # somebody comes out of turn: the name is typed
            hands.scan("wassim")
            expect(page.locator("#now")).to_have_text("Wassim Wagonnet")
        hands.scan(f"https://mdm.test/t/{tag}" if number % 2 else tag)
        expect(page.locator("#result")).to_contain_text(tag)
        if _is_asked(page):
            hands.key("Enter")  # signed now
        expect(page.locator(f"#pupils tr[data-state='held'] .where strong:text-is('{tag}')")).to_be_visible()
        most, total = max(most, hands.acts), total + hands.acts
    expect(page.locator("#progress")).to_have_text("30 sur 30")
    expect(page.locator("#now")).to_have_text("Tout le monde est servi.")
    assert most <= 3
    assert total <= 2 * 30 + 1
    held = _loans_by_pupil(server)
    assert set(held) == set(world.pupil_ids)
    assert sum(loan.agreement is AgreementState.SIGNED for loan in held.values()) == 27
    assert {loan.signed_by for loan in held.values()} == {"voir la feuille signée", None}
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(LoanAccessory)) == 90


def test_touch_alone_and_papers_in_hand_take_one_scan_each(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime, size=6)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    page.set_viewport_size({"width": 820, "height": 1180})
    _open_table(page, server, world)
    hands = Hands(page)
    hands.touch("#pupils tr:nth-child(3) .pick")
    expect(page.locator("#now")).to_have_text("Célestine Craiebleue")
    hands.scan(world.tags[0])
    hands.touch("#ask button[value='stays']")
    expect(page.locator("#pupils tr:nth-child(3)")).to_contain_text("reste à l'école")
    assert hands.acts == 3
    page.locator("#all-signed").check()
    page.locator("label.chip:has-text('stylet')").click()
    hands = Hands(page)
    for tag in world.tags[1:]:
        hands.scan(tag)
    expect(page.locator("#progress")).to_have_text("6 sur 6")
    assert hands.acts == 5
    page.reload()
    expect(page.locator("input[value='pen']")).to_be_checked()  # the default set is remembered
    assert _loans_by_pupil(server)[world.pupil_ids[2]].agreement is AgreementState.REFUSED


def test_a_scan_instead_of_an_answer_hands_nothing_over(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime, size=3)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _open_table(page, server, world)
    hands = Hands(page)
    hands.scan(world.tags[0])
    hands.scan(world.tags[1])
    assert _is_asked(page)
    expect(page.locator("#result")).to_contain_text(world.tags[1])
    expect(page.locator("#today")).to_contain_text(f"{world.tags[0]} n'est pas remise")
    hands.key("Enter")
    _wait_for_answers(page)
    [loan] = _loans_by_pupil(server).values()
    with server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(Tablet, loan.tablet_id).tag == world.tags[1]


def test_homonyms_names_and_sheets_choose_the_right_child(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _open_table(page, server, world)
    hands, now = Hands(page), page.locator("#now")
    hands.scan("zoe")
    expect(page.locator("#result")).to_contain_text("Plusieurs enfants")
    hands.scan("zoé ce1")
    expect(now).to_have_text("Zoé Zéphyr (CE1)")
    hands.scan("etourneau")
    expect(now).to_have_text("Élise Étourneau")
    hands.scan("nemo")
    expect(page.locator("#result")).to_contain_text("Aucun enfant")
    hands.scan(f"CARTABLE-P-{world.pupil_ids[7]}")
    expect(now).to_have_text("Hawa Hautbois")
    assert _waiting(page) == 0
    shown = page.locator("#pupils th").all_inner_texts()
    assert len(set(shown)) == 30
    assert "Adèle A." in shown  # as little as tells them apart


def test_scans_survive_a_lost_network_and_a_reload(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime, size=6)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _open_table(page, server, world)
    page.locator("#all-signed").check()
    page.locator("#scan").focus()
    page.context.set_offline(True)
    hands = Hands(page)
    for tag in world.tags[:3]:
        hands.scan(tag)
    hands.scan(world.tags[0])  # a tablet that has just been given away: to be decided later
    expect(page.locator("#queue-why")).to_contain_text("En attente (4)")
    expect(page.locator("#progress")).to_have_text("4 sur 6")
    expect(page.locator("#pupils tr[data-state='waiting']")).to_have_count(4)
    kept = page.evaluate("JSON.stringify(Object.entries(localStorage))")
    for name in (*FIRST, *LAST):
        assert name not in json.loads(json.dumps(kept))
        assert name not in json.dumps(json.loads(kept), ensure_ascii=False)
    page.context.set_offline(False)
    page.reload()
    _wait_for_all_but_refused(page)
    expect(page.locator("#progress")).to_have_text("3 sur 6")
    expect(page.locator("#decide")).to_contain_text("ne peut pas être prêtée")
    expect(page.locator("#decide")).to_contain_text("Désiré Dunord")
    assert set(_loans_by_pupil(server)) == set(world.pupil_ids[:3])
    page.locator("#decide").get_by_role("button", name="Renvoyer").click()
    expect(page.locator("#decide")).to_contain_text("ne peut pas être prêtée")
    page.locator("#decide").get_by_role("button", name="Oublier").click()
    expect(page.locator("#decide")).to_be_hidden()
    assert _waiting(page) == 0
    hands.scan(world.tags[3])
    hands.key("Enter")
    expect(page.locator("#progress")).to_have_text("4 sur 6")


def _wait_for_all_but_refused(page: Page) -> None:
    kept = "Object.entries(localStorage).filter(([key]) => key.startsWith('cartable.desk.'))"
    _wait_until(page, f"{kept}.every(([, each]) => JSON.parse(each).refused)")


def test_an_answer_lost_on_the_way_has_one_effect(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime, size=3)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _retry_at_once(page)
    _open_table(page, server, world)
    lost: list[str] = []

    def lose_the_answer(route: Route) -> None:
        if len(lost) < 2:
            route.fetch()  # the server does it
            lost.append(route.request.post_data or "")
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/handover", lambda route: lose_the_answer(route) if route.request.method == "POST" else route.continue_())
    hands = Hands(page)
    hands.scan(world.tags[0])
    hands.key("Enter")
    _wait_for_answers(page)
    expect(page.locator("#progress")).to_have_text("1 sur 3")
    assert len({re.search("request_id=([^&]+)", body)[1] for body in lost}) == 1  # type: ignore[index]
    with server.runtime.open_unit_of_work() as work:
        done = work.session.scalar(select(func.count()).select_from(IdempotencyRecord))
        opened = work.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.action == "loan.open"))
    assert (done, opened) == (1, 1)


def test_a_scan_that_the_server_cannot_process_does_not_block_the_others(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _retry_at_once(page)
    page.goto(f"{server.url}/desk/{world.town_id}/bench")
    portal = ["captive"]

    def answer(route: Route) -> None:
        if route.request.method == "POST" and portal:  # the hotel's page instead of ours
            portal.pop()
            route.fulfill(status=200, content_type="text/html", body="<h1>Wi-Fi</h1>")
        elif world.serials[0] in (route.request.post_data or ""):
            route.fulfill(status=500, content_type="application/problem+json", body='{"code": "internal", "title": "x"}')
        else:
            route.continue_()

    page.route("**/bench", answer)
    for serial in world.serials[:3]:
        Hands(page).scan(serial)
    _wait_for_all_but_refused(page)
    expect(page.locator("#decide")).to_contain_text(world.serials[0])
    expect(page.locator("#decide")).to_contain_text("prévenez l'exploitant")
    expect(page.locator("#today-count")).to_have_text("2")


def test_two_tabs_send_each_scan_once_and_both_learn_the_answer(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    second = page.context.new_page()
    for tab in (page, second):
        tab.goto(f"{server.url}/desk/{world.town_id}/bench")
    posted: list[str] = []
    page.context.on("request", lambda request: posted.append(request.post_data or "") if request.method == "POST" else None)
    page.context.set_offline(True)
    for tab, serials in ((page, world.serials[:3]), (second, world.serials[3:])):
        tab.bring_to_front()
        for serial in serials:
            Hands(tab).scan(serial)
    expect(page.locator("#waiting-count")).to_have_text("6")
    posted.clear()
    page.context.set_offline(False)
    _wait_for_answers(page)
    for tab in (page, second):
        expect(tab.locator("#today-count")).to_have_text("6")
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 6


def test_a_sign_in_that_ends_keeps_the_scans_for_the_same_person(server: LiveServer, sign_in: SignIn, browser: Browser) -> None:
    world = desk_world(server.runtime)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    create_person(server, world.town_id, Role.TECHNICIAN, "collegue")
    page.goto(f"{server.url}/desk/{world.town_id}/bench")
    hands = Hands(page)
    hands.scan(world.serials[0])
    _wait_for_answers(page)
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(hours=2))
    hands.scan(world.serials[1])
    hands.scan(world.serials[2])
    expect(page.locator("#queue-why")).to_contain_text("Votre connexion est finie")
    # Somebody else signs in here: the scans are not theirs.
    tab = page.context.new_page()
    _sign_in_again(tab, server, "collegue")
    tab.goto(f"{server.url}/desk/{world.town_id}/bench")
    expect(tab.locator("#queue-why")).to_contain_text("d'une autre personne attendent dans ce navigateur (2)")
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("#queue-why")).to_contain_text("Une autre personne est connectée")
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 1
    # The person is back, in another tab; this one goes on by itself.
    tab.bring_to_front()
    tab.get_by_role("button", name="Se déconnecter").click()
    _sign_in_again(tab, server, "technicienne")
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    _wait_for_answers(page)
    expect(page.locator("#today-count")).to_have_text("3")
    expect(page.locator("#scan")).to_be_focused()


def _sign_in_again(page: Page, server: LiveServer, login: str) -> None:
    page.goto(server.url + "/desk")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("main button")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Atelier")


def test_swap_breakage_and_return_are_two_scans_or_less(server: LiveServer, sign_in: SignIn) -> None:
    world = desk_world(server.runtime, size=4)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    _open_table(page, server, world)
    page.locator("#all-signed").check()
    hands = Hands(page)
    for tag in world.tags[:3]:
        hands.scan(tag)
    expect(page.locator("#progress")).to_have_text("3 sur 4")
    _wait_for_answers(page)
    page.goto(f"{server.url}/desk/{world.town_id}/swap")
    hands.scan(world.tags[0])
    hands.scan(world.tags[1])
    expect(page.locator("#result")).to_contain_text("échangées")
    page.goto(f"{server.url}/desk/{world.town_id}/breakage")
    page.locator("label.chip:has-text('écran')").click()
    hands.scan(world.tags[2])
    hands.scan(world.tags[3])
    expect(page.locator("#result")).to_contain_text(f"{world.tags[2]} cassée, {world.tags[3]} prêtée")
    page.goto(f"{server.url}/desk/{world.town_id}/return?class={world.class_id}")
    expect(page.locator("#progress")).to_have_text("0 sur 3")
    page.locator("label.chip:has-text('câble')").click()
    hands.scan(world.tags[0])
    expect(page.locator("#result")).to_contain_text("rendue, sans : câble")
    expect(page.locator("#progress")).to_have_text("1 sur 3")
    expect(page.locator("input[value='cable']")).to_be_checked()  # whole again for the next child
    with server.runtime.open_unit_of_work() as work:
        states = [work.session.scalar(select(Tablet.state).where(Tablet.tag == tag)) for tag in world.tags]
    assert states == [TabletState.RETURNED, TabletState.HANDED_OVER, TabletState.BROKEN, TabletState.LOANER_OUT]


def test_without_scripts_the_forms_still_work(server: LiveServer, sign_in: SignIn, browser: Browser) -> None:
    world = desk_world(server.runtime, size=3)
    signed_in = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    context = browser.new_context(
        ignore_https_errors=True, locale="fr-FR", java_script_enabled=False, storage_state=signed_in.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{server.url}/desk/{world.town_id}/bench")
    page.fill("#scan", world.serials[0])
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_contain_text("prête")
    page.fill("#scan", "NOPE")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_contain_text("aucune commande")
    expect(page.locator("#scan")).to_have_value("NOPE")
    _open_table(page, server, world)
    page.get_by_label("Basile B.").check()
    page.fill("#scan", world.tags[0])
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_contain_text("n'est pas signée")
    page.get_by_role("button", name="Déjà signée").click()
    expect(page.locator("#result")).to_contain_text("remise")
    expect(page.locator("#progress")).to_have_text("1 sur 3")


_HOSTILE = [
    "<img src=x onerror=document.title='x'>", "'; DROP TABLE tablet; --", "\u202egnp.exe", "a" * 5000, "../../etc/passwd", "{{7*7}}", "%00%0d%0a",
    "T001-\u0000", "https://evil.example/t/<script>document.title='x'</script>", "محمد", "🎒🎒", "__proto__", "]]>", "\\",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["bench", "handover", "swap", "return", "breakage", "store"])
def test_whatever_is_scanned_breaks_nothing(server: LiveServer, sign_in: SignIn, kind: str) -> None:
    world = desk_world(server.runtime, size=2)
    page = sign_in(world.town_id, Role.TECHNICIAN, "technicienne")
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("response", lambda response: broken.append(response.url) if response.status >= 500 else None)
    page.goto(f"{server.url}/desk/{world.town_id}/{kind}?class={world.class_id}")
    title = page.title()
    for text in _HOSTILE:
        page.locator("#scan").evaluate("(field, text) => { field.value = text; }", text)
        page.locator("#scan").focus()
        page.keyboard.press("Enter")
        if kind in ("swap", "breakage"):
            page.keyboard.press("Enter")
    expect(page.locator("#scan")).to_be_focused()
    assert (page.title(), broken) == (title, [])
    assert page.locator("#desk img, #desk script").count() == 0
