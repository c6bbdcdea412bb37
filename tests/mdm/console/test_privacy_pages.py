"""The pages of the data protection officer: requests with their terms, retention, and the audit trail with filters and export."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cartable import audit
from cartable.scope import SYSTEM, Role
from mdm.accounts.models import Account
from mdm.privacy import requests
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    return HoursTown(server)


@pytest.fixture
def officer(person: Callable[..., Person], place: HoursTown) -> Person:
    return person(place.town_id, Role.DPO)


def test_a_request_is_noted_extended_and_answered(server: LiveServer, officer: Person, place: HoursTown) -> None:
    assert officer.client.get("/").headers["location"] == "/data", "the officer's day begins there"
    base = f"/data/{place.town_id}/requests"
    assert send(officer, base, kind="access", requester="Mme Martin", note="dossier de Zoé").status_code == 303
    page = read(officer.client.get("/data"))
    assert "Mme Martin" in page
    assert "dossier de Zoé" in page
    with server.runtime.open_unit_of_work() as work:
        (row,) = requests.list_requests(work, SYSTEM, place.town_id).items
    assert send(officer, f"{base}/{row.id}/extend", reason="dossier volumineux").status_code == 303
    assert send(officer, f"{base}/{row.id}/extend", reason="encore une fois").status_code == 409
    assert send(officer, f"{base}/{row.id}/answer", outcome="done", answer="copie remise").status_code == 303
    assert send(officer, f"{base}/{row.id}/answer", outcome="done", answer="deux fois").status_code == 409
    assert send(officer, base, kind="access", requester="X", received_on="2999-01-01").status_code == 422


def test_the_retention_table_is_shown_in_words(officer: Person) -> None:
    page = read(officer.client.get("/data"))
    assert "Combien de temps quoi est gardé" in page or "Durées de conservation" in page
    assert page.count("jour") >= 1 or "Jours" in page


def test_the_audit_trail_is_filtered_and_exported(server: LiveServer, officer: Person, place: HoursTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        for number in range(3):
            audit.record_event(work, SYSTEM, "tablet.found", "tablet", place.tablet_id, town_id=place.town_id, number=number)
    everything = read(officer.client.get("/audit"))
    assert "tablet.found" in everything
    assert re.search(rf"tablette\s+{place.tablet_id}", everything), "its subject in words"
    assert "compte créé" in everything, "an act that is none on a tablet has its words too"
    only = read(officer.client.get("/audit", params={"what": "account."}))
    assert "tablet.found" not in only
    assert "tablet.found" not in read(officer.client.get("/audit", params={"who": "personne de ce nom"}))
    assert "tablet.found" in read(officer.client.get("/audit", params={"what": "tablet.f", "who": "SYS"}))
    assert officer.client.get("/audit", params={"what": "%", "after": "x"}).status_code in (200, 422)
    export = officer.client.get(f"/audit/{place.town_id}/export")
    assert export.headers["content-disposition"].startswith("attachment")
    events = [json.loads(line) for line in export.text.splitlines()]
    assert "audit.export" in {event["action"] for event in events}


def test_others_see_neither_requests_nor_the_trail(server: LiveServer, person: Callable[..., Person], place: HoursTown) -> None:
    for role in (Role.TECHNICIAN, Role.HELPDESK):
        client = person(place.town_id, role).client
        for path in ("/data", "/audit", f"/audit/{place.town_id}/export"):
            assert client.get(path).status_code == 404, (role, path)
    stranger = person(HoursTown(server).town_id, Role.DPO)
    assert stranger.client.get("/audit", params={"town": str(place.town_id)}).status_code == 404
    assert stranger.client.get(f"/audit/{place.town_id}/export").status_code == 404


def test_notices_retention_and_breaches_have_a_page(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    admin = person(town_id, Role.TOWN_ADMIN)
    assert read(admin.client.get("/data/duties")).count("à publier") == 3
    assert send(admin, f"/data/{town_id}/notices/children").status_code == 303
    assert read(admin.client.get("/data/duties")).count("à publier") == 2
    assert send(admin, f"/data/{town_id}/notices/children").status_code == 409
    assert send(admin, f"/data/{town_id}/retention/loan", days=5, reason="trop court").status_code == 422
    assert send(admin, f"/data/{town_id}/retention/loan", days=400, reason="litige").status_code == 303
    assert send(admin, f"/data/{town_id}/retention/run").status_code == 303
    late = send(admin, f"/data/{town_id}/breaches", known_at="2099-01-01T10:00", since="2026-01-01")
    assert (late.status_code, 'value="2099-01-01T10:00"' in late.text) == (422, True)
    assert send(admin, f"/data/{town_id}/breaches", known_at="2026-11-20T10:00").status_code == 303
    misspelt = send(admin, f"/data/{town_id}/breaches", known_at="2026-11-20T10:00", login="nobody@ville.example")
    assert (misspelt.status_code, "Aucun compte de cette ville" in misspelt.text) == (422, True), (
        "and not a report that touches nobody"
    )
    assert 'value="nobody@ville.example"' in misspelt.text
    with server.runtime.open_unit_of_work() as work:
        login = work.session.scalars(select(Account.login)).one()
    assert send(admin, f"/data/{town_id}/breaches", known_at="2026-11-20T10:00", login=login).status_code == 303
    page = read(admin.client.get("/data/duties"))
    assert "l'autorité avant le 23/11/2026" in page
    dpo = person(town_id, Role.DPO)
    assert "400" in read(dpo.client.get("/data/duties"))
    assert send(dpo, f"/data/{town_id}/retention/loan", days=300, reason="autre").status_code == 403
    assert person(town_id, Role.HELPDESK).client.get("/data/duties").status_code == 404
