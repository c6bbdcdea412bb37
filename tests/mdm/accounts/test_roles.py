"""The table of roles and permissions, checked over the API: each role tries each action.

Comments mark where it is stricter or wider than usual. Guardians have no account.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cartable.scope import PERMISSIONS, SYSTEM, Permission, Role
from enrollment.places.models import Grade
from mdm.accounts import service as accounts
from tests.conftest import KEYRING
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support import databases
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

ADMIN, TECHNICIAN, HELPDESK, HEAD, DPO = Role.TOWN_ADMIN, Role.TECHNICIAN, Role.HELPDESK, Role.HEAD, Role.DPO
#: Action → (method, path, body or parameters), and who may.
TABLE: dict[str, tuple[tuple[str, str, dict[str, Any]], set[Role]]] = {
    "see tablets of the school": (("GET", "/tablets/{tablet_id}", {}), {ADMIN, TECHNICIAN, HELPDESK, HEAD}),
    "see tablets of another school": (("GET", "/tablets/{other_tablet_id}", {}), {ADMIN, TECHNICIAN, HELPDESK}),
    # The reference gives technicians and helpdesk names by ticket only; here the search is logged and each reading noted.
    "see pupils of a class": (("GET", "/classes/{class_id}/pupils", {}), {ADMIN, TECHNICIAN, HELPDESK, HEAD}),
    "see pupils of another school": (("GET", "/classes/{other_class_id}/pupils", {}), {ADMIN, TECHNICIAN, HELPDESK}),
    "see guardians": (("GET", "/pupils/{pupil_id}/guardians", {}), {ADMIN, HEAD}),
    "import a roster of the school": (("FILE", "/rosters", {"school_uai": "{uai}"}), {ADMIN, TECHNICIAN, HEAD}),
    "import a roster of another school": (("FILE", "/rosters", {"school_uai": "{other_uai}"}), {ADMIN, TECHNICIAN}),
    "name a substitute": (("POST", "/schools/{school_id}/substitutes", {"class_id": "{class_id}", "last_name": "A", "first_name": "B"}),
                          {ADMIN, TECHNICIAN, HEAD}),
    "export the town's roster": (("POST", "/rosters/exports/oneroster", {"town_id": "{town_id}"}), {ADMIN}),
    "map columns for the town": (("PUT", "/rosters/mappings?town_id={town_id}", {"kind": "pupils", "columns": {}}), {ADMIN}),
    # The reference lets a head propose days; here the town writes them.
    "write the calendar": (("POST", "/towns/{town_id}/day-exceptions", {}), {ADMIN}),
    # Two people of the operator in the reference.
    "open the town's policy document": (("PUT", "/policy-documents", {"town_id": "{town_id}", "place": "town"}), {ADMIN}),
    "create a filter": (("POST", "/presets", {"town_id": "{town_id}", "kind": "filter", "name": "Filtre"}), {ADMIN}),
    "mark lost": (("POST", "/tablets/{tablet_id}/lost-mode/enable", {"reason": "left on the bus"}), {ADMIN, TECHNICIAN, HELPDESK, HEAD}),
    # Asked before lost mode is confirmed: who may is told why not, the others that they may not.
    "ask for a position": (("POST", "/tablets/{tablet_id}/position-requests", {"reason": "left on the bus"}), {ADMIN, HELPDESK}),
    # The reference gives technicians one erase by ticket; here the town's administrator has it.
    "erase one": (("POST", "/tablets/{tablet_id}/erase", {"reason": "back from repair", "ticket": "INC-1"}), {ADMIN}),
    "hand over": (("POST", "/tablets/{tablet_id}/agreement", {"answer": "refused"}), {ADMIN, TECHNICIAN}),
    "make accounts": (("GET", "/accounts?town_id={town_id}", {}), {ADMIN}),
    "call a technician": (("GET", "/towns/{town_id}/missions", {}), {ADMIN}),
    "export one child's data": (("GET", "/privacy/pupils/{pupil_id}/export", {}), {ADMIN, DPO}),
    "who read a record": (("GET", "/privacy/pupils/{pupil_id}/accesses", {}), {ADMIN, DPO}),
    "desk of requests": (("GET", "/privacy/requests?town_id={town_id}", {}), {ADMIN, DPO}),
    "report a breach": (("POST", "/privacy/breaches", {"town_id": "{town_id}", "known_at": "2026-01-01T00:00:00Z"}), {ADMIN, DPO}),
    "read the retention table": (("GET", "/privacy/retention-rules?town_id={town_id}", {}), {ADMIN, DPO}),
    "choose a period": (("PUT", "/privacy/retention-rules/loan", {"town_id": "{town_id}", "days": 400, "reason": "as agreed"}), {ADMIN}),
}  # fmt: skip


@dataclass
class ApiClients:
    """A server, ids of its data by name, and a signed-in client of each role."""

    server: LiveServer
    ids: dict[str, str]
    by_role: dict[Role, httpx.Client]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClients]:
    folder: Path = tmp_path_factory.mktemp("roles")
    engine = databases.create_sqlite_engine(folder)
    with start_live_server(engine, KEYRING, folder / "data") as server, contextlib.ExitStack() as stack:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            ids: dict[str, str] = {"town_id": str(town.id)}
            for prefix in ("", "other_"):
                school = world.create_school(town)
                school_class = world.create_class(school)
                pupil, tablet = world.create_pupil(school_class, Grade.CE2), world.create_tablet(town, school_id=school.id)
                world.lend_tablet(tablet, pupil)
                rows: dict[str, Any] = {"school": school, "class": school_class, "pupil": pupil, "tablet": tablet}
                ids |= {f"{prefix}{name}_id": str(row.id) for name, row in rows.items()} | {f"{prefix}uai": school.uai}
                if not prefix:
                    own = school.id
            head_account = accounts.create_account(
                work, SYSTEM, login="head", display_name="head", password=PASSWORD, role=HEAD, town_id=town.id, school_id=own
            )
            head_account.must_change_password = False
            town_id = town.id
        people = {
            role: stack.enter_context(contextlib.closing(server.sign_in(town_id, role, role.value)))
            for role in (ADMIN, TECHNICIAN, HELPDESK, DPO)
        }
        head = stack.enter_context(httpx.Client(base_url=f"{server.url}/api/v1", verify=_create_tls_context(server), timeout=20))
        token = head.post("/tokens", json={"login": "head", "password": PASSWORD}).json()["access_token"]
        head.headers["Authorization"] = f"Bearer {token}"
        yield ApiClients(server, ids, {**people, HEAD: head})
    engine.dispose()


def _create_tls_context(server: LiveServer) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(server.ca))


def _fill_placeholders(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**ids) if "{" in value else value
    return {name: _fill_placeholders(each, ids) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("action", TABLE)
def test_roles_allowed_for_action(clients: ApiClients, action: str) -> None:
    (method, path, body), allowed = TABLE[action]
    permitted = set()
    for role, client in clients.by_role.items():
        url, values = path.format(**clients.ids), _fill_placeholders(body, clients.ids)
        if method == "FILE":
            form = {"town_id": clients.ids["town_id"], **values}
            response = client.post(url, files={"file": ("a.csv", text_file(ONDE, onde_line("A", "B")))}, data=form)
        else:
            sent: dict[str, Any] = (
                {"json": _build_exception(clients) if "day-exceptions" in path else values} if method != "GET" else {}
            )
            response = client.request(method, url, **sent)
        assert response.status_code not in (401, 422, 500), (role, response.text)
        if response.status_code not in (403, 404):
            permitted.add(role)
    assert permitted == allowed


def _build_exception(clients: ApiClients) -> dict[str, Any]:
    return {
        "first": "2026-12-01",
        "last": "2026-12-01",
        "kind": "no_school",
        "label": "grève",
        "school_id": clients.ids["school_id"],
    }


def test_head_needs_a_school_and_dpo_a_town(clients: ApiClients) -> None:
    admin, ids = clients.by_role[ADMIN], clients.ids
    base = {"display_name": "x", "password": "long enough password", "town_id": ids["town_id"]}
    for invalid in ({"role": "head", "login": "h2"}, {"role": "dpo", "login": "d2", "school_id": ids["school_id"]}):
        response = admin.post("/accounts", json={**base, **invalid})
        assert (response.status_code, response.json()["details"]) == (422, {"field": "school_id"})
    for role in (HEAD, HELPDESK, DPO, TECHNICIAN):
        assert (
            clients.by_role[role].post("/accounts", json={**base, "role": "town_admin", "login": f"by-{role.value}"}).status_code
            == 403
        )


def test_dpo_reads_the_audit_trail_and_no_names(clients: ApiClients) -> None:
    town = {"town_id": clients.ids["town_id"]}
    clients.by_role[HELPDESK].get("/pupils", params={**town, "q": "MARTIN"}).raise_for_status()
    actions_by_role = {
        role: {event["action"] for event in client.get("/audit-events", params=town).json()["items"]}
        for role, client in clients.by_role.items()
    }
    assert "pupil.search" in actions_by_role[DPO]
    assert "pupil.search" not in actions_by_role[HEAD], "own acts alone"
    dpo = clients.by_role[DPO]
    assert dpo.get("/pupils", params={**town, "q": "MARTIN"}).json()["items"] == []
    assert "MARTIN" not in dpo.get("/audit-events", params=town).text
    assert datetime.fromisoformat(dpo.get("/audit-events", params=town).json()["items"][0]["at"])


def test_every_permission_belongs_to_some_roles_but_not_all() -> None:
    for permission in Permission:
        assert 0 < sum(permission in permissions for permissions in PERMISSIONS.values()) < len(Role)
