"""Tenant isolation: no operation answers without sign-in, and none shows or changes one town for another's administrator or technician."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import Engine, select

from cartable.audit import AuditEvent
from cartable.scope import SYSTEM, Role
from enrollment.places.models import Grade
from mdm.accounts import service as accounts
from mdm.tables import metadata
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy import documents
from profiles.policy.kinds import PlaceKind
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD
from tests.support.api import list_all
from tests.support.api_document import read_api_document
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: What answers without sign-in.
PUBLIC_PATHS = {"/api/v1/tokens", "/api/v1/account-links/password"}
#: What ends the session of the test itself.
OWN_SESSION_PATHS = {"/api/v1/password", "/api/v1/sessions", "/api/v1/sessions/current"}
DOCUMENT = read_api_document()
_UNKNOWN_ID = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    from tests.support import databases

    engine: Engine = databases.create_sqlite_engine(tmp_path)
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running
    engine.dispose()


def _routes() -> list[tuple[str, str]]:
    routes = []
    for path, methods in DOCUMENT["paths"].items():
        routes += [(method.upper(), path) for method in methods if path not in PUBLIC_PATHS]
    return routes


def test_every_operation_needs_a_sign_in(server: LiveServer) -> None:
    trust = ssl.create_default_context(cafile=str(server.ca))
    routes = [(method, path) for method, path in _routes() if path.startswith("/api/v1")]
    assert len(routes) > 80
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as client:
        for method, path in routes:
            for headers in ({}, {"Authorization": "Bearer nonsense"}):
                answer = client.request(method, re.sub(r"\{[^}]+\}", _UNKNOWN_ID, path), headers=headers)
                assert answer.status_code == 401, (method, path, answer.status_code)
                assert answer.json()["code"]


def test_an_administrator_sees_nothing_of_another_town(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        ours, theirs = world.create_town(), world.create_town()
        school = world.create_school(theirs)
        school_class = world.create_class(school)
        pupil = world.create_pupil(school_class, Grade.CE2)
        tablet = world.create_tablet(theirs, school_id=school.id)
        app = create_app(work, SYSTEM, theirs.id, name="App", bundle_identifier="fr.app", app_store_id=1, manifest_url=None)
        preset = bundles.create_bundle(work, SYSTEM, theirs.id, "Bundle", [app.id])
        document = documents.open_document(work, SYSTEM, theirs.id, PlaceKind.TOWN, "")
        known: dict[str, UUID] = {
            "town_id": theirs.id, "school_id": school.id, "class_id": school_class.id, "pupil_id": pupil.id, "tablet_id": tablet.id,
            "app_id": app.id, "preset_id": preset.id, "document_id": document.id,
        }  # fmt: skip
    client = server.sign_in(ours.id, Role.TOWN_ADMIN, "ours")
    try:
        for method, path in _routes():
            names = re.findall(r"\{([^}]+)\}", path)
            if method != "GET" or not path.startswith("/api/v1"):
                continue
            url = re.sub(r"\{([^}]+)\}", lambda match: str(known.get(match.group(1), _UNKNOWN_ID)), path.removeprefix("/api/v1"))
            answer = client.get(url, params={"town_id": str(theirs.id), "place": "town", "host": "a.example", "q": "a"})
            assert answer.status_code != 500, path
            if names or "town_id" in str(answer.request.url):
                seen = answer.text if answer.status_code == 200 else ""
                assert not any(str(each) in seen for each in known.values()), (path, seen[:200])
    finally:
        client.close()


def _build_body(schema: dict[str, Any], known: dict[str, UUID], own: UUID) -> Any:
    """Return a body of this shape that names objects of the other town, but claims the own town."""
    if "$ref" in schema:
        return _build_body(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], known, own)
    if "anyOf" in schema:
        return _build_body(schema["anyOf"][0], known, own)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {
            name: str(own) if name == "town_id" else _build_value(name, each, known, own)
            for name, each in schema.get("properties", {}).items()
        }
    if schema.get("type") == "array":
        return [_build_body(schema.get("items", {}), known, own)]
    simple = {"boolean": True, "integer": 30, "number": 1.0, "string": "a text long enough"}
    dates = {"date": "2026-11-25", "date-time": "2026-11-25T10:00:00Z", "uuid": _UNKNOWN_ID}
    return dates.get(schema.get("format", "")) or simple.get(schema.get("type", ""), "x")


def _build_value(name: str, schema: dict[str, Any], known: dict[str, UUID], own: UUID) -> Any:
    if name in known:
        return str(known[name])
    if name.removesuffix("s") in known:
        return [str(known[name.removesuffix("s")])]
    return _build_body(schema, known, own)


def _load_rows(engine: Engine, town_id: UUID, except_tables: set[str]) -> dict[str, Any]:
    """Return all rows that belong to a town, by table."""
    with engine.connect() as connection:
        return {
            table.name: connection.execute(
                select(table).where(table.c.town_id == town_id).order_by(*table.primary_key.columns)
            ).all()
            for table in metadata.sorted_tables
            if "town_id" in table.c and table.name not in except_tables
        }


def test_an_administrator_changes_nothing_of_another_town(server: LiveServer) -> None:
    """Every writing route, with the own town in the body and the other town's pupil, tablet, class, school in path and body."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        ours, theirs = world.create_town(), world.create_town()
        school = world.create_school(theirs)
        school_class = world.create_class(school)
        pupil = world.create_pupil(school_class, Grade.CE2)
        tablet = world.create_tablet(theirs, school_id=school.id)
        loan = world.lend_tablet(tablet, pupil)
        document = documents.open_document(work, SYSTEM, theirs.id, PlaceKind.TOWN, "")
        account = accounts.create_account(
            work, SYSTEM, login="theirs", display_name="theirs", password=PASSWORD, role=Role.TOWN_ADMIN, town_id=theirs.id
        )
        known: dict[str, UUID] = {
            "school_id": school.id, "class_id": school_class.id, "pupil_id": pupil.id, "tablet_id": tablet.id, "loan_id": loan.id,
            "document_id": document.id, "account_id": account.id, "new_school_id": school.id,
        }  # fmt: skip
        own, other, own_school = ours.id, theirs.id, world.create_school(ours).id
    client = server.sign_in(own, Role.TOWN_ADMIN, "ours")
    of_path = {**known, "town_id": other}
    before = _load_rows(server.runtime.engine, other, set())
    accepted = []
    try:
        for method, path in _routes():
            if method == "GET" or not path.startswith("/api/v1") or path in OWN_SESSION_PATHS:
                continue
            content = DOCUMENT["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
            url = re.sub(
                r"\{([^}]+)\}", lambda match: str(of_path.get(match.group(1), _UNKNOWN_ID)), path.removeprefix("/api/v1")
            )
            schema = content.get("application/json", {}).get("schema")
            answer = client.request(
                method, url, params={"town_id": str(other)}, json=_build_body(schema, known, own) if schema else None
            )
            assert answer.status_code != 500, (method, path)
            if answer.is_success:
                accepted.append((method, path, answer.text))
        # These take the town from the body.
        rule = {"town_id": str(own), "guardian_id": _UNKNOWN_ID, "kind": "pause", "minutes": 30}
        after_school = {"town_id": str(own), "school_id": str(own_school), "where": "attends"}
        for method, path, body in (("POST", "guardian-rules", rule), ("PUT", "after-school", after_school)):
            answer = client.request(method, f"/pupils/{pupil.id}/{path}", json=body)
            assert (answer.status_code, answer.json().get("code")) == (404, "not_found"), (path, answer.text)
    finally:
        client.close()
    assert _load_rows(server.runtime.engine, other, set()) == before, accepted
    written = str({name: rows for name, rows in _load_rows(server.runtime.engine, own, {"audit_event"}).items() if rows})
    for name, value in known.items():
        assert str(value) not in written, (name, [each for each in accepted if str(value) in str(each)], accepted)


def test_a_mission_shows_one_town_and_nothing_of_another(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        here, there = world.create_town("Ici"), world.create_town("Là-bas")
        pupils = {}
        for town in (here, there):
            school = world.create_school(town)
            pupils[town.id] = world.create_pupil(world.create_class(school), Grade.CE2, last="CANARI")
            world.create_tablet(town, school_id=school.id, serial=f"SERIAL{town.slug}"[:20])
        first = accounts.create_shared_technician(work, "tech@operator.example", "Technicienne")
        theirs = accounts.create_account(
            work,
            SYSTEM,
            login="boss@there.example",
            display_name="boss",
            password=PASSWORD,
            role=Role.TOWN_ADMIN,
            town_id=there.id,
        )
        here_id, there_id, boss = here.id, there.id, theirs.login
    admin, other = server.sign_in(here_id, Role.TOWN_ADMIN, "here"), server.sign_in(there_id, Role.TOWN_ADMIN, "there")
    today = datetime.now(ZoneInfo("Europe/Paris")).date()
    days = {"first_day": str(today), "last_day": str(today), "reason": "remise"}
    later = {"first_day": str(today + timedelta(days=1)), "last_day": str(today + timedelta(days=2)), "reason": "remise"}
    given = [admin.post(f"/towns/{here_id}/missions", json={"login": "tech@operator.example", **days}).json() for _ in range(2)]
    planned = other.post(f"/towns/{there_id}/missions", json={"login": "tech@operator.example", **later}).json()
    strangers = [
        admin.post(f"/towns/{here_id}/missions", json={"login": login, **days}) for login in (boss, "nobody@there.example")
    ]
    assert [(each.status_code, each.json()["code"]) for each in strangers] == [(404, "not_found")] * 2, (
        "who works for another town is not shown"
    )
    tech = server.sign_in(here_id, Role.HELPDESK, "spare")
    try:
        token = tech.post("/tokens", json={"login": "tech@operator.example", "password": first}).json()["access_token"]
        tech.headers["Authorization"] = f"Bearer {token}"
        changed = tech.post("/password", json={"current": first, "new": "a long sentence of her own"}).json()
        tech.headers["Authorization"] = f"Bearer {changed['access_token']}"
        assert {town["id"] for town in tech.get("/towns").json()["items"]} == {str(here_id)}
        for town_id, expected_ids in ((here_id, [str(pupils[here_id].id)]), (there_id, [])):
            page = tech.get("/pupils", params={"town_id": str(town_id), "q": "CANARI"}).json()
            assert [pupil["id"] for pupil in page["items"]] == expected_ids
        known = str([str(there_id), str(pupils[there_id].id)])
        for method, path in _routes():
            if method != "GET" or not path.startswith("/api/v1"):
                continue
            url = re.sub(r"\{([^}]+)\}", lambda match: str({"town_id": there_id, "pupil_id": pupils[there_id].id}.get(match.group(1), _UNKNOWN_ID)),
                         path.removeprefix("/api/v1"))  # fmt: skip
            answer = tech.get(url, params={"town_id": str(there_id), "place": "town", "host": "a.example", "q": "CANARI"})
            assert answer.status_code != 500, path
            assert not (answer.is_success and any(each in answer.text for each in (str(there_id), str(pupils[there_id].id)))), (
                path,
                known,
            )
        assert admin.delete(f"/missions/{planned['id']}").status_code == 404
        assert tech.delete(f"/missions/{given[0]['id']}").status_code == 404, "nobody ends the own mission by being on it"
        visits = [event for event in list_all(admin, "/audit-events", town_id=str(here_id)) if event["action"] == "mission.visit"]
        assert len(visits) == 2, "one for each of two missions of the day"
        assert not [
            event for event in list_all(other, "/audit-events", town_id=str(there_id)) if event["action"] == "mission.visit"
        ]
        with server.runtime.open_unit_of_work() as work:
            operators = work.session.scalars(
                select(AuditEvent).where(AuditEvent.town_id.is_(None), AuditEvent.action == "mission.visit")
            ).all()
            assert {event.subject_id for event in operators} == {str(here_id)}
        admin.delete(f"/missions/{given[0]['id']}").raise_for_status()
        assert tech.get("/towns").json()["items"], "the second mission of the day still holds"
        admin.delete(f"/missions/{given[1]['id']}").raise_for_status()
        assert tech.get("/towns").json()["items"] == [], "ended at once, with the token in hand"
    finally:
        for client in (admin, other, tech):
            client.close()
