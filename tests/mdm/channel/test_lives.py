"""Lives of a tablet over real HTTPS: enrolled again, renewed, left, shared; in every shape of message; never an accident."""

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
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import Command, CommandState
from mdm.reconcile.service import renew
from simulator import SimulatedTablet
from simulator.channel import Habits
from simulator.signature import Shape
from tests.conftest import KEYRING
from tests.support.server import LiveServer, live_server
from tests.support.world import World


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data", trusted_proxies="127.0.0.1/32") as running:
        yield running


def _code(server: LiveServer) -> str:
    with server.runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, World(work).town().id, max_uses=3)
        return create_invitations(work, SYSTEM, spec)[0].code


def _run(server: LiveServer, story: Callable[[SimulatedTablet], Awaitable[None]], habits: Habits | None = None) -> None:
    async def whole() -> None:
        async with SimulatedTablet(server.url, _code(server), ca=server.ca, habits=habits) as tablet:
            await tablet.enrol()
            await asyncio.to_thread(server.work_off)
            await story(tablet)

    asyncio.run(whole())


def _order(server: LiveServer, order: Order) -> None:
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceEnrollment).filter_by(parent_id=None).one()
        queue.enqueue(work, SYSTEM, order, [row.id])


def _state(server: LiveServer) -> tuple[EnrollmentState, int]:
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceEnrollment).filter_by(parent_id=None).one()
        return row.state, row.generation


@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize(("method", "binary", "typed"), [("PUT", False, True), ("POST", True, False)])
def test_every_shape_of_signature_and_message_is_understood(
    server: LiveServer, shape: Shape, method: str, binary: bool, typed: bool
) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        talked = await tablet.poll()
        assert talked.request_types
        assert not talked.surprises

    _run(server, story, Habits(method=method, binary=binary, content_types=typed, shape=shape))


def test_a_tablet_that_enrols_again_begins_a_new_life(server: LiveServer) -> None:
    """Failure table: re-enrolment taken for a renewal; old commands shown on a new life."""

    async def story(tablet: SimulatedTablet) -> None:
        _order(server, SecurityInfo())
        await tablet.erase()
        await tablet.enrol()
        await asyncio.to_thread(server.work_off)
        assert _state(server) == (EnrollmentState.ENROLLED, 2)
        with server.runtime.open_unit_of_work() as work:
            old = [row for row in work.session.query(Command).all() if row.generation == 1]
            assert old
            assert all(row.state is CommandState.SUPERSEDED for row in old)
        assert (await tablet.poll()).request_types

    _run(server, story)


def test_a_renewal_keeps_the_life_and_the_old_certificate_serves_until_the_new_one_is_seen(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        await tablet.poll()
        before = tablet.identity.certificate.serial_number
        with server.runtime.open_unit_of_work() as work:
            renew(work, work.session.query(DeviceEnrollment).one().id)
        assert "InstallProfile" in (await tablet.poll()).request_types
        assert tablet.identity.certificate.serial_number != before
        await tablet.poll()
        assert _state(server) == (EnrollmentState.ENROLLED, 1)

    _run(server, story)


def test_a_tablet_that_leaves_is_checked_out_and_its_queue_dropped(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        _order(server, SecurityInfo())
        await tablet.remove_management()
        assert _state(server)[0] is EnrollmentState.CHECKED_OUT
        with server.runtime.open_unit_of_work() as work:
            assert {row.state for row in work.session.query(Command)} == {CommandState.SUPERSEDED}
            assert work.session.query(PushTarget).count() == 0

    _run(server, story)


def test_a_shared_ipads_user_has_a_channel_of_its_own(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        user = {"UserID": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "UserShortName": "ada", "UserLongName": "Ada"}
        update = {**user, "Token": b"t" * 32, "PushMagic": "user magic"}
        assert (await tablet.channel.check_in("TokenUpdate", update)).status == 200
        body = tablet.channel.written({"UDID": tablet.udid, **user, "Status": "Idle"})
        assert (await tablet.channel.connect(body)).body == b"", "the device's commands are not the user's"
        with server.runtime.open_unit_of_work() as work:
            rows = {row.channel_key: row for row in work.session.query(DeviceEnrollment)}
            assert set(rows) == {tablet.udid.upper(), f"{tablet.udid.upper()}:ada"}
            magics = {row.magic for row in work.session.query(PushTarget)}
            assert magics == {"user magic", tablet.device.push_magic}

    _run(server, story)


def test_a_bootstrap_token_is_kept_given_back_and_forgotten(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        say = tablet.channel.check_in
        assert (await say("GetBootstrapToken", {})).body == b""
        await say("SetBootstrapToken", {"BootstrapToken": b"a secret of the tablet"})
        answer = plistlib.loads((await say("GetBootstrapToken", {})).body)
        assert answer == {"BootstrapToken": b"a secret of the tablet"}
        await say("SetBootstrapToken", {})
        assert (await say("GetBootstrapToken", {})).body == b""

    _run(server, story)


def test_unknown_messages_and_keys_are_kept_and_never_fatal(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        strange = await tablet.channel.check_in("TeleportDevice", {"Where": "Mars"})
        assert strange.status not in {401, 410, 500}
        update = {"Token": b"t" * 32, "PushMagic": "m", "FutureKey": {"a": 1}}
        assert (await tablet.channel.check_in("TokenUpdate", update)).status == 200
        assert (await tablet.poll()).ending == "done"
        with server.runtime.open_unit_of_work() as work:
            kinds = {row.kind for row in work.session.query(ChannelNote)}
            assert {"unknown_message", "unknown_keys"} <= kinds

    _run(server, story)


def test_a_revoked_certificate_is_refused_within_seconds_without_unenrolling(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "STALE_AFTER", 0.0)

    async def story(tablet: SimulatedTablet) -> None:
        with server.runtime.open_unit_of_work() as work:
            row = work.session.query(DeviceCertificate).one()
            identity.revoke(work, SYSTEM, row.id, "stolen")
        await tablet.poll()  # the books are read anew while tablets talk
        talked = await tablet.poll()
        assert talked.status not in {200, 401, 410, 500}
        assert tablet.enrolled

    _run(server, story)


def test_a_certificate_from_a_trusted_proxy_counts_as_much_as_a_signature(server: LiveServer) -> None:
    async def story(tablet: SimulatedTablet) -> None:
        import base64

        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = tablet.identity.certificate
        der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        pem = quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")
        body = plistlib.dumps({"UDID": tablet.udid, "Status": "Idle"})
        trust = ssl.create_default_context(cafile=str(server.ca))
        with httpx.Client(verify=trust) as client:
            for headers in ({"Client-Cert": f":{der}:"}, {"X-Client-Cert": pem}):
                answer = await asyncio.to_thread(client.put, f"{server.url}/mdm", content=body, headers=headers)
                assert answer.status_code == 200
                assert plistlib.loads(answer.content)["CommandUUID"]

    _run(server, story)


def test_a_proxys_header_from_anywhere_else_is_worth_nothing(engine: Engine, tmp_path: Path) -> None:
    with live_server(engine, KEYRING, tmp_path / "data", trusted_proxies="10.9.8.7/32") as server:

        async def story(tablet: SimulatedTablet) -> None:
            from cryptography.hazmat.primitives.serialization import Encoding

            pem = quote(tablet.identity.certificate.public_bytes(Encoding.PEM).decode(), safe="")
            body = plistlib.dumps({"UDID": tablet.udid, "Status": "Idle"})
            trust = ssl.create_default_context(cafile=str(server.ca))
            with httpx.Client(verify=trust) as client:
                answer = await asyncio.to_thread(client.put, f"{server.url}/mdm", content=body, headers={"X-Client-Cert": pem})
            assert (answer.status_code, answer.content) == (400, b"")

        _run(server, story)


@pytest.mark.parametrize(
    "doing", ["garbage", "duplicate_answers", "dies_mid_conversation", "not_now", "wrong_clock", "erased", "re_enrols", "locked"]
)
def test_odd_tablets_never_break_the_server(server: LiveServer, doing: str) -> None:
    async def whole() -> None:
        async with SimulatedTablet(server.url, _code(server), ca=server.ca, doing=doing, pace=0.01) as tablet:
            await tablet.enrol()
            for _ in range(4):
                await asyncio.to_thread(server.work_off)
                if tablet.enrolled:
                    talked = await tablet.poll()
                    assert talked.status != 500
                    assert not talked.surprises

    asyncio.run(whole())
