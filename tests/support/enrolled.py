"""One simulated tablet enrolled at a live server, and what tests ask of the server's database about it."""

from __future__ import annotations

import asyncio
import plistlib
from collections.abc import Awaitable, Callable
from typing import Any

from cartable.scope import SYSTEM
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.base import Command
from mdm.queue import service as queue
from mdm.queue.models import CommandState, QueuedCommand
from mdm.queue.rules import parse_command_uuid
from simulator import SimulatedTablet
from simulator.channel import MessageFormat
from simulator.http_connection import ServerResponse
from tests.support.server import LiveServer
from tests.support.world import TownFactory

Scenario = Callable[[SimulatedTablet], Awaitable[None]]


def create_invitation_code(server: LiveServer) -> str:
    """Create a town with an invitation for its stock, and return the code."""
    with server.runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id, max_uses=3)
        return create_invitations(work, SYSTEM, spec)[0].code


def run_scenario(server: LiveServer, scenario: Scenario, message_format: MessageFormat | None = None, **tablet: Any) -> None:
    """Enroll a simulated tablet, let the worker run, and run the scenario."""

    async def run() -> None:
        async with SimulatedTablet(
            server.url, create_invitation_code(server), ca=server.ca, message_format=message_format, **tablet
        ) as simulated:
            await simulated.enrol()
            await asyncio.to_thread(server.run_worker)
            await scenario(simulated)

    asyncio.run(run())


def enqueue(server: LiveServer, *commands: Command) -> None:
    """Enqueue commands for the device channel of the only tablet."""
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceEnrollment).filter_by(parent_id=None).one()
        for command in commands:
            queue.enqueue_command(work, SYSTEM, command, [row.id])


async def send_idle(tablet: SimulatedTablet) -> tuple[str, str] | None:
    """Send Idle. Returns the delivered command as (RequestType, CommandUUID); None when none waits."""
    body = tablet.channel.serialize_plist({"UDID": tablet.udid, "Status": "Idle"})
    return parse_command(await tablet.channel.send_connect(body))


def parse_command(response: ServerResponse) -> tuple[str, str] | None:
    """Return the command in a response as (RequestType, CommandUUID); None for an empty one."""
    assert response.status == 200, response.status
    if not response.body:
        return None
    command = plistlib.loads(response.body)
    return command["Command"]["RequestType"], command["CommandUUID"]


def read_command(server: LiveServer, uuid: str) -> tuple[CommandState, str | None]:
    """Return state and reason of a command."""
    parsed = parse_command_uuid(uuid)
    assert parsed is not None
    with server.runtime.open_unit_of_work() as work:
        row = work.session.get_one(QueuedCommand, parsed[1])
        return row.state, row.state_reason


def list_note_kinds(server: LiveServer) -> set[str]:
    """Return the kinds of all notes about unexpected messages."""
    with server.runtime.open_unit_of_work() as work:
        return {row.kind for row in work.session.query(ChannelNote)}
