"""Requests for apps in the console: a teacher asks, the head supports, the town gives or refuses, and the teacher reads the answer."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from uuid import UUID

from sqlalchemy import select

from cartable.scope import SYSTEM, Role
from profiles.apps.data_sheets import service as sheets
from profiles.apps.data_sheets.models import AppVerdict
from profiles.apps.service import create_app
from profiles.effective.app_requests.models import AppRequest
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.profiles.apps.test_data_sheets import FACTS
from tests.support.server import LiveServer
from tests.support.world import TownFactory

PAGE = "/app-requests"


def find_request(server: LiveServer, name: str) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        found = work.session.scalar(select(AppRequest.id).where(AppRequest.name == name))
        assert found is not None
        return found


def test_a_request_is_asked_supported_given_and_taken_back(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        school_class = world.create_class(school)
        app = create_app(
            work, SYSTEM, town.id, name="ScratchJr", bundle_identifier="org.scratchjr.ipad", app_store_id=None, manifest_url=None
        )
        town_id, school_id, class_id, app_id = town.id, school.id, school_class.id, app.id
    head, admin = person(town_id, Role.HEAD, school_id=school_id), person(town_id, Role.TOWN_ADMIN)
    fields = {
        "class_id": class_id,
        "name": "ScratchJr",
        "reason": "programmer",
        "store_link": "https://apps.apple.com/fr/app/id895485086",
    }
    wrong = send(head, PAGE, **{**fields, "until": "2001-01-01"})
    assert (wrong.status_code, "programmer" in unescape(wrong.text)) == (422, True)
    assert "n'envoie pas de courriel" in read(head.client.get(PAGE)), "the answer stands here only"
    assert send(head, PAGE, **fields).status_code == 303
    address = f"{PAGE}/{find_request(server, 'ScratchJr')}"
    assert send(head, f"{address}/support").status_code == 303
    assert "la direction la soutient" in read(admin.client.get(PAGE))
    assert "1 demande d'application" in read(admin.client.get("/today"))
    early = send(admin, f"{address}/approve", app_id=app_id)
    assert (early.status_code, "n'a pas encore autorisé ScratchJr" in read(early)) == (409, True)
    with server.runtime.open_unit_of_work() as work:
        sheets.save_sheet(work, SYSTEM, app_id, FACTS)
        sheets.decide_verdict(work, SYSTEM, app_id, AppVerdict.ALLOWED)
    assert send(admin, f"{address}/approve", app_id=app_id, answer="bonne idée").status_code == 303
    assert "bonne idée" in read(head.client.get(PAGE))
    assert send(admin, f"{address}/end").status_code == 303
    assert "retirée" in read(head.client.get(PAGE))
    assert send(head, PAGE, **{**fields, "name": "Jeu"}).status_code == 303
    refused = f"{PAGE}/{find_request(server, 'Jeu')}/refuse"
    assert send(head, refused, answer="non").status_code == 403
    assert send(admin, refused, answer=" ").status_code == 422
    assert send(admin, refused, answer="pas au programme").status_code == 303
    assert "pas au programme" in read(head.client.get(PAGE))
    assert person(town_id, Role.DPO).client.get(PAGE).status_code == 404
