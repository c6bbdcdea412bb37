"""The pages of apps: catalogue, bundles by grade, giving and withdrawing with the licences seen first."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade
from mdm.reconcile.service import reconcile_tablets
from profiles.effective import bundles
from profiles.policy.kinds import AppUse, PlaceKind
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.server import LiveServer
from tests.support.statements import count_statements


@pytest.fixture
def place(server: LiveServer) -> BundleTown:
    with server.runtime.open_unit_of_work() as work:
        return BundleTown(work)


@pytest.fixture
def admin(person: Callable[..., Person], place: BundleTown) -> Person:
    return person(place.town.id, Role.TOWN_ADMIN)


def test_a_bundle_is_given_to_a_grade_after_a_look_at_the_licences(server: LiveServer, admin: Person, place: BundleTown) -> None:
    assert 'href="/apps"' in admin.client.get("/").text
    send(admin, f"/apps/{place.town.id}/apps/{place.app.id}/licences", total=2)
    grid = read(admin.client.get("/apps"))
    assert "3 nécessaires, 2 libres 1 manquante" in grid, "three CE2 for two licences"
    assert "2 nécessaires, 2 libres" in grid
    give = f"/apps/bundles/{place.bundle.id}/give"
    preview = read(admin.client.get(f"{give}?place=grade:CE2"))
    assert "3 tablettes changeront" in preview
    refused = send(admin, give, place="grade:CE2", use="required")
    assert (refused.status_code, "3 licences de ScratchJr" in read(refused)) == (409, True), read(refused)
    assert send(admin, give, place="grade:CE2", use="required", accept_shortage="true").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert [each.target for each in bundles.describe_bundle(work, place.bundle).assignments] == ["CE2"]
        reconcile_tablets(work, place.ids)
    page = admin.client.get(f"/apps/bundles/{place.bundle.id}?done=given")
    assert "pas de licence libre" in read(page), read(page)
    assert place.tablets[-1].tag in page.text
    assert send(admin, f"/apps/bundles/{place.bundle.id}/withdraw", place="grade:CE2").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert bundles.describe_bundle(work, place.bundle).assignments == ()


def test_the_page_of_a_bundle_names_the_place_that_blocks_it(server: LiveServer, admin: Person, place: BundleTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.TOWN, "")
        bundles.assign_bundle(work, SYSTEM, place.bundle, PlaceKind.GRADE, "CE2", AppUse.BLOCKED)
        reconcile_tablets(work, place.ids)
    page = read(admin.client.get(f"/apps/bundles/{place.bundle.id}"))
    assert "3 bloquées par les règles de : niveau" in page, page
    assert "pas encore" not in page


def test_an_app_and_a_bundle_are_made_on_the_page(server: LiveServer, admin: Person, place: BundleTown) -> None:
    apps = f"/apps/{place.town.id}/apps"
    store = "https://apps.apple.com/fr/app/mathador/id912345678?mt=8"
    assert send(admin, apps, name="Mathador", bundle_identifier="fr.mathador", app_store_id=store).status_code == 303
    again = send(admin, apps, name="Mathador <b>", bundle_identifier="fr.mathador")
    assert again.status_code == 409
    assert "Mathador &lt;b&gt;" in again.text, "what was typed comes back"
    assert send(admin, apps, name="X", bundle_identifier="fr.x", app_store_id="demain").status_code == 422
    assert send(admin, f"/apps/{place.town.id}/bundles", name="Calcul", app_ids=[str(place.app.id)]).status_code == 303
    assert send(admin, f"/apps/{place.town.id}/bundles", name="Calcul").status_code == 409
    page = admin.client.get("/apps").text
    assert "App Store 912345678" in page
    assert "Calcul" in page


def test_the_apps_of_a_bundle_change(server: LiveServer, admin: Person, place: BundleTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        other = place.new_app(work, "Geogebra", 1146717204)
    changed = send(admin, f"/apps/bundles/{place.bundle.id}/apps", app_ids=[str(other.id)], reason="géométrie au CM1")
    assert changed.status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert [app.name for app in bundles.describe_bundle(work, place.bundle).apps] == ["Geogebra"]
    assert send(admin, f"/apps/bundles/{place.bundle.id}/apps", app_ids=[str(UUID(int=1))], reason="inconnue").status_code == 404


def test_the_number_of_statements_does_not_grow_with_bundles(server: LiveServer, admin: Person, place: BundleTown) -> None:
    with count_statements(server.runtime.engine) as few:
        admin.client.get("/apps")
    with server.runtime.open_unit_of_work() as work:
        for number in range(6):
            app = place.new_app(work, f"App{number}", 1000 + number)
            bundles.create_bundle(work, SYSTEM, place.town.id, f"B{number}", [app.id])
    with count_statements(server.runtime.engine) as many:
        page = admin.client.get("/apps")
    assert "B5" in page.text
    assert len(many) == len(few)


def test_others_do_not_write_apps(person: Callable[..., Person], place: BundleTown, server: LiveServer) -> None:
    technician = person(place.town.id, Role.TECHNICIAN)
    assert technician.client.get("/apps").status_code == 404
    assert technician.client.get(f"/apps/bundles/{place.bundle.id}").status_code == 404
    with server.runtime.open_unit_of_work() as work:
        elsewhere = BundleTown(work)
    stranger = person(elsewhere.town.id, Role.TOWN_ADMIN)
    for path in (f"/apps/bundles/{place.bundle.id}", f"/apps/bundles/{place.bundle.id}/give?place=grade:CE2"):
        assert stranger.client.get(path).status_code == 404
    for target in ("grade:XX", "school:nope", "x", f"school:{elsewhere.school.id}"):
        assert stranger.client.get(f"/apps/bundles/{place.bundle.id}/give", params={"place": target}).status_code == 404
    forged = stranger.client.post(f"/apps/{elsewhere.town.id}/bundles", data={"csrf": "x", "name": "B"})
    assert forged.status_code == 403
    assert Grade.CE2.value in stranger.client.get("/apps").text
