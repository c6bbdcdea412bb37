"""The page of staff: an adult is entered, gets a tablet by its tag, leaves, and gives it back; a wrong scan keeps the page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from uuid import UUID

from cartable.scope import Role
from enrollment.tablets.models import TabletState
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import send
from tests.support.accounts import create_account
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def find_action(page: str, ending: str) -> str:
    return str(next(each for each in re.findall(r'action="([^"]+)"', page) if each.endswith(ending)))


def test_an_adult_from_the_entry_to_the_return(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        tablet = world.create_tablet(town)
        tablet.state = TabletState.STOCK
        town_id, school_id, tag = town.id, school.id, tablet.tag
    technician = person(town_id, Role.TECHNICIAN)

    def post(address: str, **fields: str) -> str:
        answer = technician.client.post(address, data={"csrf": technician.csrf, **fields}, follow_redirects=True)
        return html.unescape(answer.text)

    page = post(f"/staff/{town_id}/add", school_id=str(school_id), last_name="Ben", first_name="Ali", kind="after_school")
    assert "Ali Ben" in page
    assert "agent périscolaire, École Jules-Verne" in page
    lend = find_action(page, "/lend")
    assert 'role="alert"' in post(lend, scan="NOWHERE", signed_by="Ali Ben")
    assert 'role="alert"' in post(lend, scan=tag), "nobody has signed"
    page = post(lend, scan=tag, signed_by="Ali Ben")
    assert f">{tag}</a>" in page
    assert "/join/" in post(lend.replace("/lend", "/invite"))
    page = post(find_action(page, "/leave"))
    assert "Partis, avec une tablette encore" in page
    listed = html.unescape(technician.client.get("/").text)
    assert "Ali Ben (personnel)" in listed
    page = post(re.findall(r'action="(/staff/[^"]+/return/[^"]+)"', page)[0], condition="good")
    assert "La tablette est revenue" in page
    assert "Ali Ben" not in page
    helpdesk = person(town_id, Role.HELPDESK)
    assert helpdesk.client.get(f"/staff?town={town_id}").status_code == 404


def test_who_has_left_and_can_still_sign_in_is_shown_to_who_governs(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        other_town = world.create_town("Autreville")
        town_id, school_id = town.id, school.id
        account_id = create_account(work, town.id, Role.TECHNICIAN, "ali@valmont.example").id
        create_account(work, other_town.id, Role.TECHNICIAN, "zoe@valmont.example")
    admin, technician = person(town_id, Role.TOWN_ADMIN), person(town_id, Role.TECHNICIAN)

    def read_page(reader: Person) -> str:
        return html.unescape(reader.client.get("/staff").text)

    for first, email in (("Ali", "Ali@valmont.example"), ("Zoé", "zoe@valmont.example")):
        form = {"school_id": str(school_id), "last_name": "Ben", "first_name": first, "email": email, "kind": "main"}
        admin.client.post(f"/staff/{town_id}/add", data={"csrf": admin.csrf, **form})
    assert "Partis, et peuvent encore se connecter" not in read_page(admin)
    for _ in range(2):
        admin.client.post(find_action(read_page(admin), "/leave"), data={"csrf": admin.csrf})
    page = read_page(admin)
    assert "Partis, et peuvent encore se connecter" in page
    assert f"/accounts/{account_id}?town_id={town_id}" in page
    assert "zoe@valmont.example" not in page, "an account of another town is not this town's matter"
    assert "Partis, et peuvent encore" not in read_page(technician)
    send(admin, f"/accounts/{account_id}/disable", town_id=str(town_id))
    assert "Partis, et peuvent encore" not in read_page(admin)


def test_the_page_of_another_town_does_not_exist(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        mine, other = world.create_town().id, world.create_town().id
        school_id: UUID = world.create_school(world.session.get_one(type(world.create_town()), other)).id
    technician = person(mine, Role.TECHNICIAN)
    assert technician.client.get(f"/staff?town={other}").status_code == 404
    form = {"csrf": technician.csrf, "school_id": str(school_id), "last_name": "A", "first_name": "B"}
    assert technician.client.post(f"/staff/{mine}/add", data=form).status_code == 404
