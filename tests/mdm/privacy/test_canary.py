"""A child's name and a class's label through a whole story, over real HTTPS with a simulated tablet: they stand in the tables of people and
classes, sealed, and nowhere else: no log, no audit, no certificate, no order, no profile, no push, no QR code (PRIV-06, PRIV-16, PRIV-19).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cartable.scope import Role
from mdm.tables import metadata
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.enrollment.people.files import CHILD, GUARDIANS, ONDE, onde_line, text_file
from tests.support.server import LiveServer, live_server
from tests.support.world import World

NAME, FIRST, LABEL, GUARDIAN = "KANARINAME", "Kanarifirst", "CE2 Mme KANARICLASS", "KANARIGUARDIAN"
CANARIES = (NAME, FIRST, "KANARICLASS", GUARDIAN)
#: Where they belong. The plan of an import is sealed and a day old at most.
HOMES = {"pupil", "guardian", "school_class", "roster_import"}


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def _spoken(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _found(engine: Engine) -> set[str]:
    """The tables, read through their seals, in which a canary sits."""
    found = set()
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                said = " ".join(_spoken(value) for value in row)
                if any(canary in said for canary in CANARIES):
                    found.add(table.name)
    return found


def test_the_canary_leaves_no_feather(server: LiveServer, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown = asyncio.run(_story(server))
    assert "/api/v1/rosters" in (logged := "".join(capfd.readouterr()))
    assert "tablet.mark_lost" in shown["audit"]
    assert "EnableLostMode" in shown["tablet"]
    assert "token" in shown["pushes"]
    for canary in CANARIES:
        assert canary not in logged
        for name, said in shown.items():
            assert canary not in said, name
    assert _found(server.runtime.engine) == HOMES
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if any(canary.encode() in path.read_bytes() for canary in (NAME, FIRST, GUARDIAN))], (
        "sealed at rest"
    )


async def _story(server: LiveServer) -> dict[str, str]:
    """Import, invite, enrol, search, lose, find: what tablets and pushes were told, and what a stranger with the code may fetch."""
    with server.runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        school = world.school(town)
    admin = server.client(town.id, Role.TOWN_ADMIN, "admin")
    form = {"town_id": str(town.id), "school_uai": school.uai}
    pupils = text_file(ONDE, onde_line(NAME, FIRST, level="CE2", label=LABEL))
    parents = text_file(GUARDIANS.format(desk="") + CHILD, f"MME;;{GUARDIAN};Nadia;;;;;;;;;;{NAME};{FIRST};{LABEL}")
    for content in (pupils, parents):
        made = admin.post("/rosters", files={"file": (f"{NAME}.csv", content)}, data=form).json()
        assert made["counts"]["new"] == 1
        admin.post(f"/rosters/{made['id']}/confirm").raise_for_status()
    [pupil] = admin.get("/pupils", params={"town_id": str(town.id), "q": NAME}).json()
    spec = {"kind": "pupil", "town_id": str(town.id), "pupil_ids": [pupil["id"]]}
    [invitation] = admin.post("/invitations", json=spec).json()
    page = (await asyncio.to_thread(admin.get, f"{server.url}/join/{invitation['code']}", headers={"Authorization": ""})).text
    tablet = SimulatedTablet(server.url, invitation["code"], ca=server.ca)
    await tablet.enrol()
    for _ in range(4):
        await asyncio.to_thread(server.work_off)
        await tablet.poll()
    [listed] = admin.get("/tablets", params={"q": NAME.lower()}).json()
    admin.post(f"/tablets/{listed['id']}/lost", json={"reason": "left on the bus"}).raise_for_status()
    for _ in range(2):
        await asyncio.to_thread(server.work_off)
        await tablet.poll()
    audit = admin.get("/audit", params={"town_id": str(town.id), "limit": 200}).text
    told = {
        "join page": page,
        "invitation": str({key: value for key, value in invitation.items() if key != "pupil_id"}),
        "tablet": str(list(tablet.history)),
        "pushes": str(server.hub.received),
        "audit": audit,
    }
    await tablet.close()
    admin.close()
    return told
