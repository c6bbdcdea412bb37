"""The user channel of a Shared iPad: another channel is another person. A message of an unknown user never acts on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mdm.channel.errors import RejectionReason
from mdm.devices.models import DeviceEnrollment, EnrollmentState, PushTarget
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue.models import CommandState, QueuedCommand
from simulator import SimulatedTablet
from tests.support.enrolled import enqueue, list_note_kinds, run_scenario
from tests.support.server import LiveServer

TOKEN: dict[str, Any] = {"Token": b"t" * 32, "PushMagic": "user magic"}
MESSAGES: dict[str, dict[str, Any]] = {
    "CheckOut": {},
    "SetBootstrapToken": {"BootstrapToken": b"of a stranger"},
    "GetBootstrapToken": {},
    "DeclarativeManagement": {"Endpoint": "tokens"},
    "GetToken": {"TokenServiceType": "com.apple.maid"},
    "ReturnToService": {},
    "Authenticate": {"SerialNumber": "STRANGER"},
}


def _read(server: LiveServer) -> tuple[dict[str, tuple[EnrollmentState, int]], int, set[CommandState], bytes | None]:
    with server.runtime.open_unit_of_work() as work:
        rows = list(work.session.query(DeviceEnrollment))
        device = next(row for row in rows if row.parent_id is None)
        return (
            {row.channel_key.partition(":")[2]: (row.state, row.generation) for row in rows},
            work.session.query(PushTarget).count(),
            {row.state for row in work.session.query(QueuedCommand)},
            device.bootstrap_token,
        )


@pytest.mark.one_database
@pytest.mark.parametrize("kind", list(MESSAGES))
def test_a_message_of_an_unknown_user_touches_nothing(server: LiveServer, kind: str) -> None:
    """Failure table: a message on the user channel of an unknown person."""

    async def scenario(tablet: SimulatedTablet) -> None:
        enqueue(server, SecurityInfo())
        before = _read(server)
        response = await tablet.channel.send_user_check_in("jamais-vu@ecole.example", kind, MESSAGES[kind])
        assert (response.status, response.body) == (400, b"")
        assert _read(server) == before
        assert {RejectionReason.UNKNOWN_USER, RejectionReason.DEVICE_CHANNEL_ONLY} & list_note_kinds(server)
        assert (await tablet.poll()).request_types, "the tablet goes on"

    run_scenario(server, scenario)


def test_a_connect_message_of_an_unknown_user_gets_no_command_of_the_device(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        user = {"UserID": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "UserShortName": "jamais-vu"}
        body = tablet.channel.serialize_plist({"UDID": tablet.udid, **user, "Status": "Idle"})
        response = await tablet.channel.send_connect(body)
        assert (response.status, response.body) == (400, b"")
        assert RejectionReason.UNKNOWN_USER in list_note_kinds(server)

    run_scenario(server, scenario)


def test_the_check_out_of_a_known_user_ends_that_user_alone_who_may_come_back(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        send = tablet.channel.send_user_check_in
        for name in ("ada", "noe"):
            assert (await send(name, "TokenUpdate", TOKEN)).status == 200
        assert (await send("ada", "CheckOut", {})).status == 200
        states = _read(server)[0]
        assert states[""] == (EnrollmentState.ENROLLED, 1)
        assert states["ada"][0] is EnrollmentState.CHECKED_OUT
        assert states["noe"] == (EnrollmentState.ENROLLED, 1)
        assert (await send("ada", "DeclarativeManagement", {"Endpoint": "tokens"})).status == 400
        assert (await send("ada", "TokenUpdate", TOKEN)).status == 200
        assert _read(server)[0]["ada"] == (EnrollmentState.ENROLLED, 2)

    run_scenario(server, scenario)


def test_users_come_back_after_the_tablet_enrolled_again(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        assert (await tablet.channel.send_user_check_in("ada", "TokenUpdate", TOKEN)).status == 200
        await tablet.erase()
        await tablet.enrol()
        assert _read(server)[0]["ada"][0] is EnrollmentState.CHECKED_OUT
        assert (await tablet.channel.send_user_check_in("ada", "TokenUpdate", TOKEN)).status == 200
        assert _read(server)[0] == {"": (EnrollmentState.ENROLLED, 2), "ada": (EnrollmentState.ENROLLED, 2)}

    run_scenario(server, scenario)


def test_optional_keys_of_a_wrong_type_are_left_out(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        odd: dict[str, Any] = {
            "Token": b"t" * 32, "PushMagic": "m", "UnlockToken": "a text", "AwaitingConfiguration": [1], "NotOnConsole": "false",
        }  # fmt: skip
        assert (await tablet.channel.send_check_in("TokenUpdate", odd)).status == 200
        again = {"SerialNumber": tablet.serial, "OSVersion": 26, "BuildVersion": ["x"], "ModelName": {}, "DeviceName": "x" * 5000}
        assert (await tablet.channel.send_check_in("Authenticate", again)).status == 200
        assert (await tablet.channel.send_check_in("TokenUpdate", TOKEN)).status == 200
        long_name = {"UserID": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "UserShortName": "ada", "UserLongName": 7}
        assert (await tablet.channel.send_check_in("TokenUpdate", TOKEN | long_name)).status == 200
        wrong_user = {"UserID": 7}
        assert (await tablet.channel.send_check_in("CheckOut", wrong_user)).status == 400, "else it would be the device's"
        assert _read(server)[0][""][0] is EnrollmentState.ENROLLED

    run_scenario(server, scenario)


def test_the_case_from_the_field_is_refused(server: LiveServer, tmp_path: Path) -> None:
    """CheckOut with a UserID and a short name that nobody has, signed by the device."""

    async def scenario(tablet: SimulatedTablet) -> None:
        body = (
            b'<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>MessageType</key><string>CheckOut</string>'
            b"<key>Topic</key><string>x</string><key>UDID</key><string>" + tablet.udid.encode() + b"</string><key>UserID</key>"
            b"<string>FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF</string><key>UserShortName</key>"
            b"<string>jamais-vu@ecole.example</string></dict></plist>"
        )
        settings = tablet.channel.enrollment.mdm_settings
        response = await tablet.channel.send_signed(settings.checkin_url, body, "application/x-apple-aspen-mdm-checkin")
        assert response.status == 400
        assert _read(server)[0] == {"": (EnrollmentState.ENROLLED, 1)}
        assert (await tablet.poll()).request_types

    run_scenario(server, scenario)


@pytest.mark.parametrize("letter", ["\u00df", "\u0390"], ids=["two capitals", "three capitals"])
def test_an_identifier_that_grows_as_capitals_is_refused_on_each_database(server: LiveServer, letter: str) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        message = {"SerialNumber": tablet.device.hardware.serial, "UDID": letter * 127}
        assert (await tablet.channel.send_check_in("Authenticate", message)).status == 400

    run_scenario(server, scenario)
