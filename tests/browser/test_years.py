"""The turn of the year in a real browser: the town prepares, a head ticks by keyboard, the town applies, undoes and closes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, select

from cartable.clock import ManualClock
from cartable.scope import Role
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, Town
from enrollment.places.rules import get_school_year
from enrollment.rollover.models import Rollover
from tests.browser.accessible import check_page
from tests.browser.pictures import take_picture
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD
from tests.support.returns import set_return_day
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


@pytest.fixture
def place(server: LiveServer) -> tuple[Town, School, School]:
    """A class of two levels in one school; a CM2 with a tablet; another school."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school, other = world.create_school(town), world.create_school(town, "École Simone-Veil")
        both, cm2 = world.create_class(school, "CE1-CE2"), world.create_class(school, "CM2")
        for number in range(4):
            world.create_pupil(both, Grade.CE1 if number % 2 else Grade.CE2, last=f"NOM{number}", first="Ana")
        world.lend_tablet(world.create_tablet(town), world.create_pupil(cm2, Grade.CM2, last="GRAND", first="Léo"))
        world.create_pupil(world.create_class(other, "CP"), Grade.CP, last="AUTRE", first="Zoé")
        world.create_tablet(town)
        return town, school, other


def test_from_the_preview_to_the_close(
    server: LiveServer, sign_in: Callable[..., Page], place: tuple[Town, School, School], clock: ManualClock
) -> None:
    town, school, other = place
    admin = sign_in(town.id, Role.TOWN_ADMIN, "mairie")
    admin.get_by_role("link", name="Année scolaire").click()
    admin.get_by_role("button", name="Préparer l'aperçu").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Passage")
    expect(admin.get_by_role("row", name=school.name)).to_be_visible()
    check_page(admin)

    head = sign_in(town.id, Role.HEAD, "directrice", school.id)
    _record_decisions_as_head(head, server, school, other)
    admin.get_by_role("link", name="Année scolaire").click()
    expect(admin.get_by_role("row", name=school.name)).to_contain_text("oui, le")
    with server.runtime.open_unit_of_work() as work:
        set_return_day(work, work.session.scalars(select(Rollover)).one())
    admin.get_by_role("button", name="Ouvrir la campagne").click()
    admin.get_by_label("Mot de passe").fill(PASSWORD)
    admin.get_by_role("button", name="Continuer").click()
    expect(admin.get_by_text("Campagne ouverte")).to_be_visible()
    admin.get_by_role("button", name="Mettre 1 tablette en réserve").click()
    expect(admin.get_by_text("1 en réserve")).to_be_visible()
    expect(admin.get_by_role("button", name="Appliquer le passage")).to_have_count(0)
    admin.get_by_role("button", name="L'appliquer tout seul").click()
    expect(admin.get_by_text("Il s'appliquera tout seul")).to_be_visible()
    check_page(admin)

    _move_clock_to_september(server, clock, town)
    for who, login in ((admin, "mairie"), (head, "directrice")):
        _sign_in_again(who, server, login)
    admin.get_by_role("link", name="Année scolaire").click()
    admin.get_by_role("button", name="Appliquer le passage").click()
    expect(admin.get_by_role("status")).to_have_text("Le passage est appliqué.")
    assert _load_grades(server) == {"NOM0": "CE2", "NOM1": "CE2", "NOM2": "CM1", "NOM3": "CE2", "GRAND": "CM2", "AUTRE": "CE1"}
    admin.get_by_role("button", name="Annuler le passage").click()
    expect(admin.get_by_role("status")).to_have_text("Le passage est annulé.")
    admin.get_by_role("button", name="Appliquer le passage").click()
    admin.get_by_role("button", name="Clore le passage").click()
    expect(admin.get_by_role("status")).to_have_text("Le passage est clos.")
    head.goto(f"{server.url}/year/schools/{school.id}")
    expect(head.get_by_role("button", name="J'ai terminé")).to_have_count(0)


def _record_decisions_as_head(head: Page, server: LiveServer, school: School, other: School) -> None:
    head.get_by_role("link", name="Année scolaire").click()
    expect(head.get_by_role("row", name=other.name)).to_have_count(0)
    expect(head.get_by_role("button", name="Mettre à jour")).to_have_count(0)
    expect(head.get_by_text("Licences à la rentrée")).to_have_count(0)
    head.get_by_role("link", name=school.name).click()
    head.get_by_label("Nom de la classe").fill("CE2-CM1")
    head.get_by_role("button", name="Ajouter la classe").click()
    expect(head.get_by_role("status")).to_have_text("C'est enregistré.")
    check_page(head)
    head.get_by_role("link", name="CE1-CE2", exact=True).click()
    check_page(head)
    take_picture(head, "console-year-class")
    group = head.get_by_role("group", name="Que devient Ana NOM0 ?")
    group.get_by_role("radio", name="passe").focus()
    head.keyboard.press("ArrowRight")
    expect(group.get_by_role("radio", name="maintenu")).to_be_checked()
    head.get_by_label("Classe de Ana NOM1 l'an prochain").select_option(label="CE2-CM1")
    head.get_by_role("button", name="Enregistrer").click()
    expect(head.get_by_role("row", name="Ana NOM0")).to_contain_text("coché")
    expect(head.get_by_role("row", name="Ana NOM1")).not_to_contain_text("coché")
    head.get_by_role("link", name=school.name).click()
    expect(head.get_by_role("row", name="CE2-CM1")).to_contain_text("CE2 1")
    head.get_by_role("button", name="J'ai terminé de cocher").click()
    head.get_by_label("Toute l'école").fill("2027-06-24")
    head.locator("section", has=head.get_by_role("heading", name="Jours de retour")).get_by_role("button").click()
    expect(head.get_by_label("Toute l'école")).to_have_value("2027-06-24")
    head.goto(f"{server.url}/year/schools/{other.id}")
    expect(head.get_by_role("alert")).to_have_text("Introuvable.")


def _move_clock_to_september(server: LiveServer, clock: ManualClock, town: Town) -> None:
    year = int(get_school_year(clock.now().date())[:4]) + 1
    clock.advance(datetime(year, 9, 1, 8, tzinfo=UTC) - clock.now() + timedelta(minutes=1))


def _sign_in_again(page: Page, server: LiveServer, login: str) -> None:
    """Nobody stays signed in for a year."""
    page.goto(server.url + "/")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("main button")


def _load_grades(server: LiveServer) -> dict[str, str]:
    with server.runtime.open_unit_of_work() as work:
        return {row.last_name: row.grade.value for row in work.session.scalars(select(Pupil))}
