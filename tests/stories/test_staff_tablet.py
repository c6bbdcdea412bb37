"""A teacher's tablet, over real HTTPS: invited, enrolled, with the rules and apps of staff, given back when the teacher leaves."""

from __future__ import annotations

import asyncio

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.facts import load_facts
from enrollment.tablets.models import TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.reconcile.models import TabletApp
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, TabletRole
from simulator import SimulatedTablet
from tests.support.server import LiveServer
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database

APP = "com.apple.Keynote"


def test_a_teachers_tablet_from_the_invitation_to_the_return(server: LiveServer) -> None:
    asyncio.run(_live_through(server))


async def _live_through(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        for role, values in ((TabletRole.STAFF, {"allowAirDrop": False}), (TabletRole.PUPIL, {"allowCamera": False})):
            document = documents.open_document(work, SYSTEM, town.id, PlaceKind.ROLE, role.value)
            draft = life.Draft(PolicyContent({"all": dict(values)}, {}), reason="for a test")
            life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)
        app = create_app(work, SYSTEM, town.id, name="Keynote", bundle_identifier=APP, app_store_id=361285480, manifest_url=None)
        bundle = bundles.create_bundle(work, SYSTEM, town.id, "Enseignants", [app.id])
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.ROLE, TabletRole.STAFF.value, reason="for a test")
        town_id, school_id = town.id, school.id
    admin = server.sign_in(town_id, Role.TOWN_ADMIN, "admin")
    body = {"school_id": str(school_id), "last_name": "Durand", "first_name": "Paule"}
    teacher = admin.post("/staff", json=body).raise_for_status().json()
    spec = {"kind": "staff", "town_id": str(town_id), "staff_ids": [teacher["id"]]}
    [invitation] = admin.post("/invitations", json=spec).raise_for_status().json()
    async with SimulatedTablet(server.url, invitation["code"], ca=server.ca) as tablet:
        await tablet.enrol()
        for _ in range(6):
            await asyncio.to_thread(server.run_worker)
            await tablet.poll()
        with server.runtime.open_unit_of_work() as work:
            row = TabletRepository(work.session).get_by_serial(tablet.serial)
            assert row is not None
            facts = load_facts(work, [row.id])[row.id]
            assert (str(facts.staff_id), facts.school_id, row.state) == (teacher["id"], school_id, TabletState.IN_USE)
            assert work.session.query(TabletApp).filter_by(tablet_id=row.id).count() == 1
            tablet_id = str(row.id)
        assert tablet.restrictions["allowAirDrop"] is False, "the rules of staff"
        assert "allowCamera" not in tablet.restrictions, "not those of pupils"
        listed = admin.get(f"/towns/{town_id}/staff").json()["items"]
        assert [each["tablet_id"] for each in listed] == [tablet_id]

        left = admin.post(f"/staff/{teacher['id']}/departure").raise_for_status().json()
        assert (left["has_left"], left["tablet_id"]) == (True, tablet_id), "what the person leaves behind"
        returned = {"request_id": "6f1c1c52-7d1b-4d0a-9a59-6b1f1b6c0d01", "condition": "good", "accessories": []}
        admin.post(f"/tablets/{tablet_id}/return", json=returned).raise_for_status()
        for _ in range(4):
            await asyncio.to_thread(server.run_worker)
            await tablet.poll()
        assert "allowAirDrop" not in tablet.restrictions or tablet.restrictions["allowAirDrop"] is not False
        assert admin.get(f"/towns/{town_id}/staff").json()["items"][0]["tablet_id"] is None
    admin.close()
