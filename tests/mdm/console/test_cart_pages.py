"""Carts, reservations and invitations by their pages: from the first to the last step, refusals with what was typed, and who may not."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest

from cartable.scope import Role
from enrollment.tablets.models import TabletState
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


class CartTown:
    """A school with a class of two children without tablets, and three tablets in stock."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            school = world.create_school(town)
            school_class = world.create_class(school)
            world.create_pupil(school_class)
            world.create_pupil(school_class, first="Basile")
            tablets = [world.create_tablet(town) for _ in range(3)]
            for tablet in tablets:
                tablet.state = TabletState.STOCK
            self.town_id, self.school_id, self.class_id = town.id, school.id, school_class.id
            self.tags, self.serials = [each.tag for each in tablets], [each.serial for each in tablets]


@pytest.fixture
def place(server: LiveServer) -> CartTown:
    return CartTown(server)


@pytest.fixture
def technician(person: Callable[..., Person], place: CartTown) -> Person:
    return person(place.town_id, Role.TECHNICIAN)


def test_a_cart_is_made_filled_and_emptied(technician: Person, place: CartTown) -> None:
    create = f"/carts/{place.town_id}/create"
    assert send(technician, create, school_id=place.school_id, label="Chariot 2", slots=500).status_code == 422
    made = send(technician, create, school_id=place.school_id, label="Chariot 2", slots=2)
    assert made.status_code == 303
    page = made.headers["location"].partition("?")[0]
    assert "Chariot 2" in read(technician.client.get("/carts"))
    refused = send(technician, f"{page}/put", number=1, scan="NOWHERE")
    assert (refused.status_code, "NOWHERE" in refused.text) == (422, True)
    assert send(technician, f"{page}/put", number=1, scan=place.tags[0]).status_code == 303
    assert place.tags[0] in read(technician.client.get(page))
    assert send(technician, f"{page}/empty", number=1).status_code == 303
    assert place.tags[0] not in technician.client.get(page).text


def test_tablets_are_reserved_for_a_class_and_released(technician: Person, place: CartTown) -> None:
    reserve = f"/coming/{place.town_id}/reserve"
    refused = send(technician, reserve, class_id=place.class_id, serials="UNKNOWN1")
    assert (refused.status_code, "UNKNOWN1</textarea>" in refused.text) == (404, True)
    assert (
        send(technician, reserve, class_id=place.class_id, serials="\n".join(place.serials[:2]), for_pupils="true").status_code
        == 303
    )
    page = technician.client.get("/coming").text
    assert place.serials[0] in page
    withdraw = re.search(r'action="(/coming/[^"]+/withdraw)"', page)
    assert withdraw is not None
    assert send(technician, withdraw[1]).status_code == 303
    assert len(re.findall(r"/reservations/[^/]+/withdraw", technician.client.get("/coming").text)) == 1


def test_an_invitation_of_a_class_is_made_and_withdrawn(technician: Person, place: CartTown) -> None:
    assert send(technician, f"/coming/{place.town_id}/invite", class_id=place.class_id, max_uses=30).status_code == 303
    page = technician.client.get("/coming").text
    assert "/join/" in page
    revoke = re.search(r'action="(/coming/[^"]+/revoke)"', page)
    assert revoke is not None
    assert send(technician, revoke[1]).status_code == 303
    assert "/join/" not in technician.client.get("/coming").text


def test_these_pages_are_for_those_who_handle_tablets(person: Callable[..., Person], place: CartTown) -> None:
    helpdesk = person(place.town_id, Role.HELPDESK)
    assert helpdesk.client.get("/carts").status_code == 404
    assert helpdesk.client.get("/coming").status_code == 404
    for address, fields in (
        ("carts/{}/create", {"school_id": place.school_id, "label": "x"}),
        ("coming/{}/invite", {"class_id": place.class_id}),
    ):
        forbidden: dict[str, UUID | str] = fields  # type: ignore[assignment]
        assert send(helpdesk, "/" + address.format(place.town_id), **forbidden).status_code in (403, 404)
