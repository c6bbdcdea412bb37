"""The way in by Apple School Manager, by browser alone: certificate, token, what an iPad shows at first, its school, the organisation's list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import FilePayload, Page, expect

from cartable.outbox import Topic
from cartable.scope import Role
from enrollment.joining.ade import testserver
from enrollment.joining.ade.testserver import Portal
from enrollment.joining.apple_school_manager import testserver as organisation_server
from enrollment.joining.apple_school_manager.testserver import Organisation
from enrollment.tablets.models import Tablet
from mdm.worker.drains import drain
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory

SERIALS = {"DMP00001": "S1", "DMP00002": "S1", "DMP00003": None}


@dataclass
class ApplePlace:
    """A town with a school, and Apple's two services for it."""

    portal: Portal
    organisation: Organisation
    town_id: UUID
    school_id: UUID
    school: str


@pytest.fixture
def place(server: LiveServer) -> Iterator[ApplePlace]:
    portal = Portal(now=lambda: server.runtime.clock.now().timestamp())
    organisation = Organisation(servers={"S1": "Ville"}, devices=dict(SERIALS))
    for serial in ("DMP00001", "DMP00002"):
        portal.add_device(serial)
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town("Valmont")
        school = world.create_school(town)
        made = ApplePlace(portal, organisation, town.id, school.id, school.name)
    with testserver.serve(portal) as url, organisation_server.serve(organisation) as organisation_url:
        server.runtime.settings = server.runtime.settings.model_copy(
            update={
                "device_assignment_url": url,
                "organisation_url": organisation_url,
                "organisation_token_url": f"{organisation_url}/auth/oauth2/token",
            }
        )
        yield made


def test_tablets_come_by_apple_school_manager_without_the_api(
    server: LiveServer, place: ApplePlace, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/apple-school-manager")
    check_page(page)
    page.get_by_role("button", name="Valider").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Certificat pour le portail").click()
    certificate = download.value.path().read_text()

    page.get_by_role("link", name="Ce qu'un iPad neuf affiche d'abord, et son école").click()
    check_page(page)
    page.get_by_label("Service", exact=True).fill("Écoles de Valmont")
    page.get_by_label("École des nouvelles tablettes de ce serveur").select_option(label=place.school)
    page.get_by_label("Siri", exact=True).uncheck()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("status")).to_contain_text("Noté")

    choose_file(page, "Fichier du jeton", "ville_smime.p7m", place.portal.build_token_file(certificate))
    press(page, "Installer le jeton")
    expect(page.get_by_role("status")).to_contain_text("jeton")
    drain(server.runtime, Topic.ADE_SYNC)
    page.goto(f"{server.url}/apple-school-manager?town={place.town_id}")
    expect(page.locator("dt", has_text="Tablettes de la ville").locator("xpath=following-sibling::dd[1]")).to_have_text("2")
    check_page(page)
    [profile] = place.portal.profiles.values()
    assert profile["department"] == "Écoles de Valmont"
    assert "Siri" not in profile["skip_setup_items"]
    assert "AppleID" in profile["skip_setup_items"]
    assert {place.portal.devices[serial]["profile_status"] for serial in place.portal.devices} == {"assigned"}
    with server.runtime.open_unit_of_work() as work:
        tablets = work.session.query(Tablet).order_by(Tablet.serial).all()
        assert [(tablet.serial, tablet.school_id) for tablet in tablets] == [
            ("DMP00001", place.school_id),
            ("DMP00002", place.school_id),
        ]

    page.get_by_text("Installer une clé", exact=True).click()
    page.get_by_label("Identifiant du client").fill(place.organisation.client_id)
    page.get_by_label("Identifiant de la clé").fill(place.organisation.key_id)
    key = place.organisation.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    choose_file(page, "Clé privée", "cartable.pem", key)
    press(page, "Installer la clé")
    expect(page.get_by_role("status")).to_contain_text("La clé est enregistrée")
    drain(server.runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)
    page.goto(f"{server.url}/apple-school-manager?town={place.town_id}&lang=en")
    owned = page.get_by_role("region", name="What the organisation owns")
    expect(owned.locator("dt", has_text="Assigned to no server").locator("xpath=following-sibling::dd[1]")).to_have_text("1")
    check_page(page)


def choose_file(page: Page, label: str, name: str, content: bytes) -> None:
    page.get_by_label(label).set_input_files(FilePayload(name=name, mimeType="application/octet-stream", buffer=content))


def press(page: Page, name: str) -> None:
    """Press a button, and give the password once more where it is asked for."""
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()
    if page.locator("#confirm_password").count():
        page.locator("#confirm_password").fill(PASSWORD)
        page.get_by_role("button", name="Continuer").click()
