"""The life cycle of an enrollment over real HTTPS: enroll again, renew, check out, Shared iPad users, all message formats."""

from __future__ import annotations

import asyncio
import plistlib
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine

from cartable.scope import SYSTEM
from enrollment.identity import service as identity
from enrollment.identity import verifier
from enrollment.identity.models import DeviceCertificate
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeviceEnrollment, EnrollmentState, PushTarget
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import CommandState, QueuedCommand
from mdm.reconcile.renewals import renew_identity
from simulator import SimulatedTablet
from simulator.channel import MessageFormat
from simulator.signature import SignatureShape
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", trusted_proxies="127.0.0.1/32") as running:
        yield running


def _create_invitation_code(server: LiveServer) -> str:
    with server.runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id, max_uses=3)
        return create_invitations(work, SYSTEM, spec)[0].code


def _run_scenario(
    server: LiveServer, scenario: Callable[[SimulatedTablet], Awaitable[None]], message_format: MessageFormat | None = None
) -> None:
    async def run() -> None:
        async with SimulatedTablet(
            server.url, _create_invitation_code(server), ca=server.ca, message_format=message_format
        ) as tablet:
            await tablet.enrol()
            await asyncio.to_thread(server.run_worker)
            await scenario(tablet)

    asyncio.run(run())


def _enqueue(server: LiveServer, command: Command) -> None:
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceEnrollment).filter_by(parent_id=None).one()
        queue.enqueue_command(work, SYSTEM, command, [row.id])


def _read_enrollment(server: LiveServer) -> tuple[EnrollmentState, int]:
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceEnrollment).filter_by(parent_id=None).one()
        return row.state, row.generation


@pytest.mark.one_database
@pytest.mark.parametrize("shape", list(SignatureShape))
@pytest.mark.parametrize(("method", "binary", "typed"), [("PUT", False, True), ("POST", True, False)])
def test_every_signature_and_message_format_is_accepted(
    server: LiveServer, shape: SignatureShape, method: str, binary: bool, typed: bool
) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        conversation = await tablet.poll()
        assert conversation.request_types
        assert not conversation.anomalies

    _run_scenario(
        server, scenario, MessageFormat(http_method=method, binary_plists=binary, sends_content_type=typed, signature_shape=shape)
    )


def test_enrolling_again_starts_a_new_generation(server: LiveServer) -> None:
    """Failure table: re-enrollment taken for a renewal; commands of the former generation delivered to the new one."""

    async def scenario(tablet: SimulatedTablet) -> None:
        _enqueue(server, SecurityInfo())
        await tablet.erase()
        await tablet.enrol()
        await asyncio.to_thread(server.run_worker)
        assert _read_enrollment(server) == (EnrollmentState.ENROLLED, 2)
        with server.runtime.open_unit_of_work() as work:
            old = [row for row in work.session.query(QueuedCommand).all() if row.generation == 1]
            assert old
            assert all(row.state is CommandState.SUPERSEDED for row in old)
        assert (await tablet.poll()).request_types

    _run_scenario(server, scenario)


def test_renewal_keeps_the_generation_and_accepts_both_certificates_until_the_new_one_is_used(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        await tablet.poll()
        before = tablet.identity.certificate.serial_number
        with server.runtime.open_unit_of_work() as work:
            renew_identity(work, work.session.query(DeviceEnrollment).one().id)
        assert "InstallProfile" in (await tablet.poll()).request_types
        assert tablet.identity.certificate.serial_number != before
        await tablet.poll()
        assert _read_enrollment(server) == (EnrollmentState.ENROLLED, 1)

    _run_scenario(server, scenario)


def test_check_out_supersedes_open_commands(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        _enqueue(server, SecurityInfo())
        await tablet.remove_management()
        assert _read_enrollment(server)[0] is EnrollmentState.CHECKED_OUT
        with server.runtime.open_unit_of_work() as work:
            assert {row.state for row in work.session.query(QueuedCommand)} == {CommandState.SUPERSEDED}
            assert work.session.query(PushTarget).count() == 0

    _run_scenario(server, scenario)


def test_a_shared_ipad_user_has_an_enrollment_of_its_own(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        user = {"UserID": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "UserShortName": "ada", "UserLongName": "Ada"}
        update = {**user, "Token": b"t" * 32, "PushMagic": "user magic"}
        assert (await tablet.channel.send_check_in("TokenUpdate", update)).status == 200
        body = tablet.channel.serialize_plist({"UDID": tablet.udid, **user, "Status": "Idle"})
        assert (await tablet.channel.send_connect(body)).body == b"", "the device's commands are not the user's"
        with server.runtime.open_unit_of_work() as work:
            rows = {row.channel_key: row for row in work.session.query(DeviceEnrollment)}
            assert set(rows) == {tablet.udid.upper(), f"{tablet.udid.upper()}:ada"}
            magics = {row.magic for row in work.session.query(PushTarget)}
            assert magics == {"user magic", tablet.device.push_magic}

    _run_scenario(server, scenario)


def test_bootstrap_token_is_stored_returned_and_deleted(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        check_in = tablet.channel.send_check_in
        assert (await check_in("GetBootstrapToken", {})).body == b""
        await check_in("SetBootstrapToken", {"BootstrapToken": b"a secret of the tablet"})
        response = plistlib.loads((await check_in("GetBootstrapToken", {})).body)
        assert response == {"BootstrapToken": b"a secret of the tablet"}
        await check_in("SetBootstrapToken", {})
        assert (await check_in("GetBootstrapToken", {})).body == b""

    _run_scenario(server, scenario)


def test_unknown_messages_and_keys_are_noted_and_never_fatal(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        unknown_response = await tablet.channel.send_check_in("TeleportDevice", {"Where": "Mars"})
        assert unknown_response.status not in {401, 410, 500}
        update = {"Token": b"t" * 32, "PushMagic": "m", "FutureKey": {"a": 1}}
        assert (await tablet.channel.send_check_in("TokenUpdate", update)).status == 200
        assert (await tablet.poll()).ending == "done"
        with server.runtime.open_unit_of_work() as work:
            kinds = {row.kind for row in work.session.query(ChannelNote)}
            assert {"unknown_message", "unknown_keys"} <= kinds

    _run_scenario(server, scenario)


def test_a_revoked_certificate_is_refused_within_seconds_without_unenrolling(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "STALE_AFTER", 0.0)

    async def scenario(tablet: SimulatedTablet) -> None:
        with server.runtime.open_unit_of_work() as work:
            row = work.session.query(DeviceCertificate).one()
            identity.revoke_certificate(work, SYSTEM, row.id, "stolen")
        await tablet.poll()  # the trust store is refreshed while tablets connect
        conversation = await tablet.poll()
        assert conversation.http_status not in {200, 401, 410, 500}
        assert tablet.is_enrolled

    _run_scenario(server, scenario)


def test_certificate_header_of_a_trusted_proxy_is_accepted_like_a_signature(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        import base64

        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = tablet.identity.certificate
        der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        pem = quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")
        body = plistlib.dumps({"UDID": tablet.udid, "Status": "Idle"})
        trust = ssl.create_default_context(cafile=str(server.ca))
        with httpx.Client(verify=trust) as client:
            for headers in ({"Client-Cert": f":{der}:"}, {"X-Client-Cert": pem}):
                response = await asyncio.to_thread(client.put, f"{server.url}/mdm", content=body, headers=headers)
                assert response.status_code == 200
                assert plistlib.loads(response.content)["CommandUUID"]

    _run_scenario(server, scenario)


def test_certificate_header_of_an_untrusted_peer_is_ignored(engine: Engine, tmp_path: Path) -> None:
    with start_live_server(engine, KEYRING, tmp_path / "data", trusted_proxies="10.9.8.7/32") as server:

        async def scenario(tablet: SimulatedTablet) -> None:
            from cryptography.hazmat.primitives.serialization import Encoding

            pem = quote(tablet.identity.certificate.public_bytes(Encoding.PEM).decode(), safe="")
            body = plistlib.dumps({"UDID": tablet.udid, "Status": "Idle"})
            trust = ssl.create_default_context(cafile=str(server.ca))
            with httpx.Client(verify=trust) as client:
                response = await asyncio.to_thread(client.put, f"{server.url}/mdm", content=body, headers={"X-Client-Cert": pem})
            assert (response.status_code, response.content) == (400, b"")

        _run_scenario(server, scenario)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "behaviour_name",
    ["garbage", "duplicate_answers", "dies_mid_conversation", "not_now", "wrong_clock", "erased", "re_enrols", "locked"],
)
def test_misbehaving_tablets_never_cause_a_server_error(server: LiveServer, behaviour_name: str) -> None:
    async def run() -> None:
        async with SimulatedTablet(
            server.url, _create_invitation_code(server), ca=server.ca, behaviour=behaviour_name, pace=0.01
        ) as tablet:
            await tablet.enrol()
            for _ in range(4):
                await asyncio.to_thread(server.run_worker)
                if tablet.is_enrolled:
                    conversation = await tablet.poll()
                    assert conversation.http_status != 500
                    assert not conversation.anomalies

    asyncio.run(run())
