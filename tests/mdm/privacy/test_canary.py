"""The name of a child and the label of a class through a whole story, over real HTTPS with a simulated tablet: they are stored sealed in the
tables of people and classes, and nowhere else: no log, audit, certificate, command, profile, push or QR code (PRIV-06, PRIV-16, PRIV-19).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cartable.scope import Role
from mdm.tables import metadata
from simulator import SimulatedTablet
from tests.enrollment.rosters.files import CHILD, GUARDIANS, ONDE, onde_line, text_file
from tests.support.server import LiveServer
from tests.support.world import TownFactory

NAME, FIRST, LABEL, GUARDIAN = "KANARINAME", "Kanarifirst", "CE2 Mme KANARICLASS", "KANARIGUARDIAN"
CANARIES = (NAME, FIRST, "KANARICLASS", GUARDIAN)
#: The only tables that may contain them. The plan of an import is sealed and kept for a day at most.
HOMES = {"pupil", "guardian", "school_class", "roster_import"}


def _to_text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _find_tables_with_canaries(engine: Engine) -> set[str]:
    """Return the tables that contain a canary, after unsealing."""
    tables = set()
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                text = " ".join(_to_text(value) for value in row)
                if any(canary in text for canary in CANARIES):
                    tables.add(table.name)
    return tables


def test_names_appear_only_in_the_tables_of_people(server: LiveServer, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outputs = asyncio.run(_story(server))
    assert "/api/v1/rosters" in (logged := "".join(capfd.readouterr()))
    assert "tablet.mark_lost" in outputs["audit"]
    assert "EnableLostMode" in outputs["tablet"]
    assert "token" in outputs["pushes"]
    for canary in CANARIES:
        assert canary not in logged
        for name, text in outputs.items():
            assert canary not in text, name
    assert _find_tables_with_canaries(server.runtime.engine) == HOMES
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if any(canary.encode() in path.read_bytes() for canary in (NAME, FIRST, GUARDIAN))], (
        "sealed at rest"
    )


async def _story(server: LiveServer) -> dict[str, str]:
    """Import, invite, enroll, search, mark lost. Returns what tablets, pushes and a stranger with the code could read."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
    admin = server.sign_in(town.id, Role.TOWN_ADMIN, "admin")
    form = {"town_id": str(town.id), "school_uai": school.uai}
    pupils = text_file(ONDE, onde_line(NAME, FIRST, grade="CE2", label=LABEL))
    parents = text_file(GUARDIANS.format(desk="") + CHILD, f"MME;;{GUARDIAN};Nadia;;;;;;;;;;{NAME};{FIRST};{LABEL}")
    for content in (pupils, parents):
        roster_import = admin.post("/rosters", files={"file": (f"{NAME}.csv", content)}, data=form).json()
        assert roster_import["counts"]["new"] == 1
        admin.post(f"/rosters/{roster_import['id']}/confirm").raise_for_status()
    [pupil] = admin.get("/pupils", params={"town_id": str(town.id), "q": NAME}).json()["items"]
    spec = {"kind": "pupil", "town_id": str(town.id), "pupil_ids": [pupil["id"]]}
    [invitation] = admin.post("/invitations", json=spec).json()
    page = (await asyncio.to_thread(admin.get, f"{server.url}/join/{invitation['code']}", headers={"Authorization": ""})).text
    tablet = SimulatedTablet(server.url, invitation["code"], ca=server.ca)
    await tablet.enrol()
    for _ in range(4):
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
    [tablet_row] = admin.get("/tablets", params={"q": NAME.lower()}).json()["items"]
    admin.post(f"/tablets/{tablet_row['id']}/lost-mode/enable", json={"reason": "left on the bus"}).raise_for_status()
    for _ in range(2):
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
    audit = admin.get("/audit-events", params={"town_id": str(town.id), "limit": 200}).text
    outputs = {
        "join page": page,
        "invitation": str({key: value for key, value in invitation.items() if key != "pupil_id"}),
        "tablet": str(list(tablet.history)),
        "pushes": str(server.hub.received),
        "audit": audit,
    }
    await tablet.close()
    admin.close()
    return outputs
