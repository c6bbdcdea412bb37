"""Merging two schools in the console: what would move is shown, the password is asked, and the school is closed."""

from __future__ import annotations

from collections.abc import Callable

from cartable.scope import Role
from enrollment.places.models import School
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_person_merges_two_schools(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        old, new = world.create_school(town, "École A"), world.create_school(town, "École B")
        world.create_pupil(world.create_class(old))
        town_id, old_id, new_id = town.id, old.id, new.id
    admin = person(town_id, Role.TOWN_ADMIN)
    address = f"/town/{town_id}/schools/{old_id}/merge"
    assert address in admin.client.get(f"/town?town={town_id}").text
    page = admin.client.get(address, params={"new_school": str(new_id)})
    assert "École A passe dans École B" in read(page)
    assert "Élèves 1" in read(page)
    assert send(admin, address, new_school=new_id).status_code == 303
    with server.runtime.open_unit_of_work() as work:
        assert work.session.get_one(School, old_id).closed_on is not None
    again = send(admin, address, new_school=new_id)
    assert (again.status_code, "est fermée" in read(again)) == (409, True)
    assert admin.client.get(address).status_code == 303  # no school was chosen
