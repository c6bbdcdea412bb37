"""A certificate of our CA that the database does not know: it continues its own enrollment, and no other one; it proves a restore."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import delete

from cartable.outbox import Topic
from cartable.timeline.models import DatabaseRestore, RestoreEvidence
from enrollment.identity.models import CertificateAuthority, DeviceCertificate, IdentityChallenge
from enrollment.places.models import Town
from mdm.care.restores.service import TimelineWatch
from mdm.channel.models import Readoption, ReadoptionOutcome
from mdm.devices.models import DeviceEnrollment, EnrollmentState, PushTarget
from mdm.worker.drains import drain
from simulator import SimulatedTablet
from tests.support.enrolled import create_invitation_code, list_note_kinds
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def _forget_certificate(server: LiveServer) -> int:
    """Make the database what it was before the only tablet got its certificate. Returns the enrollment's generation."""
    with server.runtime.open_unit_of_work() as work:
        enrollment = work.session.query(DeviceEnrollment).one()
        work.session.execute(delete(IdentityChallenge))
        work.session.execute(delete(DeviceCertificate).where(DeviceCertificate.fingerprint == enrollment.fingerprint))
        enrollment.fingerprint = "0" * 64
        return enrollment.generation


def _read_enrollment(server: LiveServer) -> DeviceEnrollment:
    with server.runtime.open_unit_of_work() as work:
        return work.session.query(DeviceEnrollment).one()


def test_a_lost_certificate_continues_its_enrollment_and_proves_a_restore(server: LiveServer) -> None:
    async def run() -> None:
        async with SimulatedTablet(server.url, create_invitation_code(server), ca=server.ca) as tablet:
            await tablet.enrol()
            TimelineWatch(server.runtime).check()
            generation = _forget_certificate(server)
            assert (await tablet.poll()).http_status == 200
            enrollment = _read_enrollment(server)
            assert (enrollment.generation, enrollment.state) == (generation + 1, EnrollmentState.ENROLLED)
            assert (await tablet.poll()).http_status == 200, "it is pinned"

    asyncio.run(run())
    drain(server.runtime, Topic.TIMELINE)
    drain(server.runtime, Topic.TIMELINE)
    with server.runtime.open_unit_of_work() as work:
        [restore] = work.session.query(DatabaseRestore)
        assert restore.evidence is RestoreEvidence.CERTIFICATE
        assert work.session.query(PushTarget).count() == 1, "the tablet can be woken as before"


def test_a_certificate_of_another_town_or_from_before_continues_nothing(server: LiveServer) -> None:
    async def run() -> None:
        async with SimulatedTablet(server.url, create_invitation_code(server), ca=server.ca) as tablet:
            await tablet.enrol()
            _forget_certificate(server)
            with server.runtime.open_unit_of_work() as work:
                enrollment = work.session.query(DeviceEnrollment).one()
                town_id = enrollment.town_id
                enrollment.town_id = TownFactory(work).create_town("Ailleurs").id
            log = await tablet.poll()
            assert log.http_status == 400, "refused, and not lost"
            with server.runtime.open_unit_of_work() as work:
                assert work.session.query(Readoption).one().outcome is ReadoptionOutcome.OTHER_TABLET
                enrollment = work.session.query(DeviceEnrollment).one()
                enrollment.town_id = work.session.get_one(Town, town_id).id
                enrollment.state, enrollment.ended_at = (
                    EnrollmentState.CHECKED_OUT,
                    server.runtime.clock.now() + timedelta(seconds=1),
                )
            assert (await tablet.poll()).http_status == 400, "it has left since"
            assert tablet.is_enrolled

    asyncio.run(run())
    assert "wrong_certificate" in list_note_kinds(server)
    assert _read_enrollment(server).state is EnrollmentState.CHECKED_OUT


def test_a_certificate_of_a_foreign_authority_continues_nothing(server: LiveServer) -> None:
    async def run() -> None:
        async with SimulatedTablet(server.url, create_invitation_code(server), ca=server.ca) as tablet:
            await tablet.enrol()
            _forget_certificate(server)
            with server.runtime.open_unit_of_work() as work:
                work.session.query(CertificateAuthority).update({"is_foreign": True})
            assert (await tablet.poll()).http_status == 400, "refused, and not lost"
            assert tablet.is_enrolled

    asyncio.run(run())
    with server.runtime.open_unit_of_work() as work:
        assert work.session.query(Readoption).count() == 0, "it is no sign of a restore"
