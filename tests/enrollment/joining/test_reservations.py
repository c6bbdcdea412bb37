"""Reservations: a tablet in its box is meant for somebody, and lands there when it enrols, by Apple's assignment or by a bench."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, select

from cartable.audit import AuditEvent
from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining import reservations
from enrollment.joining import service as joining
from enrollment.joining.enrollment_matching import resolve_tablet
from enrollment.joining.errors import TabletNotReservable
from enrollment.joining.models import InvitationKind, Reservation
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import School, SchoolClass, Town
from enrollment.tablets import inventory
from enrollment.tablets.errors import TabletNotFound
from enrollment.tablets.models import Cart, CartSlot, Tablet, TabletState
from enrollment.tablets.service import TabletDetails
from mdm.privacy.erasing import erase_identities
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.enrollment.joining.test_automated import Factory, _post_machine_info
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

K = InvitationKind


class Place:
    """A town with a class, a cart and boxes that have been ordered."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work, self.world = work, TownFactory(work)
        self.town: Town = self.world.create_town()
        self.school: School = self.world.create_school(self.town)
        self.school_class: SchoolClass = self.world.create_class(self.school)
        self.pupils: list[Pupil] = [self.world.create_pupil(self.school_class) for _ in range(3)]
        self.boxes: list[Tablet] = inventory.register_purchase_order(
            work, SYSTEM, self.town.id, [f"BOX0000{n}A" for n in range(6)], "BC-1"
        )
        cart = Cart(town_id=self.town.id, school_id=self.school.id, label="C1")
        work.session.add(cart)
        work.session.flush()
        self.slots = [CartSlot(town_id=self.town.id, cart_id=cart.id, number=number) for number in (1, 2)]
        work.session.add_all(self.slots)
        work.session.flush()

    def reserve(self, serials: list[str], kind: K, actor: Actor = SYSTEM, **target: object) -> list[Reservation]:
        return reservations.reserve_tablets(self.work, actor, serials, InvitationSpec(kind, self.town.id, **target))  # type: ignore[arg-type]

    def enrol(self, tablet: Tablet) -> Tablet:
        """As its certificate admits it, once Apple's assignment has sent it here."""
        tablet.state = TabletState.PREPARED
        known = KnownCertificate("f" * 64, new_id(), None, tablet.id)
        return resolve_tablet(self.work, known, tablet.serial, "U1", TabletDetails(os_version="26.2"))

    def left(self) -> dict[UUID, str | None]:
        return {row.tablet_id: row.problem for row in self.work.session.scalars(select(Reservation))}


@pytest.fixture
def place(runtime: Runtime) -> Iterator[Place]:
    with runtime.open_unit_of_work() as work:
        yield Place(work)


def test_each_kind_of_reservation_places_the_tablet(place: Place) -> None:
    one, two, three, four, *_ = place.boxes
    place.reserve([one.serial.lower()], K.PUPIL, pupil_ids=(place.pupils[0].id,))
    place.reserve([two.serial], K.CLASS, class_id=place.school_class.id)
    place.reserve([three.serial], K.CART_SLOT, cart_slot_ids=(place.slots[1].id,))
    place.reserve([four.serial], K.STOCK, school_id=place.school.id)
    for tablet in (one, two, three, four):
        place.enrol(tablet)
    place.work.session.expire_all()
    facts = load_facts(place.work, [tablet.id for tablet in place.boxes])
    assert (facts[one.id].pupil_id, facts[one.id].state) == (place.pupils[0].id, TabletState.ASSIGNED)
    assert (facts[two.id].class_id, facts[two.id].state) == (place.school_class.id, TabletState.ASSIGNED)
    assert place.slots[1].tablet_id == three.id
    assert (facts[four.id].school_id, facts[four.id].state) == (place.school.id, TabletState.PREPARED)
    assert place.left() == {}
    events = select(AuditEvent.action).where(AuditEvent.subject_id == str(two.id)).order_by(AuditEvent.id)
    actions = place.work.session.scalars(events).all()
    assert actions.index("tablet.reserve") < actions.index("tablet.place") < actions.index("tablet.state")


def test_serial_numbers_and_pupils_are_paired_in_the_given_order(place: Place) -> None:
    wanted = [place.pupils[2].id, place.pupils[0].id]
    made = place.reserve(["BOX00003A", "BOX00000A"], K.PUPIL, pupil_ids=tuple(wanted))
    tablets = {tablet.serial: tablet.id for tablet in place.boxes}
    assert [(row.tablet_id, row.pupil_id) for row in made] == [
        (tablets["BOX00003A"], wanted[0]),
        (tablets["BOX00000A"], wanted[1]),
    ]
    made = place.reserve(["BOX00001A", "BOX00002A"], K.CART_SLOT, cart_slot_ids=(place.slots[1].id, place.slots[0].id))
    assert [row.cart_slot_id for row in made] == [place.slots[1].id, place.slots[0].id]
    again = place.reserve(["BOX00003A"], K.STOCK, school_id=place.school.id)
    assert len(again) == 1
    assert len(place.left()) == 4, "a tablet is meant for one place at a time"


def test_a_class_may_have_more_pupils_than_tablets(place: Place) -> None:
    made = place.reserve(["BOX00000A", "BOX00001A"], K.PUPIL, class_id=place.school_class.id)
    assert {row.pupil_id for row in made} < {pupil.id for pupil in place.pupils}
    with pytest.raises(Invalid):
        place.reserve(["BOX00002A", "BOX00003A", "BOX00004A", "BOX00005A"], K.PUPIL, class_id=place.school_class.id)


def test_one_invalid_reservation_refuses_all(place: Place) -> None:
    pupil = place.pupils[0].id
    for refusal, serials, kind, target in (
        (TabletNotFound, ["BOX00000A", "UNKNOWN1"], K.STOCK, {"school_id": place.school.id}),
        (Invalid, ["BOX00000A", "BOX00000A"], K.STOCK, {"school_id": place.school.id}),
        (Invalid, ["BOX00000A", "BOX00001A"], K.PUPIL, {"pupil_ids": (pupil,)}),
        (Invalid, ["BOX00000A"], K.PUPIL, {"pupil_ids": (pupil, place.pupils[1].id)}),
        (NotFound, ["BOX00000A"], K.PUPIL, {"pupil_ids": (place.town.id,)}),
        (NotFound, ["BOX00000A"], K.CLASS, {}),
    ):
        with pytest.raises(refusal):
            place.reserve(serials, kind, **target)
    place.boxes[0].state = TabletState.IN_USE
    place.work.session.flush()
    with pytest.raises(TabletNotReservable):
        place.reserve(["BOX00000A", "BOX00001A"], K.STOCK, school_id=place.school.id)
    place.reserve(["BOX00001A"], K.PUPIL, pupil_ids=(pupil,))
    with pytest.raises(Conflict):
        place.reserve(["BOX00002A"], K.PUPIL, pupil_ids=(pupil,))
    assert len(place.left()) == 1


def test_reservations_are_limited_to_town_and_school(place: Place) -> None:
    other = place.world.create_town()
    elsewhere = place.world.create_school(place.town)
    of_school = Actor(None, "t", (RoleAssignment(Role.TECHNICIAN, place.town.id, elsewhere.id),))
    stranger = Actor(None, "s", (RoleAssignment(Role.TOWN_ADMIN, other.id),))
    helpdesk = Actor(None, "h", (RoleAssignment(Role.HELPDESK, place.town.id),))
    for actor in (of_school, stranger, helpdesk):
        with pytest.raises(Forbidden):
            place.reserve(["BOX00000A"], K.STOCK, actor, school_id=place.school.id)
    place.reserve(["BOX00000A"], K.STOCK, school_id=place.school.id)
    for actor in (of_school, stranger, helpdesk):
        with pytest.raises(TabletNotFound):
            reservations.withdraw_reservation(place.work, actor, place.boxes[0].id)
    reservations.withdraw_reservation(place.work, SYSTEM, place.boxes[0].id)
    place.work.session.flush()
    assert place.left() == {}


def test_an_obstacle_is_stored_and_the_tablet_enrolls_anyway(place: Place) -> None:
    one, two, three, four, *_ = place.boxes
    first, second, third = place.pupils
    place.reserve([one.serial, two.serial], K.PUPIL, pupil_ids=(first.id, second.id))
    place.reserve([three.serial], K.CART_SLOT, cart_slot_ids=(place.slots[0].id,))
    place.reserve([four.serial], K.PUPIL, pupil_ids=(third.id,))
    place.world.lend_tablet(place.world.create_tablet(place.town), first)
    second.state = PupilState.ABSENT_FROM_ROSTER
    place.slots[0].tablet_id = place.world.create_tablet(place.town).id
    place.work.session.flush()
    for tablet in (one, two, three):
        assert place.enrol(tablet).state is TabletState.PREPARED
    four.evidence_hold = True
    place.enrol(four)
    assert place.left() == {one.id: "pupil_has_tablet", two.id: "pupil_gone", three.id: "slot_taken", four.id: "tablet_state"}


def test_an_erased_pupil_gets_no_reservation(place: Place) -> None:
    place.reserve(["BOX00000A"], K.PUPIL, pupil_ids=(place.pupils[0].id,))
    erase_identities(place.work, place.town.id, [place.pupils[0]])
    place.work.session.flush()
    assert place.left() == {}
    assert place.enrol(place.boxes[0]).state is TabletState.PREPARED


def joined(place: Place, tablet: Tablet, **target: object) -> Tablet:
    spec = InvitationSpec(town_id=place.town.id, **target)  # type: ignore[arg-type]
    [invitation] = joining.create_invitations(place.work, SYSTEM, spec)
    known = KnownCertificate(invitation.id.hex * 2, new_id(), invitation.id, None)
    return resolve_tablet(place.work, known, tablet.serial, "U1", TabletDetails())


def test_a_stock_invitation_applies_reservations_and_a_pupil_invitation_replaces_them(place: Place) -> None:
    one, two, *_ = place.boxes
    place.reserve([one.serial, two.serial], K.PUPIL, pupil_ids=(place.pupils[0].id, place.pupils[1].id))
    joined(place, one, kind=K.STOCK, max_uses=9)
    assert load_facts(place.work, [one.id])[one.id].pupil_id == place.pupils[0].id
    joined(place, two, kind=K.PUPIL, pupil_ids=(place.pupils[2].id,))
    assert load_facts(place.work, [two.id])[two.id].pupil_id == place.pupils[2].id
    assert place.left() == {}


@pytest.mark.parametrize("kind", [K.PUPIL, K.CLASS, K.STOCK])
def test_a_tablet_in_any_state_enrolls_by_invitation(place: Place, kind: K) -> None:
    targets: dict[K, dict[str, object]] = {
        K.PUPIL: {"pupil_ids": (place.pupils[0].id,)},
        K.CLASS: {"class_id": place.school_class.id},
        K.STOCK: {},
    }
    for state in TabletState:
        if state in (TabletState.RETIRED, TabletState.DISPOSED):
            continue
        tablet = place.world.create_tablet(place.town)
        tablet.state = state
        place.work.session.flush()
        joined(place, tablet, kind=kind, **targets[kind])
        if state in (TabletState.ORDERED, TabletState.RECEIVED):
            after = {K.PUPIL: TabletState.IN_USE, K.CLASS: TabletState.ASSIGNED, K.STOCK: TabletState.PREPARED}[kind]
            assert tablet.state is after
        if state is TabletState.MISSING_WRITTEN_OFF:
            assert tablet.state is TabletState.FOUND, "a person looks at it first"


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[tuple[LiveServer, Factory]]:
    from cryptography.hazmat.primitives.serialization import Encoding

    factory, anchors = Factory(), tmp_path / "anchors.pem"
    anchors.write_bytes(factory.certificate.public_bytes(Encoding.PEM))
    with start_live_server(engine, KEYRING, tmp_path / "data", device_anchors=anchors) as running:
        yield running, factory


def test_from_purchase_order_to_handover(server: tuple[LiveServer, Factory]) -> None:
    running, factory = server
    tablet = SimulatedTablet(running.url, "", ca=running.ca)
    with running.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, other = world.create_town(), world.create_town()
        pupil = world.create_pupil(world.create_class(world.create_school(town)))
        [box] = inventory.register_purchase_order(work, SYSTEM, town.id, [tablet.serial], "BC-1")
    technician, stranger = running.sign_in(town.id, Role.TECHNICIAN, "t"), running.sign_in(other.id, Role.TECHNICIAN, "s")
    try:
        _reserved_by_api(technician, stranger, town.id, box.id, tablet.serial, pupil.id)
        asyncio.run(_enrol(running, factory, tablet))
        assert technician.get(f"/towns/{town.id}/reservations").json()["items"] == []
    finally:
        technician.close()
        stranger.close()
    with running.runtime.open_unit_of_work() as work:
        facts = load_facts(work, [box.id])[box.id]
    assert (facts.pupil_id, facts.state) == (pupil.id, TabletState.ASSIGNED)


def _reserved_by_api(
    technician: httpx.Client, stranger: httpx.Client, town_id: UUID, tablet_id: UUID, serial: str, pupil_id: UUID
) -> None:
    body = {"kind": "pupil", "serials": [serial], "pupil_ids": [str(pupil_id)]}
    assert stranger.post(f"/towns/{town_id}/reservations", json=body).status_code == 403
    made = technician.post(f"/towns/{town_id}/reservations", json=body)
    assert (made.status_code, made.json()[0]["pupil_id"]) == (201, str(pupil_id))
    assert technician.delete(f"/tablets/{tablet_id}/reservation").status_code == 204
    assert technician.delete(f"/tablets/{tablet_id}/reservation").status_code == 404
    assert technician.post(f"/towns/{town_id}/reservations", json={**body, "serials": []}).status_code == 422
    technician.post(f"/towns/{town_id}/reservations", json=body)
    [listed] = technician.get(f"/towns/{town_id}/reservations").json()["items"]
    assert (listed["serial"], listed["state"]) == (serial, "ordered")
    assert stranger.get(f"/towns/{town_id}/reservations").json()["items"] == []


async def _enrol(running: LiveServer, factory: Factory, tablet: SimulatedTablet) -> None:
    answer = await asyncio.to_thread(
        _post_machine_info, running, factory.build_machine_info(SERIAL=tablet.serial, UDID=tablet.udid, OS_VERSION="26.2")
    )
    await tablet.enrol(answer.content, awaiting_configuration=True)
    for _ in range(4):
        await asyncio.to_thread(running.run_worker)
        await tablet.poll()
    assert not tablet.device.awaiting_configuration
    await tablet.close()


def test_a_retired_tablet_frees_its_reservation(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        place = Place(work)
        child = place.pupils[0].id
        place.reserve(["BOX00000A"], K.PUPIL, pupil_ids=(child,))
        inventory.retire_tablet(work, SYSTEM, place.boxes[0], "broken in its box")
        [made] = place.reserve(["BOX00001A"], K.PUPIL, pupil_ids=(child,))
        assert (made.tablet_id, made.pupil_id) == (place.boxes[1].id, child)
        assert work.session.get(Reservation, place.boxes[0].id) is None


def test_a_reservation_is_applied_after_the_wipe(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        place = Place(work)
        box, child = place.boxes[0], place.pupils[0]
        inventory.prepare_tablet(work, SYSTEM, place.town.id, box.serial)
        box.needs_wipe = True
        place.reserve([box.serial], K.PUPIL, pupil_ids=(child.id,))
        certificate = KnownCertificate("0" * 64, new_id(), None, box.id)
        resolve_tablet(work, certificate, box.serial, "UDID", TabletDetails())
        row = work.session.get_one(Reservation, box.id)
        assert (row.problem, box.state) == ("not_wiped", TabletState.PREPARED)
        inventory.record_manual_wipe(work, SYSTEM, box, "cable")
        reservations.apply_reservation(work, box)
        assert (work.session.get(Reservation, box.id), box.state) == (None, TabletState.ASSIGNED)
