"""The register of apps in the console: the data protection officer writes a sheet and decides, administrators see it where they give apps."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

from cartable.scope import SYSTEM, Role
from profiles.apps.service import create_app
from profiles.effective import bundles
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory

FACTS = {
    "publisher": "Éditions du Préau", "purpose": "apprendre à lire", "data_categories": "prénom, résultats",
    "hosting_country": "France", "legal_basis": "public_task", "retention": "fin de l'année scolaire", "uses_gar": "true",
    "agreement_signed_on": "2026-09-01", "agreement_reference": "RGPD-14",
}  # fmt: skip


def test_an_officer_decides_and_an_administrator_cannot_give_what_is_refused(
    server: LiveServer, person: Callable[..., Person]
) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        app = create_app(
            work, SYSTEM, town.id, name="Lire", bundle_identifier="fr.lire.app", app_store_id=None, manifest_url=None
        )
        bundle = bundles.create_bundle(work, SYSTEM, town.id, "Lecture", [app.id])
        town_id, app_id, bundle_id = town.id, app.id, bundle.id
    officer, admin = person(town_id, Role.DPO), person(town_id, Role.TOWN_ADMIN)
    assert "Lire – – sans fiche de protection des données" in read(officer.client.get("/app-sheets"))
    assert f"/app-sheets?town={town_id}" in officer.client.get("/data").text
    page = f"/app-sheets/{app_id}"
    assert "Avis du délégué" not in read(officer.client.get(page)), "first the facts"
    wrong = send(officer, page, **{**FACTS, "agreement_signed_on": "hier"})
    assert (wrong.status_code, "apprendre à lire" in unescape(wrong.text)) == (422, True)
    assert send(officer, page, **FACTS).status_code == 303
    missing = send(officer, f"{page}/verdict", verdict="allowed_with_conditions")
    assert (missing.status_code, "sous quelles conditions" in read(missing)) == (422, True)
    assert send(officer, f"{page}/verdict", verdict="refused", conditions="hors d'Europe").status_code == 303
    assert "refusée" in read(officer.client.get(page))
    assert "refusée" in read(admin.client.get("/apps"))
    assert "(refusée)" in read(admin.client.get(f"/apps/bundles/{bundle_id}"))
    given = send(admin, f"/apps/bundles/{bundle_id}/give", place="grade:CP", use="required")
    assert (given.status_code, "délégué à la protection des données a refusé Lire" in read(given)) == (409, True)
    book = officer.client.get("/app-sheets/export")
    assert book.content.startswith(b"PK")
    assert 'filename="apps.xlsx"' in book.headers["content-disposition"]
    technician = person(town_id, Role.TECHNICIAN)
    assert technician.client.get(page).status_code in (403, 404)
