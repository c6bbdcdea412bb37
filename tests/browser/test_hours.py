"""The hours in a real browser: an evening hour is changed in three clicks, and a tablet's evening is looked up."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cartable.scope import SYSTEM, Role
from profiles.schedule import authoring
from tests.browser.accessible import check_page
from tests.browser.hands import open_chapter
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer


def test_a_town_without_hours_begins_with_an_ordinary_week(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    place = HoursTown(server)
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/hours")
    page.get_by_role("link", name="avec le mercredi matin").click()
    check_page(page)
    expect(page.get_by_label("Mercredi, École", exact=True)).to_have_value("08:30-11:30")
    page.get_by_label("Lundi, École", exact=True).fill("09:00-12:15, 13:45-15:45")
    page.get_by_label("Lundi, Périscolaire", exact=True).fill("15:45-18:30")
    page.get_by_role("button", name="Voir l'aperçu").click()
    page.get_by_role("button", name="Enregistrer les horaires").click()
    expect(page.get_by_role("img", name="09:00-12:15 école")).to_be_visible()
    expect(page.get_by_role("link", name="avec le mercredi matin")).to_have_count(0)


def test_the_evening_is_changed_in_three_clicks(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    place = HoursTown(server)
    with server.runtime.open_unit_of_work() as work:
        day = [{"kind": "school", "from": "08:30", "to": "11:30"}, {"kind": "school", "from": "13:30", "to": "16:30"}]
        week = {name: [*day, {"kind": "after_school", "from": "16:30", "to": "18:30"}] for name in ("mon", "tue", "thu", "fri")}
        authoring.save_timetable(work, SYSTEM, place.town_id, None, week=week, calendar="zone", night=("20:00", "07:00"))
    page = sign_in(place.town_id, Role.TOWN_ADMIN, "admin")
    open_chapter(page, "/hours")
    check_page(page)
    expect(page.get_by_role("img", name="08:30-11:30 école").first).to_be_visible()
    page.get_by_label("Repos de nuit de").fill("20:30")
    page.get_by_role("button", name="Voir l'aperçu").click()
    check_page(page)
    expect(page.get_by_text("Ils concernent 1 tablette.")).to_be_visible()
    page.get_by_role("button", name="Enregistrer les horaires").click()
    expect(page.get_by_label("Repos de nuit de")).to_have_value("20:30")
    open_chapter(page, "/hours/days")
    check_page(page)
    open_chapter(page, "/hours")
    page.get_by_role("link", name="Que sera une tablette ?").click()
    page.get_by_label("Étiquette ou numéro de série").fill(place.tag)
    page.get_by_label("Jour et heure").fill("2026-12-03T20:15")
    page.get_by_role("button", name="Montrer").click()
    check_page(page)
    expect(page.get_by_role("row", name=place.tag)).to_contain_text("maison")
