"""Roster and enrolment, the apps of a grade, and a lost tablet, over real HTTPS with simulated tablets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cartable.scope import Role
from simulator import SimulatedTablet
from tests.support.server import LiveServer
from tests.support.world import TownFactory, make_school_code

pytestmark = pytest.mark.one_database

ROSTER = (
    "\ufeffNom élève;Nom d'usage élève;Prénom élève;Date naissance;INE;Adresse1; Cycle;Niveau;Libellé classe;Identifiant classe\r\n"
    "D'ARTAGNAN-LE GOFF;;Élise-Anaïs;04/05/2018;1234567890A;SECRET-STREET 1;CYCLE II;CE2;CE2  A;77\r\n"
    "EL HADJ;;Zoé;01/01/2018;123456789AB;SECRET-STREET 2;CYCLE II;CE2;CE2  A;77\r\n"
)


async def _enrol_tablet(server: LiveServer, code: str) -> SimulatedTablet:
    tablet = SimulatedTablet(server.url, code, ca=server.ca)
    await tablet.enrol()
    return tablet


async def _run_conversations(server: LiveServer, tablet: SimulatedTablet, rounds: int = 3) -> None:
    for _ in range(rounds):
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
    await asyncio.to_thread(server.run_worker)


def test_a_tablet_enrols_receives_its_grades_apps_and_is_locked_when_lost(server: LiveServer) -> None:
    asyncio.run(_run_story(server))


async def _run_story(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
    admin = server.sign_in(town.id, Role.TOWN_ADMIN, "admin")
    helpdesk = server.sign_in(town.id, Role.HELPDESK, "helpdesk")
    school = admin.post(
        "/schools", json={"town_id": str(town.id), "uai": make_school_code(900), "name": "École Louise-Michel"}
    ).json()

    # A roster is imported: preview, then confirm; a second import changes nothing.
    upload: dict[str, Any] = {
        "files": {"file": ("CSVExtraction.csv", ROSTER.encode())},
        "data": {"town_id": str(town.id), "school_uai": school["uai"]},
    }
    previewed = admin.post("/rosters", **upload).json()
    assert previewed["counts"]["new"] == 2
    assert admin.get("/pupils", params={"town_id": str(town.id), "q": "hadj"}).json()["items"] == []
    assert admin.post(f"/rosters/{previewed['id']}/confirm").json()["state"] == "confirmed"
    second_preview = admin.post("/rosters", **upload).json()
    assert (second_preview["counts"]["new"], second_preview["counts"]["unchanged"]) == (0, 2)

    # A tablet enrols by its invitation.
    [pupil] = admin.get("/pupils", params={"town_id": str(town.id), "q": "hadj"}).json()["items"]
    [invitation] = admin.post("/invitations", json={"kind": "pupil", "town_id": str(town.id), "pupil_ids": [pupil["id"]]}).json()
    tablet = await _enrol_tablet(server, invitation["code"])
    await _run_conversations(server, tablet)
    [tablet_row] = helpdesk.get("/tablets", params={"q": "el hadj"}).json()["items"]
    assert (tablet_row["serial"], tablet_row["grade"], tablet_row["state"]) == (tablet.serial, "CE2", "in_use")
    assert helpdesk.get(f"/tablets/{tablet_row['id']}").json()["profile"] == "verified"

    # An admin gives an app bundle to the grade; the tablet is ordered to install it.
    app = admin.post("/apps", json={"town_id": str(town.id), "name": "ScratchJr", "bundle_identifier": "org.scratchjr.ipad",
                                    "app_store_id": 895485086}).json()  # fmt: skip
    bundle = admin.post("/bundles", json={"town_id": str(town.id), "name": "Code", "app_ids": [app["id"]]}).json()
    admin.put(f"/bundles/{bundle['id']}/assignments", json={"place": "grade", "target": "CE2"}).raise_for_status()
    await _run_conversations(server, tablet)
    [state] = helpdesk.get(f"/tablets/{tablet_row['id']}").json()["apps"]
    assert state["state"] in {"installing", "installed"}
    why = {row["key"]: row for row in helpdesk.get(f"/tablets/{tablet_row['id']}/why").json()["settings"]}
    assert "org.scratchjr.ipad" in why["allowListedAppBundleIDs"]["value"]

    # Helpdesk marks it lost: requested and confirmed are different; two requests give one command.
    refused = helpdesk.post(f"/tablets/{tablet_row['id']}/position-requests", json={"reason": "too early"})
    assert (refused.status_code, refused.json()["code"]) == (409, "tablet_not_lost")
    for _ in range(2):
        case = helpdesk.post(f"/tablets/{tablet_row['id']}/lost-mode/enable", json={"reason": "left on the bus"}).json()
    assert case["confirmed_at"] is None
    await asyncio.to_thread(server.run_worker)
    log = await tablet.poll()
    assert [name for name, _ in log.answered_commands].count("EnableLostMode") == 1
    await asyncio.to_thread(server.run_worker)
    assert helpdesk.get(f"/tablets/{tablet_row['id']}").json()["lost"]["confirmed_at"] is not None

    # The position: only while it is lost, with a reason, and after another person's approval.
    position_request = helpdesk.post(f"/tablets/{tablet_row['id']}/position-requests", json={"reason": "police report"}).json()
    assert helpdesk.post(f"/position-requests/{position_request['id']}/approve").status_code == 403
    admin.post(f"/position-requests/{position_request['id']}/approve").raise_for_status()
    await _run_conversations(server, tablet, 1)
    assert set(helpdesk.get(f"/position-requests/{position_request['id']}").json()["position"]) == {
        "latitude",
        "longitude",
        "accuracy_m",
        "at",
    }

    # Lost mode is disabled when the tablet is found.
    helpdesk.post(
        f"/tablets/{tablet_row['id']}/lost-mode/disable", json={"reason": "under the bed", "called_back": True}
    ).raise_for_status()
    await _run_conversations(server, tablet, 1)
    final = helpdesk.get(f"/tablets/{tablet_row['id']}").json()
    assert (final["state"], final["lost"]) == ("in_use", None)
    assert server.hub.received, "every command was announced through APNs"
    await tablet.close()
    for client in (admin, helpdesk):
        client.close()
