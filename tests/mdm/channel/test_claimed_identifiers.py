"""What a device claims to be: whoever holds an invitation takes no enrolled tablet's place, and an odd serial number is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity.models import DeviceAttestation
from enrollment.identity.service import CertificateHolder
from enrollment.joining.errors import EnrollmentRefusal
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.rules import read_reported_serial
from mdm.channel.errors import DeviceRequestRejected
from mdm.channel.handlers import handle_checkin
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import Authenticate, EnrollmentIds, TokenUpdate
from simulator import SimulatedTablet
from simulator.errors import UnexpectedResponse
from simulator.hardware import Hardware
from tests.support.enrolled import create_invitation_code
from tests.support.server import LiveServer
from tests.support.world import TownFactory

SERIAL, UDID = "DMPVLX6QJF8J", "00008101-000000000000001E"
OTHER_SERIAL, OTHER_UDID = "ZX8K2Q4M9T", "00008101-00000000000000AB"
IPAD = Hardware.from_seed("claimed identifiers")


class _Town:
    """A town with an invitation for its stock, and devices that follow it with a certificate each."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work = work
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id, max_uses=5)
        self.invitation_id = create_invitations(work, SYSTEM, spec)[0].id

    def enroll(self, serial: str | None, udid: str, *, attested: bool = False) -> None:
        """Enroll a device as an invitation lets it."""
        key = rsa.generate_private_key(65537, 2048).public_key()
        certificate = identity.issue_certificate(self.work, CertificateHolder(invitation_id=self.invitation_id), key, None)
        if attested:
            certificate.attested = True
            proof = DeviceAttestation(certificate_id=certificate.id, serial=serial, udid=udid, attested_at=self.work.now)
            self.work.session.add(proof)
            self.work.session.flush()
        ids = EnrollmentIds(udid=udid)
        for message in (
            Authenticate(ids=ids, topic="topic", serial_number=serial),
            TokenUpdate(ids=ids, topic="topic", token=b"token", push_magic="magic"),
        ):
            handle_checkin(self.work, message, certificate.fingerprint)

    def get_refusal(self, serial: str | None, udid: str) -> str:
        """Enroll a device that is refused, and return why."""
        with pytest.raises(DeviceRequestRejected) as refused, self.work.session.begin_nested():
            self.enroll(serial, udid)
        assert refused.value.status == 403
        return refused.value.detail

    def read_enrollments(self) -> dict[str, tuple[str, EnrollmentState, int]]:
        """Return serial number, state and generation by UDID."""
        rows = self.work.session.execute(
            select(DeviceEnrollment, Tablet.serial).join(Tablet, Tablet.id == DeviceEnrollment.tablet_id)
        )
        return {row.udid: (serial, row.state, row.generation) for row, serial in rows}


def test_a_device_that_claims_to_be_an_enrolled_tablet_is_refused_and_that_tablet_goes_on(server: LiveServer) -> None:
    code = create_invitation_code(server)
    clone_hardware = replace(Hardware.from_seed("the device that claims them"), udid=IPAD.udid)

    async def run() -> None:
        async with (
            SimulatedTablet(server.url, code, ca=server.ca, hardware=IPAD) as tablet,
            SimulatedTablet(server.url, code, ca=server.ca, hardware=clone_hardware) as clone,
        ):
            await tablet.enrol()
            for _ in range(2):
                with pytest.raises(UnexpectedResponse, match="403"):
                    await clone.enrol()
            assert (await tablet.poll()).http_status == 200

    asyncio.run(run())
    with server.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet)).one()
        enrollment = work.session.scalars(select(DeviceEnrollment)).one()
        assert (tablet.serial, enrollment.generation, enrollment.state) == (IPAD.serial, 1, EnrollmentState.ENROLLED)
        invitation = work.session.scalars(select(Invitation)).one()
        assert (invitation.refusal, invitation.uses) == (EnrollmentRefusal.UDID_OF_ANOTHER, 1)
        alarm = work.session.scalars(select(Alarm)).one()
        assert (alarm.kind, alarm.town_id) == (AlarmKind.TABLET_CLAIMED, tablet.town_id)
        assert alarm.details == {
            "tag": tablet.tag, "tablet_id": str(tablet.id), "reason": "udid_of_another_tablet", "invitation_id": str(invitation.id)
        }  # fmt: skip


def test_what_an_enrolled_tablet_has_is_nobody_elses_and_the_tablet_itself_enrolls_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = _Town(work)
        town.enroll(SERIAL, UDID)
        assert town.get_refusal(OTHER_SERIAL, UDID) == EnrollmentRefusal.UDID_OF_ANOTHER
        assert town.get_refusal(None, UDID.lower()) == EnrollmentRefusal.UDID_OF_ANOTHER
        assert town.get_refusal(SERIAL.lower(), OTHER_UDID) == EnrollmentRefusal.SERIAL_ENROLLED
        assert town.read_enrollments() == {UDID: (SERIAL, EnrollmentState.ENROLLED, 1)}
        town.enroll(SERIAL, UDID)
        assert town.read_enrollments() == {UDID: (SERIAL, EnrollmentState.ENROLLED, 2)}


def _record_repair(tablet: Tablet, _enrollment: DeviceEnrollment) -> None:
    tablet.state = TabletState.REPAIRED


def _record_erase(_tablet: Tablet, enrollment: DeviceEnrollment) -> None:
    enrollment.erased_at = enrollment.authenticated_at + timedelta(hours=1)


def _end(_tablet: Tablet, enrollment: DeviceEnrollment) -> None:
    enrollment.state = EnrollmentState.CHECKED_OUT


@pytest.mark.parametrize("record", [_record_repair, _record_erase, _end])
def test_a_tablet_that_may_have_a_new_logic_board_enrolls_with_another_udid(
    runtime: Runtime, record: Callable[[Tablet, DeviceEnrollment], None]
) -> None:
    with runtime.open_unit_of_work() as work:
        town = _Town(work)
        town.enroll(SERIAL, UDID)
        record(work.session.scalars(select(Tablet)).one(), work.session.scalars(select(DeviceEnrollment)).one())
        town.enroll(SERIAL, OTHER_UDID)
        assert town.read_enrollments() == {
            UDID: (SERIAL, EnrollmentState.CHECKED_OUT, 1), OTHER_UDID: (SERIAL, EnrollmentState.ENROLLED, 1)
        }  # fmt: skip


def test_the_owner_of_a_udid_or_serial_number_that_apple_attests_displaces_the_device_that_claimed_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = _Town(work)
        town.enroll(OTHER_SERIAL, UDID)
        town.enroll(SERIAL, OTHER_UDID)
        town.enroll(SERIAL, UDID, attested=True)
        assert town.read_enrollments() == {
            UDID: (SERIAL, EnrollmentState.ENROLLED, 2), OTHER_UDID: (SERIAL, EnrollmentState.CHECKED_OUT, 1)
        }  # fmt: skip


def test_a_tablet_without_serial_number_is_registered_under_its_udid_and_may_have_one_later(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = _Town(work)
        town.enroll("System Serial#", UDID)
        assert town.read_enrollments() == {UDID: (UDID, EnrollmentState.ENROLLED, 1)}
        town.enroll(SERIAL, UDID)
        assert town.read_enrollments() == {UDID: (SERIAL, EnrollmentState.ENROLLED, 2)}
        note = work.session.scalars(select(ChannelNote)).one()
        assert (note.kind, note.details) == ("odd_serial", {"serial": "System Serial#"})


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        ("DMPVLX6QJF8J", "DMPVLX6QJF8J"),
        (" c02xk1abjg5j ", "C02XK1ABJG5J"),
        ("ZX8K2Q4M9T", "ZX8K2Q4M9T"),
        ("SIM1", "SIM1"),
        (None, None),
        ("", None),
        ("0", None),
        ("é", None),
        ("000000000000", None),
        ("System Serial#", None),
        ("Not Available", None),
        ("DMPVLX6QJF８J", None),
        ("A1" * 100, None),
    ],
)
def test_a_reported_serial_number_is_one_that_an_inventory_may_have(text: str | None, serial: str | None) -> None:
    assert read_reported_serial(text) == serial
