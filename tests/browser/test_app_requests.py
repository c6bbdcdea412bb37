"""A request for an app in a real browser: the head of a small school asks for a class, the officer decides on the app, the town gives it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import SYSTEM, Role
from profiles.apps.service import create_app
from tests.browser.accessible import check_page
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_an_app_is_asked_for_reviewed_and_given(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        world.create_class(school)
        create_app(
            work, SYSTEM, town.id, name="ScratchJr", bundle_identifier="org.scratchjr.ipad", app_store_id=None, manifest_url=None
        )
        town_id, school_id = town.id, school.id
    head = sign_in(town_id, Role.HEAD, "directrice", school_id)
    head.goto(server.url + "/class")
    head.get_by_role("link", name="Demander une application").click()
    head.get_by_label("Nom de l'application").fill("ScratchJr")
    head.get_by_label("Pour quoi faire").fill("programmer au cycle 2")
    head.get_by_role("button", name="Envoyer la demande").click()
    check_page(head)
    head.get_by_role("button", name="Soutenir").click()
    expect(head.get_by_text("la direction la soutient")).to_be_visible()
    officer = sign_in(town_id, Role.DPO, "deleguee")
    officer.goto(server.url + "/data")
    officer.get_by_role("link", name="Fiches de protection des données").click()
    check_page(officer)
    officer.get_by_role("link", name="ScratchJr").click()
    for label, text in {
        "Éditeur": "Scratch Foundation", "Finalité": "programmer", "Données": "aucune", "Hébergement": "sur la tablette",
        "Conservation": "tant que l'élève garde la tablette",
    }.items():  # fmt: skip
        officer.get_by_label(label, exact=True).fill(text)
    officer.get_by_label("Base légale").select_option("no_personal_data")
    officer.get_by_role("button", name="Enregistrer", exact=True).click()
    officer.get_by_label("autorisée", exact=True).check()
    officer.get_by_role("button", name="Enregistrer l'avis").click()
    check_page(officer)
    admin = sign_in(town_id, Role.TOWN_ADMIN, "mairie")
    admin.goto(server.url + "/app-requests")
    check_page(admin)
    admin.get_by_role("button", name="Donner ScratchJr à la classe").click()
    expect(admin.locator("main").get_by_role("status")).to_contain_text("L'application est donnée à la classe")
    head.goto(server.url + "/app-requests")
    expect(head.get_by_role("heading", name="ScratchJr")).to_contain_text("donnée")
