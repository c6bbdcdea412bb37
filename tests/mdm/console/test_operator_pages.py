"""The operator's pages: towns for others with their first administrators, and the alarms of the whole server."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable

import httpx
import pytest

from cartable.alarms import Alarm, AlarmKind, raise_alarm
from cartable.scope import Role
from enrollment.places.models import Town
from mdm.accounts.models import Account
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def operator(operator_of: Callable[[], Person]) -> Person:
    return operator_of()


def get_link(page: httpx.Response) -> str:
    """The link that a page shows once."""
    match = re.search(r'value="(https://[^"]+/welcome/[^"]+)"', page.text)
    assert match, page.text
    return match[1]


def test_a_town_for_others_and_its_first_administrator(server: LiveServer, operator: Person) -> None:
    assert send(operator, "/towns", name="Belleville-sur-Craie", zone="B").status_code == 303
    assert "Personne ne l'administre" in read(operator.client.get("/towns"))
    hosted = {"name": "Ailleurs", "zone": "B", "host": "tablets.ailleurs"}
    assert send(operator, "/towns", **hosted | {"host": "https://x"}).status_code == 422
    assert send(operator, "/towns", **hosted).status_code == 303
    assert "joignent le serveur à tablets.ailleurs" in read(operator.client.get("/towns"))
    again = send(operator, "/towns", name="Belleville-sur-Craie", zone="B")
    assert (again.status_code, 'value="Belleville-sur-Craie"' in again.text) == (409, True)
    with server.runtime.open_unit_of_work() as work:
        town_id = work.session.query(Town).filter_by(slug="belleville-sur-craie").one().id
    form = {"login": "claire", "display_name": "Claire Morel"}
    first = get_link(send(operator, f"/towns/{town_id}/administrators", **form))
    page = operator.client.get("/towns")
    assert "Claire Morel" in page.text, "she has not used the link yet"
    with server.runtime.open_unit_of_work() as work:
        account_id = work.session.query(Account).filter(Account.login == "claire").one().id
    second = get_link(send(operator, f"/towns/{town_id}/administrators/{account_id}/link"))
    with httpx.Client(verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20) as claire:
        assert claire.get(first).status_code == 410, "a newer link has replaced it"
        chosen = claire.post(second, data={"password": "a sentence of my own", "again": "a sentence of my own"})
        assert chosen.status_code == 303
    page = operator.client.get("/towns")
    assert "Claire Morel" not in page.text, "who works in a town is the town's own matter"
    assert send(operator, f"/towns/{town_id}/administrators/{account_id}/link").status_code == 409
    taken = send(operator, f"/towns/{town_id}/administrators", login="other", display_name="Other")
    assert taken.status_code == 409
    assert operator.client.get(f"/accounts?town_id={town_id}").status_code == 404, "the operator sees into no town"


def test_the_operator_reads_and_notes_alarms_of_the_server(
    server: LiveServer, operator: Person, person: Callable[..., Person]
) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        town_id = town.id
        raise_alarm(work, None, AlarmKind.PUSHES_STOPPED)
        raise_alarm(work, town.id, AlarmKind.ROLLOUT_STOPPED)
    page = operator.client.get("/system")
    assert "Apple refuse nos notifications" in read(page)
    assert "s'est arrêté" not in read(page), "alarms of towns are theirs"
    with server.runtime.open_unit_of_work() as work:
        ids = {alarm.town_id: alarm.id for alarm in work.session.query(Alarm)}
    admin = person(town_id, Role.TOWN_ADMIN)
    assert f"/system/alarms/{ids[None]}" not in admin.client.get("/system").text
    assert send(admin, f"/system/alarms/{ids[None]}/acknowledge").status_code == 404, "the operator's own"
    assert send(operator, f"/system/alarms/{ids[town_id]}/acknowledge").status_code == 404
    assert send(operator, f"/system/alarms/{ids[None]}/acknowledge").status_code == 303
    assert f"/system/alarms/{ids[None]}" not in operator.client.get("/system").text


def test_the_menu_of_the_operator(operator: Person, person: Callable[..., Person], server: LiveServer) -> None:
    menu = operator.client.get("/start").text
    assert all(f'href="{address}"' in menu for address in ("/towns", "/system"))
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    admin = person(town_id, Role.TOWN_ADMIN)
    assert 'href="/towns"' not in admin.client.get("/").text
    assert admin.client.get("/towns").status_code == 403
