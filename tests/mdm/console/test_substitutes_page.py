"""The page of substitutes: from the head's form to a substitute who sees one class and nothing else."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from datetime import timedelta

import httpx

from cartable.scope import Role
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_substitute_from_the_invitation_to_the_end(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        school_class = world.create_class(school)
        world.create_pupil(school_class)
        town_id, school_id, class_id = town.id, school.id, school_class.id
        day = (work.now + timedelta(days=10)).date().isoformat()
    head, technician = person(town_id, Role.HEAD, school_id=school_id), person(town_id, Role.TECHNICIAN)
    assert technician.client.get("/substitutes").status_code == 404
    assert 'href="/substitutes"' in head.client.get("/").text
    form = {"login": "lea@valmont.example", "display_name": "Léa Petit", "class_id": str(class_id)}
    wrong = send(head, f"/substitutes/{school_id}", last_day="2031-01-01", **form)
    assert (wrong.status_code, 'value="Léa Petit"' in wrong.text) == (422, True)
    made = send(head, f"/substitutes/{school_id}", last_day=day, **form)
    link = re.search(r'value="(https://[^"]+/welcome/[^"]+)"', made.text)
    assert link, made.text
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(verify=trust, timeout=20, headers={"Accept-Language": "fr"}) as lea:
        lea.post(link[1], data={"password": "une phrase à moi", "again": "une phrase à moi"})
        assert "Zoé M." in lea.get(f"{server.url}/class").text
        assert lea.get(f"{server.url}/accounts").status_code == 404
        assert send(head, f"/substitutes/{school_id}", last_day=day, **form).headers["location"].endswith("done=known")
        role_id = re.search(r"/substitutes/roles/([^/]+)/end", head.client.get("/substitutes").text)
        assert role_id
        assert send(head, f"/substitutes/roles/{role_id[1]}/end").status_code == 303
        assert "Personne en ce moment" in read(head.client.get("/substitutes"))
        assert lea.get(f"{server.url}/class").status_code == 404
