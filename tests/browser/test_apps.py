"""Apps in a real browser: an admin gives a bundle to a grade in three clicks, and sees which tablets lack it and why."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import SYSTEM, Role
from mdm.reconcile.service import reconcile_tablets
from profiles.apps import licences
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer


def test_a_bundle_is_given_to_a_grade_in_three_clicks(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        place = BundleTown(work)
        licences.set_pool_total(work, SYSTEM, place.app.id, 2)
    page = sign_in(place.town.id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/apps")
    check_page(page)
    page.get_by_role("link", name="Code, CE2").click()
    expect(page.get_by_role("row", name="ScratchJr")).to_contain_text("3")
    check_page(page)
    page.get_by_role("button", name="Publier").click()
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Continuer").click()
    expect(page.get_by_role("alert")).to_contain_text("Il faut 3 licences de ScratchJr")
    page.get_by_label("Publier bien que des licences manquent").check()
    page.get_by_role("button", name="Publier").click()
    expect(page.get_by_role("status")).to_contain_text("Le bouquet est donné")
    with server.runtime.open_unit_of_work() as work:
        reconcile_tablets(work, place.ids)
    page.reload()
    check_page(page)
    expect(page.get_by_role("row", name="pas de licence libre")).to_have_count(1)
