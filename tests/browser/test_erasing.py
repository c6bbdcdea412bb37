"""Two people at two screens erase what was given back; a third stops it in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade
from enrollment.rollover import drafting
from enrollment.tablets import custody
from enrollment.tablets.models import Condition
from mdm.care.erasing.bulk import send_due_bulk_erases
from tests.support.accounts import PASSWORD
from tests.support.returns import open_return_campaign
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_two_people_erase_returned_tablets(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(world.create_class(world.create_school(town), "CM2"), Grade.CM2))
        tablet.needs_wipe = True
        world.enroll_tablet(tablet)
        open_return_campaign(work, SYSTEM, drafting.preview_rollover(work, SYSTEM, town.id))
        custody.take_back(work, SYSTEM, tablet, Condition.WORN, ())
        town_id, tag = town.id, tablet.tag

    first = sign_in(town_id, Role.TOWN_ADMIN, "first")
    first.goto(f"{server.url}/year")
    first.get_by_role("link", name="Effacer les tablettes rendues").click()
    expect(first.get_by_role("heading", level=2).first).to_have_text("Rendues et pas encore effacées : 1")
    first.get_by_text("Lesquelles").click()
    expect(first.get_by_text(tag)).to_be_visible()
    first.fill("#ticket", "RET-1")
    first.fill("#reason", "fin de CM2")
    first.get_by_role("button", name="Demander l'effacement").click()
    for password, problem in (("not the password", "Identifiant ou mot de passe incorrect."), (PASSWORD, "")):
        expect(first.get_by_role("heading", level=1)).to_have_text("Votre mot de passe, encore une fois")
        first.get_by_label("Mot de passe").fill(password)
        first.get_by_role("button", name="Continuer").click()
        if problem:
            expect(first.get_by_role("alert")).to_have_text(problem)
    expect(first.get_by_text("attend l'accord d'une autre personne")).to_be_visible()
    expect(first.get_by_role("button", name="Approuver RET-1")).to_have_count(0)

    second = sign_in(town_id, Role.TOWN_ADMIN, "second")
    second.goto(f"{server.url}/erases")
    second.get_by_role("button", name="Approuver RET-1").click()
    second.get_by_label("Mot de passe").fill(PASSWORD)
    second.get_by_role("button", name="Continuer").click()
    expect(second.get_by_role("status")).to_contain_text("dans une demi-heure")

    helpdesk = sign_in(town_id, Role.HELPDESK, "helpdesk")
    helpdesk.goto(f"{server.url}/erases")
    expect(helpdesk.get_by_role("button", name="Demander l'effacement")).to_have_count(0)
    helpdesk.get_by_role("button", name="Annuler RET-1").click()
    expect(helpdesk.get_by_role("status")).to_contain_text("Rien ne part")
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(hours=1))
    with server.runtime.open_unit_of_work() as work:
        assert send_due_bulk_erases(work) == 0
