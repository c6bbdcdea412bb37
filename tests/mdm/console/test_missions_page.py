"""The operator enters a technician of several towns; a town calls her for some days and sends her away."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from zoneinfo import ZoneInfo

import httpx

from cartable.scope import Role
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_technician_is_entered_called_and_sent_away(
    server: LiveServer, person: Callable[..., Person], operator_of: Callable[[], Person]
) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tag, town_id, today = (
            world.create_tablet(town).tag,
            town.id,
            work.now.astimezone(ZoneInfo("Europe/Paris")).date().isoformat(),
        )
    operator, admin, helper = operator_of(), person(town_id, Role.TOWN_ADMIN), person(town_id, Role.HELPDESK)
    form = {"login": "thea", "display_name": "Théa Tech"}
    made = send(operator, "/towns/technicians", **form)
    link = re.search(r'value="(https://[^"]+/welcome/[^"]+)"', made.text)
    assert link, made.text
    twice = send(operator, "/towns/technicians", **form)
    assert (twice.status_code, 'value="Théa Tech"' in twice.text) == (409, True)
    assert send(admin, "/towns/technicians", login="other", display_name="Other").status_code == 403
    days = {"first_day": today, "last_day": today, "reason": "mise en service"}
    unknown = send(admin, f"/missions/{town_id}", login="nobody", **days)
    assert (unknown.status_code, "Aucun technicien" in read(unknown), 'value="nobody"' in unknown.text) == (404, True, True)
    assert send(admin, f"/missions/{town_id}", login="thea", **days | {"last_day": ""}).status_code == 422
    assert helper.client.get("/missions").status_code == 404
    with httpx.Client(verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20) as thea:
        thea.post(link[1], data={"password": "a sentence of my own", "again": "a sentence of my own"})
        assert tag not in thea.get(f"{server.url}/", follow_redirects=True).text
        assert send(admin, f"/missions/{town_id}", login="thea", **days).status_code == 303
        assert tag in thea.get(f"{server.url}/?state=in_use", follow_redirects=True).text
        mission = re.search(r"/missions/([^/]+)/end", admin.client.get("/missions").text)
        assert mission
        assert send(admin, f"/missions/{mission[1]}/end").status_code == 303
        assert tag not in thea.get(f"{server.url}/?state=in_use", follow_redirects=True).text
