"""One tablet's page in a real browser, as helpdesk and technicians meet it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import SYSTEM, Role
from enrollment.people.models import Pupil
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.care.lost_mode import service as care
from tests.browser.accessible import check_page
from tests.browser.desk_world import desk_world
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_helpdesk_finds_the_child_and_the_technician_reports_the_repair(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    world = desk_world(server.runtime, size=3)
    with server.runtime.open_unit_of_work() as work:
        tablet = TabletRepository(work.session).get_by_tag(world.town_id, world.tags[1])
        assert tablet is not None
        TownFactory(work).lend_tablet(tablet, work.session.get_one(Pupil, world.pupil_ids[1]))
        tablet.state = TabletState.IN_USE
    page = sign_in(world.town_id, Role.HELPDESK, "helpdesk")
    check_page(page)
    menu = page.get_by_role("navigation", name="Chapitres")
    menu.get_by_text("Tablettes", exact=True).click()
    menu.get_by_role("link", name="Toutes les tablettes").click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("basile")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name=world.tags[1]).click()
    expect(page.get_by_role("region", name="Chez qui")).to_contain_text("Basile Belletoile")
    check_page(page)
    page.get_by_text("Signaler une casse").click()
    page.get_by_label("Cause").select_option("drop")
    page.get_by_label("Ce qui est raconté (sans nom)").fill("tombée dans l'escalier")
    page.get_by_role("button", name="Noter : Signaler une casse").click()
    expect(page.get_by_role("status")).to_have_text("C'est noté.")
    expect(page.get_by_role("heading", level=1)).to_contain_text("cassée")
    address = page.url.partition("?")[0]

    technician = sign_in(world.town_id, Role.TECHNICIAN, "technician")
    technician.goto(address)
    check_page(technician)
    for label, button in (("Réparateur, numéro d'envoi", "Partie en réparation"), ("Ce qui a été vérifié", "Revenue réparée")):
        technician.get_by_label(label).fill("envoi 12")
        technician.get_by_role("button", name=f"Noter : {button}").click()
    technician.get_by_role("button", name="Noter : Clore la casse").click()
    expect(technician.get_by_role("heading", level=1)).to_contain_text("en service")
    expect(technician.get_by_role("region", name="Incidents")).to_contain_text("clôture le")
    check_page(technician)


def test_a_wrong_address_leads_back(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    page = sign_in(desk_world(server.runtime, size=1).town_id, Role.HELPDESK, "helpdesk")
    page.goto(f"{server.url}/rien")
    check_page(page)
    page.get_by_role("link", name="Retour à l'accueil").click()
    expect(page).to_have_url(f"{server.url}/today")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Aujourd'hui")


def test_the_description_of_the_api_asks_no_other_server(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    page = sign_in(desk_world(server.runtime, size=1).town_id, Role.DPO, "officer")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="API").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API")
    page.locator("#op-create_token summary").click()
    expect(page.get_by_role("rowheader", name="login")).to_be_visible()
    check_page(page)
    assert asked
    assert all(url.startswith(server.url) for url in asked)


def test_a_page_that_waits_keeps_what_is_typed(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(world.create_class(world.create_school(town))))
        world.enroll_tablet(tablet)
        care.mark_lost(work, SYSTEM, tablet.id, "perdue dans le bus")
    page = sign_in(town.id, Role.HELPDESK, "helpdesk")
    page.clock.install()
    page.goto(f"{server.url}/tablets/{tablet.id}")
    expect(page.get_by_text("pas encore : au prochain contact")).to_be_visible()
    reason = page.get_by_label("Comment a-t-elle été retrouvée ?")
    reason.press_sequentially("rapportée à la mairie")
    with server.runtime.open_unit_of_work() as work:
        case = care.get_open_case(work, work.session.get_one(Tablet, tablet.id))
        case.confirmed_at = work.now
    page.clock.run_for(6_000)
    expect(page.get_by_text("pas encore : au prochain contact")).to_have_count(0)
    expect(reason).to_have_value("rapportée à la mairie")
    expect(reason).to_be_focused()
    reason.fill("")
    page.get_by_role("heading", level=1).click()
    page.clock.run_for(6_000)
    expect(page.locator("[data-waits]")).to_have_count(0)
    check_page(page)
