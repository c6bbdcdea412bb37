"""The page of the emergency card: the numbers of the State for everybody, the phones of schools that a person writes, nothing of anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from ssl import create_default_context
from typing import Any

import httpx
import pytest

from cartable.scope import Role
from enrollment.places.models import School
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def open_card(server: LiveServer, address: str, **request: Any) -> httpx.Response:
    """Return the page as a stranger's tablet loads it."""
    with httpx.Client(base_url=server.url, verify=create_default_context(cafile=str(server.ca))) as client:
        return client.get(address, **request)


def test_a_phone_that_a_person_writes_stands_on_the_card(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        open_school, closed = world.create_school(town, "École A"), world.create_school(town, "École B")
        closed.phone, closed.closed_on = "01 99 99 99 99", date(2026, 7, 4)
        world.create_pupil(world.create_class(open_school), first="Ada")
        town_id, school_id = town.id, open_school.id
    admin = person(town_id, Role.TOWN_ADMIN)
    address = f"/town/{town_id}/schools/{school_id}/phone"
    wrong = send(admin, address, phone="demander à Ada")
    assert (wrong.status_code, "numéro de téléphone" in read(wrong)) == (422, True)
    assert send(admin, address, phone="01 23 45 67 89").status_code == 303
    assert '"01 23 45 67 89"' in admin.client.get(f"/town?town={town_id}").text
    card = open_card(server, f"/emergency/{town_id}", headers={"accept-language": "fr"})
    assert "École A 01 23 45 67 89" in read(card)
    assert "École B" not in read(card)
    assert "Ada" not in read(card)
    assert "set-cookie" not in card.headers
    assert card.headers["cache-control"] == "private, max-age=86400"
    assert len(card.content) < 10_000
    assert send(admin, address, phone="").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(School, school_id).phone is None


@pytest.mark.parametrize("address", ["/emergency/00000000-0000-0000-0000-000000000000", "/emergency/vanves"])
def test_the_numbers_of_the_state_stand_at_any_address(server: LiveServer, address: str) -> None:
    french = open_card(server, address, headers={"accept-language": "fr"})
    assert french.status_code == 200
    assert all(number in read(french) for number in ("3018", "119", "112", "15", "17", "18", "114"))
    assert "prends un téléphone" in read(french)
    english = open_card(server, address, params={"lang": "en"})
    assert "This tablet cannot phone" in read(english)
