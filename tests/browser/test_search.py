"""The search of the bar by keyboard alone, the place, and a card that goes when it is done, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cartable.scope import Role
from enrollment.places.models import Town
from enrollment.rosters.models import ImportState, RosterImport
from mdm.care.lost_mode.models import LostCase
from tests.browser.accessible import check_page
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def town(server: LiveServer) -> tuple[Town, str]:
    """A town of two schools, a child with a tablet, a lost tablet that nobody has confirmed, a roster to confirm; the child's tablet."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        world.create_school(town, "École Prévert")
        tablet, lost = world.create_tablet(town), world.create_tablet(town, school_id=school.id)
        world.lend_tablet(tablet, world.create_pupil(world.create_class(school), last="LE GOFF", first="Anne-Laure"))
        work.session.add(
            LostCase(town_id=town.id, school_id=school.id, tablet_id=lost.id, reason="bus", message="m", requested_at=work.now)
        )
        work.session.add(
            RosterImport(town_id=town.id, school_id=school.id, format="onde", state=ImportState.PREVIEWED, file_sha256="0" * 64,
                         counts={}, plan="{}", uploaded_at=work.now)
        )  # fmt: skip
        return town, str(tablet.id)


def test_a_child_is_found_with_the_keyboard_alone(
    server: LiveServer, town: tuple[Town, str], sign_in: Callable[..., Page]
) -> None:
    page = sign_in(town[0].id, Role.HELPDESK, "helpdesk")
    page.wait_for_url("**/today")
    page.keyboard.press("/")
    search = page.get_by_role("combobox", name="Rechercher un enfant")
    expect(search).to_be_focused()
    page.keyboard.type("legof", delay=20)
    expect(page.get_by_role("option")).to_have_count(1)
    expect(search).to_have_attribute("aria-expanded", "true")
    check_page(page)
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("option", selected=True)
    expect(chosen).to_contain_text("Anne-Laure LE GOFF")
    expect(search).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(search).to_have_value("legof")
    page.keyboard.type("f")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tablets/{town[1]}")
    page.keyboard.press("/")
    page.keyboard.type("prévert")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?**")
    expect(page.get_by_role("heading", name="Écoles")).to_be_visible()


def test_a_card_goes_when_it_is_done_and_the_place_narrows_the_page(
    server: LiveServer, town: tuple[Town, str], sign_in: Callable[..., Page]
) -> None:
    page = sign_in(town[0].id, Role.TOWN_ADMIN, "admin")
    page.wait_for_url("**/today")
    expect(page.locator("[data-card=lost]")).to_be_visible()
    expect(page.locator("header .waiting")).to_have_text("À faire 2")
    page.get_by_role("link", name="1 liste à confirmer").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    with server.runtime.open_unit_of_work() as work:
        case = work.session.scalars(select(LostCase)).one()
        case.confirmed_at = work.now
    page.get_by_role("link", name="À faire").click()
    expect(page.locator("[data-card=lost]")).to_have_count(0)
    expect(page.locator("header .waiting")).to_have_text("À faire 1")
    page.locator("header details.place summary").click()
    page.get_by_role("link", name="École Prévert").click()
    page.wait_for_url("**/today?town=*&school=*")
    expect(page.locator("[data-card=imports]")).to_have_count(0)
    expect(page.locator("header .waiting")).to_have_text("À faire")
    page.set_viewport_size({"width": 390, "height": 800})
    check_page(page)
