"""A person with roles in two towns: classes, activities and the desk are those of the town that is chosen, and the bar shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM, Role
from mdm.accounts.models import Account
from mdm.accounts.roles import add_role
from profiles.apps.service import create_app
from profiles.effective.app_requests import service as app_requests
from profiles.effective.app_requests.service import RequestedApp
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


class Place(NamedTuple):
    """A town with one school and two classes of it."""

    town_id: UUID
    school_id: UUID
    class_ids: list[UUID]


def create_place(server: LiveServer, name: str) -> Place:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town(name)
        school = world.create_school(town, f"École de {name}")
        return Place(town.id, school.id, [world.create_class(school, f"{label} {name}").id for label in ("CE2", "CM1")])


@pytest.fixture
def places(server: LiveServer) -> list[Place]:
    return [create_place(server, name) for name in ("Amblay", "Belleville")]


def act_in_both(server: LiveServer, person: Callable[..., Person], places: list[Place], role: Role) -> Person:
    both = person(places[0].town_id, role, school_id=None if role is Role.TOWN_ADMIN else places[0].school_id)
    with server.runtime.open_unit_of_work() as work:
        account = work.session.scalars(select(Account)).one()
        school_id = None if role is Role.TOWN_ADMIN else places[1].school_id
        add_role(work, SYSTEM, account, role, places[1].town_id, school_id, None)
    return both


def read_bar(page: str) -> str:
    """Return the place that the bar of a page shows."""
    return page.partition("Lieu : ")[2].partition(" Commune")[0].partition(" ")[0]


def test_classes_and_desk_are_those_of_the_town_in_the_bar(
    server: LiveServer, person: Callable[..., Person], places: list[Place]
) -> None:
    client = act_in_both(server, person, places, Role.TOWN_ADMIN).client
    assert f'href="/class?town={places[1].town_id}"' in client.get(f"/today?town={places[1].town_id}").text
    for address, own, other in (
        ("/class", "Amblay", "Belleville"),
        (f"/class?town={places[1].town_id}", "Belleville", "Amblay"),
        (f"/class?class_id={places[1].class_ids[0]}", "Belleville", "Amblay"),
    ):
        page = read(client.get(address))
        assert (f"CM1 {own}" in page, f"CM1 {other}" in page, read_bar(page)) == (True, False, own), address
    chosen = client.get(f"/desk?town={places[1].town_id}")
    assert chosen.status_code == 303
    assert chosen.headers["location"] == f"/desk/{places[1].town_id}"
    assert read_bar(read(client.get(f"/desk/{places[1].town_id}"))) == "Belleville"
    assert read_bar(read(client.get(f"/accounts?town_id={places[1].town_id}"))) == "Belleville"
    assert "Dans quelle ville" in read(client.get("/desk"))
    assert "À faire 0" not in read(client.get("/today")), "a number stands for what needs a decision"


def ask_for_app(server: LiveServer, place: Place, name: str) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        create_app(work, SYSTEM, place.town_id, name=name, bundle_identifier=f"org.{name}", app_store_id=None, manifest_url=None)
        return app_requests.create_request(work, SYSTEM, place.class_ids[0], RequestedApp(name, "lire")).id


def test_requests_for_apps_are_those_of_the_town_in_the_bar(
    server: LiveServer, person: Callable[..., Person], places: list[Place]
) -> None:
    both = act_in_both(server, person, places, Role.TOWN_ADMIN)
    ask_for_app(server, places[0], "Lecture")
    asked = [ask_for_app(server, places[1], name) for name in ("Calcul", "Dessin")]
    in_other = f"/app-requests?town={places[1].town_id}"
    for address, own, other in (("/app-requests", "Lecture", "Calcul"), (in_other, "Calcul", "Lecture")):
        page = read(both.client.get(address))
        assert (own in page, other in page) == (True, False), "neither in the list, nor in the catalogue to choose from"
    assert read_bar(read(both.client.get(in_other))) == "Belleville"
    today = both.client.get(f"/today?town={places[1].town_id}")
    assert ("2 demandes d'application" in read(today), in_other in today.text) == (True, True)
    refused = send(both, f"/app-requests/{asked[0]}/refuse", answer=" ", town=places[1].town_id)
    assert (refused.status_code, read_bar(read(refused))) == (422, "Belleville"), "a refused form stays in its town"
    decided = send(both, f"/app-requests/{asked[0]}/refuse", answer="non", town=places[1].town_id)
    assert decided.headers["location"] == f"{in_other}&done=refused"
    assert "1 demande d'application" in read(both.client.get(f"/today?town={places[1].town_id}"))
    head = person(places[1].town_id, Role.HEAD, school_id=places[1].school_id)
    assert "CE2 Belleville" in read(head.client.get("/app-requests")), "who has one town need not name it"


def test_activities_are_those_of_the_town_in_the_bar(
    server: LiveServer, person: Callable[..., Person], places: list[Place]
) -> None:
    client = act_in_both(server, person, places, Role.AFTER_SCHOOL_AGENT).client
    for address, own, other in (
        ("/activities", "Amblay", "Belleville"),
        (f"/activities?town={places[1].town_id}", "Belleville", "Amblay"),
        (f"/activities?school={places[1].school_id}", "Belleville", "Amblay"),
    ):
        page = client.get(address)
        assert (f"École de {own}" in page.text, f"École de {other}" in page.text) == (True, False), address


def test_who_teaches_in_another_town_alone_sees_no_class_in_this_one(
    server: LiveServer, person: Callable[..., Person], places: list[Place]
) -> None:
    head = person(places[1].town_id, Role.HEAD, school_id=places[1].school_id).client
    assert "Aucune classe" in read(head.get(f"/class?town={places[0].town_id}"))
    assert "CM1 Belleville" in read(head.get("/class"))
