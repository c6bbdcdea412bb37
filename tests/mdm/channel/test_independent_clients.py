"""Clients that share nothing with iPads' habits enroll, obey and renew: own SCEP signer, single DES, plain profiles only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.scope import SYSTEM
from enrollment.identity.models import DeviceCertificate
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.reconcile.renewals import renew_identity
from simulator import SimulatedTablet
from simulator.commands.base import ResultStatus
from simulator.errors import InvalidProfile
from simulator.scep import SCEP_DIALECTS
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", sign_profiles=False) as running:
        yield running


def _create_invitation_code(server: LiveServer) -> str:
    with server.runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id)
        return create_invitations(work, SYSTEM, spec)[0].code


@pytest.mark.parametrize("dialect", [name for name, dialect in SCEP_DIALECTS.items() if dialect.own_signer_key])
def test_a_client_that_signs_scep_requests_with_a_key_of_its_own_enrolls_obeys_and_renews(
    server: LiveServer, dialect: str
) -> None:
    async def run() -> None:
        async with SimulatedTablet(server.url, _create_invitation_code(server), ca=server.ca, dialect=dialect) as tablet:
            tablet.device.opens_signed_profiles = False
            await tablet.enrol()
            await asyncio.to_thread(server.run_worker)
            first = await tablet.poll()
            assert first.answered_commands
            assert {status for _, status in first.answered_commands} == {ResultStatus.ACKNOWLEDGED}
            for _ in range(2):
                before = tablet.identity.certificate.serial_number
                with server.runtime.open_unit_of_work() as work:
                    renew_identity(work, work.session.query(DeviceEnrollment).one().id)
                assert ("InstallProfile", ResultStatus.ACKNOWLEDGED) in (await tablet.poll()).answered_commands
                assert tablet.identity.certificate.serial_number != before
                assert (await tablet.poll()).http_status == 200
        with server.runtime.open_unit_of_work() as work:
            enrollment = work.session.query(DeviceEnrollment).one()
            assert (enrollment.state, enrollment.generation) == (EnrollmentState.ENROLLED, 1)
            newest = work.session.query(DeviceCertificate).order_by(DeviceCertificate.issued_at.desc()).first()
            assert newest is not None
            assert enrollment.fingerprint == newest.fingerprint

    asyncio.run(run())


def test_profiles_are_signed_unless_the_operator_switches_it_off(engine: Engine, tmp_path: Path) -> None:
    with start_live_server(engine, KEYRING, tmp_path / "data") as server:

        async def run() -> None:
            async with SimulatedTablet(server.url, _create_invitation_code(server), ca=server.ca) as tablet:
                tablet.device.opens_signed_profiles = False
                with pytest.raises(InvalidProfile, match="signed"):
                    await tablet.enrol()

        asyncio.run(run())
