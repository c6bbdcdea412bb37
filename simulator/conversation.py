"""Runs one conversation: Idle, then command results until the server has no more commands. Executing them is in `commands`."""

from __future__ import annotations

import plistlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.parsers.expat import ExpatError

from simulator import commands
from simulator.behaviour_base import Behaviour, Disconnection
from simulator.channel import MdmChannel, removes_mdm_profile
from simulator.commands.base import CommandNetwork, ReceivedCommand, ResultStatus
from simulator.http_connection import ServerResponse


class ConversationEnding(StrEnum):
    """Why a conversation ended."""

    DONE = "done"
    NOT_NOW = "not now"
    """The server has no more commands, and the last result was NotNow: the tablet polls again by itself."""
    REFUSED = "refused"
    SERVER_ERROR = "server trouble"
    NO_NETWORK = "no network"
    """The rules on the tablet keep it from every network: nothing was sent."""
    UNENROLLED = "unenrolled"
    VANISHED = "died"
    LEFT = "left"
    """The tablet was erased, left management, was switched off or restarted."""


@dataclass
class ConversationLog:
    """What happened in one conversation: the answered commands, how it ended, what was wrong."""

    answered_commands: list[tuple[str, ResultStatus]] = field(default_factory=list)
    command_uuids: list[str] = field(default_factory=list)
    ending: ConversationEnding = ConversationEnding.DONE
    http_status: int = 200
    """The HTTP status that ended it."""
    anomalies: list[str] = field(default_factory=list)
    """Responses that an iPad would not understand, and actions that failed."""

    @property
    def request_types(self) -> list[str]:
        return [name for name, _ in self.answered_commands]


class ConversationRunner:
    """Exchanges the messages of one conversation. `tablet` decides when to send them."""

    def __init__(self, channel: MdmChannel, behaviour: Behaviour, world: CommandNetwork) -> None:
        self._channel = channel
        self._behaviour = behaviour
        self._world = world
        self.log = ConversationLog()

    async def send_status(
        self, status: ResultStatus, uuid: str | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Send Idle or a command result; return the next command, or None when the conversation is over.

        Raises `Disconnected`.
        """
        ids = {"UDID": self._channel.device.hardware.udid, "Status": status.value}
        written = self._channel.serialize_plist(ids | ({"CommandUUID": uuid} if uuid else {}) | (body or {}))
        if status is not ResultStatus.IDLE:
            written = self._behaviour.corrupt_body(written)
            death = self._behaviour.disconnects_at()
            if death is not None:
                if death is Disconnection.AFTER_ANSWER:
                    await self._channel.send_connect_and_disconnect(written)
                self.log.ending = ConversationEnding.VANISHED
                return None
            for _ in range(self._behaviour.result_copies - 1):
                await self._channel.send_connect(written)
        return self._interpret_response(await self._channel.send_connect(written))

    async def execute_command(self, command: dict[str, Any]) -> tuple[ResultStatus, str, dict[str, Any]]:
        """Execute a command; return status, CommandUUID and the other keys of its result."""
        device = self._channel.device
        arguments: dict[str, Any] = command["Command"]
        uuid: str = command["CommandUUID"]
        name = str(arguments.get("RequestType"))
        locked = not device.unlocked and name in commands.NEEDS_UNLOCK
        if locked or self._behaviour.answers_not_now(name):
            body: dict[str, Any] = {"Status": ResultStatus.NOT_NOW.value}
        elif error_chain := self._behaviour.refuse_command(arguments):
            body = {"Status": ResultStatus.ERROR.value, "ErrorChain": error_chain}
        else:
            body = await commands.execute_command(ReceivedCommand(device, arguments, self._world))
        status = ResultStatus(body.pop("Status"))
        self.log.answered_commands.append((name, status))
        self.log.command_uuids.append(uuid)
        return status, uuid, body

    def _interpret_response(self, reply: ServerResponse) -> dict[str, Any] | None:
        self.log.http_status = reply.status
        if removes_mdm_profile(reply, self._channel.device.hardware.os_major_version):
            self.log.ending = ConversationEnding.UNENROLLED
        elif reply.status >= 500:
            self.log.ending = ConversationEnding.SERVER_ERROR
        elif reply.status != 200:
            self.log.ending = ConversationEnding.REFUSED
        elif reply.body:
            return self._parse_command(reply)
        elif self.log.answered_commands and self.log.answered_commands[-1][1] is ResultStatus.NOT_NOW:
            self.log.ending = ConversationEnding.NOT_NOW
        return None

    def _parse_command(self, reply: ServerResponse) -> dict[str, Any] | None:
        try:
            command = plistlib.loads(reply.body)
            if isinstance(command["Command"], dict) and isinstance(command["CommandUUID"], str):
                return dict(command)
            self.log.anomalies.append("Command or CommandUUID has the wrong type")
        except (plistlib.InvalidFileException, ExpatError, ValueError, KeyError, TypeError) as error:
            self.log.anomalies.append(f"{type(error).__name__} {error} in {reply.body[:80]!r}")
        self.log.ending = ConversationEnding.REFUSED
        return None
