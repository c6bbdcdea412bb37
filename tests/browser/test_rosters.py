"""Rosters as an administrator and as a head bring them in: columns, preview, decision, confirmation by two, report, undo."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import Role
from tests.browser.accessible import check_page
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory

NAMES = ["D'ARTAGNAN-LE GOFF", "EL HADJ", "NGUYEN", "MARTIN", "ROUX", *(f"NOM{n}" for n in range(15))]
WHOLE = text_file(ONDE, *(onde_line(name, "Élise", ine=f"{n:010d}A") for n, name in enumerate(NAMES)))
PART = text_file(ONDE, *(onde_line(name, "Élise", ine=f"{n:010d}A") for n, name in enumerate(NAMES[:6])))
STRANGE = text_file(
    "Patronyme;Prénom;Classe de l'an;Rue;Année d'études", "DURAND;Ana;CP A;1 rue X;CP", "PETIT;Léo;CP A;2 rue X;CP"
)


def _file(content: bytes) -> dict[str, object]:
    return {"name": "CSVExtraction.csv", "mimeType": "text/csv", "buffer": content}


def _upload(page: Page, content: bytes, button: str = "Voir l'aperçu") -> None:
    page.get_by_role("link", name="Listes").first.click()
    page.get_by_label("Fichier", exact=True).set_input_files(_file(content))  # type: ignore[arg-type]
    page.get_by_role("button", name=button).click()


def test_a_roster_from_upload_to_undo_by_two_people(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        world.create_school(town, "École Simone-Veil")
    head = sign_in(town.id, Role.HEAD, "directrice", school.id)
    _upload(head, WHOLE)
    expect(head.get_by_role("heading", level=1)).to_contain_text("Import du")
    expect(head.get_by_text("Élise D'ARTAGNAN-LE GOFF")).to_be_visible()
    expect(head.get_by_text("Adresse1")).to_be_visible()
    expect(head.locator(".counts li").filter(has_text="arrivées").locator("strong")).to_have_text("20")
    check_page(head)
    head.get_by_role("button", name="Confirmer l'import").click()
    expect(head.get_by_role("status")).to_have_text("L'import est confirmé.")

    _upload(head, PART)
    expect(head.get_by_role("alert")).to_contain_text("14 personnes disparaîtraient")
    expect(head.get_by_role("button", name="Confirmer l'import")).to_have_count(0)
    expect(head.get_by_role("rowheader", name="Élise NOM9")).to_be_visible()
    with head.expect_download() as downloading:
        head.get_by_role("link", name="CSV").click()
    assert "absent du fichier" in downloading.value.path().read_text("utf-8-sig")
    address = head.url
    admin = sign_in(town.id, Role.TOWN_ADMIN, "mairie")
    admin.goto(address)
    admin.get_by_role("button", name="Confirmer l'import").click()
    admin.get_by_label("Mot de passe").fill(PASSWORD)
    admin.get_by_role("button", name="Continuer").click()
    expect(admin.get_by_role("status")).to_have_text("L'import est confirmé.")
    admin.get_by_role("button", name="Annuler l'import").click()
    expect(admin.get_by_role("status")).to_contain_text("tout est comme avant")
    _upload(head, WHOLE)
    expect(head.locator(".counts li").filter(has_text="inchangés").locator("strong")).to_have_text("20")


def test_unknown_columns_are_named_once_for_the_school(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
    page = sign_in(town.id, Role.HEAD, "directeur", school.id)
    _upload(page, STRANGE)
    expect(page.get_by_role("alert")).to_contain_text("Désigner les colonnes")
    _upload(page, STRANGE, "Désigner les colonnes")
    check_page(page)
    page.get_by_label("Patronyme").select_option(label="nom de famille")
    page.get_by_label("Année d'études").select_option(label="niveau")
    page.get_by_label("Classe de l'an").select_option(label="classe")
    page.get_by_role("button", name="Retenir pour cette école").click()
    expect(page.get_by_role("status")).to_contain_text("Déposez le fichier à nouveau")
    check_page(page)
    _upload(page, STRANGE)
    expect(page.get_by_text("Ana DURAND")).to_be_visible()


def test_a_doubtful_line_is_decided_by_a_person(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        world.create_school(town)
    page = sign_in(town.id, Role.TOWN_ADMIN, "mairie")
    twins = [
        onde_line("MARTIN", "Ana", label="CE1 A", number="7"),
        onde_line("MARTIN", "Ana", label="CE1 B", number="8", born="02/02/2018"),
    ]
    _upload(page, text_file(ONDE, *twins))
    page.get_by_role("button", name="Confirmer l'import").click()
    _upload(page, text_file(ONDE, onde_line("MARTIN", "Ana", label="CE1 C", number="9", born="")))
    page.get_by_label("De qui s'agit-il").select_option(label="Quelqu'un de nouveau")
    page.get_by_role("button", name="Décider").click()
    expect(page.get_by_role("status")).to_have_text("C'est noté.")
    expect(page.locator(".counts li").filter(has_text="arrivée").locator("strong")).to_have_text("1")
