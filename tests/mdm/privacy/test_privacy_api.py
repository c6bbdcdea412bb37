"""The privacy API as the data protection officer uses it, over real HTTPS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from cartable.audit_anchors import ChainEnd, follow_proof
from cartable.scope import Role
from enrollment.people.models import Pupil
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet
from mdm.privacy.audit_jobs import write_anchors
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.server import LiveServer
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database


@pytest.fixture
def town(server: LiveServer) -> Town:
    with server.runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town()


@pytest.fixture
def dpo(server: LiveServer, town: Town) -> Iterator[httpx.Client]:
    with contextlib.closing(server.sign_in(town.id, Role.TOWN_ADMIN, "dpo")) as client:
        client.headers["Accept-Language"] = "fr"
        yield client


@pytest.fixture
def helpdesk(server: LiveServer, town: Town) -> Iterator[httpx.Client]:
    with contextlib.closing(server.sign_in(town.id, Role.HELPDESK, "helpdesk")) as client:
        yield client


def _import_pupil(server: LiveServer, town: Town, dpo: httpx.Client) -> tuple[str, Tablet]:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school = world.create_school(town)
        tablet = world.create_tablet(town)
    data = {"town_id": str(town.id), "school_uai": school.uai}
    roster_import = dpo.post(
        "/rosters", files={"file": ("a.csv", text_file(ONDE, onde_line("EL HADJ", "Zoé")))}, data=data
    ).json()
    dpo.post(f"/rosters/{roster_import['id']}/confirm").raise_for_status()
    [pupil] = dpo.get("/pupils", params={"town_id": str(town.id), "q": "hadj"}).json()["items"]
    return pupil["id"], tablet


def test_export_and_erasure_of_one_child(server: LiveServer, town: Town, dpo: httpx.Client, helpdesk: httpx.Client) -> None:
    pupil_id, _ = _import_pupil(server, town, dpo)
    helpdesk.get("/pupils", params={"town_id": str(town.id), "q": "hadj"}).raise_for_status()
    readers = dpo.get(f"/privacy/pupils/{pupil_id}/accesses").json()["items"]
    assert {(row["actor_name"], row["kind"], row["access_count"]) for row in readers} == {
        ("dpo", "search", 1),
        ("helpdesk", "search", 1),
    }
    export = dpo.get(f"/privacy/pupils/{pupil_id}/export")
    assert export.headers["content-disposition"] == f'attachment; filename="pupil-{pupil_id}.json"'
    assert export.json()["pupil"]["last_name"] == "EL HADJ"
    erased = dpo.post(f"/privacy/pupils/{pupil_id}/erase", json={"reason": "request of the family"}).json()
    assert (erased["kind"], erased["genuine"], erased["content"]["removed"]["identities"]) == ("erasure", True, 1)
    assert dpo.get("/pupils", params={"town_id": str(town.id), "q": "hadj"}).json()["items"] == []
    assert dpo.get(f"/privacy/pupils/{pupil_id}/export").json()["code"] == "already_erased"
    kinds = [row["kind"] for row in dpo.get("/privacy/reports", params={"town_id": str(town.id)}).json()["items"]]
    assert sorted(kinds) == ["erasure", "export"]
    assert dpo.get(f"/privacy/reports/{erased['id']}").json() == erased
    with server.runtime.open_unit_of_work() as work:
        write_anchors(work)
    place = {"town_id": str(town.id)}
    trail = dpo.get("/privacy/audit-trail/verify", params=place).json()
    exported = dpo.get("/privacy/audit-trail/export", params=place).text.splitlines()
    anchors = dpo.get("/privacy/audit-trail/anchors", params=place).json()
    assert (trail["holds"], trail["fault"]) == (True, None)
    assert len(exported) == trail["events"] + 1, "the export is an event too"
    root = anchors["daily_root"]
    assert follow_proof(str(town.id), ChainEnd(root["sequence"], root["link"]), root["proof"]) == root["root"]
    assert anchors["anchors"][-1]["sequence"] == trail["events"]


def test_erasure_is_refused_while_a_loan_is_open(server: LiveServer, town: Town, dpo: httpx.Client) -> None:
    pupil_id, tablet = _import_pupil(server, town, dpo)
    with server.runtime.open_unit_of_work() as work:
        TownFactory(work).lend_tablet(work.session.get_one(Tablet, tablet.id), work.session.get_one(Pupil, UUID(pupil_id)))
    refused = dpo.post(f"/privacy/pupils/{pupil_id}/erase", json={"reason": "request"})
    assert (refused.status_code, refused.json()["code"]) == (409, "loan_open")
    assert dpo.get(f"/privacy/pupils/{pupil_id}/export").json()["tablets"] == [tablet.tag]


def test_retention_is_listed_set_previewed_and_applied(town: Town, dpo: httpx.Client) -> None:
    place = {"town_id": str(town.id)}
    table = {rule["id"]: rule for rule in dpo.get("/privacy/retention-rules", params=place).json()["items"]}
    assert (table["position"]["days"], table["loan"]["starts"]) == (7, "clôture du prêt")
    body = {**place, "days": 1826, "reason": "réparations impayées"}
    assert dpo.put("/privacy/retention-rules/loan", json=body).status_code == 204
    assert dpo.put("/privacy/retention-rules/loan", json={**body, "days": 5000}).json()["details"]["longest"] == 1826
    assert dpo.put("/privacy/retention-rules/nothing", json=body).status_code == 404
    after = {rule["id"]: rule for rule in dpo.get("/privacy/retention-rules", params=place).json()["items"]}
    assert (after["loan"]["days"], after["loan"]["reason"]) == (1826, "réparations impayées")
    assert {row["due"] for row in dpo.get("/privacy/retention/preview", params=place).json()["items"]} == {0}
    report = dpo.post("/privacy/retention/run", json=place).json()
    assert (report["kind"], report["genuine"], report["content"]["audit_chain_intact"]) == ("retention", True, True)
    assert len(report["content"]["rules"]) == len(table)


def _list_fields(client: httpx.Client, language: str = "fr") -> list[dict[str, Any]]:
    """Return the fields of the dictionary from all pages."""
    fields: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"cursor": cursor} if cursor else {}
        page = client.get("/privacy/dictionary", params=params, headers={"Accept-Language": language}).json()
        fields += page["items"]
        cursor = page["next_cursor"]
    return fields


def test_dictionary_is_translated(dpo: httpx.Client, helpdesk: httpx.Client) -> None:
    french = {(f["table"], f["field"]): f for f in _list_fields(dpo)}
    english = {(f["table"], f["field"]): f for f in _list_fields(dpo, "en")}
    assert french["pupil", "birth_hash"]["what"] == "empreinte de la date de naissance"
    assert english["pupil", "birth_hash"]["what"] == "hash of the birth date"
    assert french["account", "login"]["until"] == "tant que la ville garde le compte"
    assert helpdesk.get("/privacy/dictionary").status_code == 200


def test_only_privacy_roles_of_the_town_have_access(
    server: LiveServer, town: Town, dpo: httpx.Client, helpdesk: httpx.Client
) -> None:
    pupil_id, _ = _import_pupil(server, town, dpo)
    with server.runtime.open_unit_of_work() as work:
        other = TownFactory(work).create_town("Autre-Ville")
    place = {"town_id": str(town.id)}
    with contextlib.closing(server.sign_in(other.id, Role.TOWN_ADMIN, "stranger")) as stranger:
        for client in (helpdesk, stranger):
            for path in (
                "retention-rules",
                "retention/preview",
                "reports",
                "audit-trail/verify",
                "audit-trail/export",
                "audit-trail/anchors",
            ):
                assert client.get(f"/privacy/{path}", params=place).status_code == 403
            assert client.post("/privacy/retention/run", json=place).status_code == 403
            assert client.get(f"/privacy/pupils/{pupil_id}/export").status_code == 404
            assert client.get(f"/privacy/pupils/{pupil_id}/accesses").status_code == 404
            assert client.post(f"/privacy/pupils/{pupil_id}/erase", json={"reason": "mine"}).status_code == 404
