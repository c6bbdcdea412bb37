"""One conversation: Idle, answers, and on until the server has nothing more. What the answers say is `commands`' matter."""

from __future__ import annotations

import plistlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.parsers.expat import ExpatError

from simulator import commands
from simulator.behaviours import Behaviour, Death
from simulator.channel import Channel, unenrols
from simulator.commands.base import Request, Status, World
from simulator.wire import Reply


class Ending(StrEnum):
    """Why a conversation stopped."""

    DONE = "done"
    NOT_NOW = "not now"
    """Done, and the last status sent was NotNow: the tablet polls again by itself."""
    REFUSED = "refused"
    SERVER_TROUBLE = "server trouble"
    UNENROLLED = "unenrolled"
    DIED = "died"
    LEFT = "left"
    """The tablet erased itself, left management, switched off or restarted."""


@dataclass
class Conversation:
    """What was said."""

    commands: list[tuple[str, Status]] = field(default_factory=list)
    uuids: list[str] = field(default_factory=list)
    ending: Ending = Ending.DONE
    status: int = 200
    """The HTTP status that ended it."""
    surprises: list[str] = field(default_factory=list)
    """Replies that an iPad would not understand."""

    @property
    def request_types(self) -> list[str]:
        return [name for name, _ in self.commands]


class Talk:
    """Says and hears the messages of one conversation; who decides when to say them is `tablet`."""

    def __init__(self, channel: Channel, behaviour: Behaviour, world: World) -> None:
        self._channel = channel
        self._behaviour = behaviour
        self._world = world
        self.told = Conversation()

    async def say(self, status: Status, uuid: str | None = None, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Send Idle or an answer; the next command, or None when the conversation is over. Raises `Disconnected`."""
        ids = {"UDID": self._channel.device.hardware.udid, "Status": status.value}
        written = self._channel.written(ids | ({"CommandUUID": uuid} if uuid else {}) | (body or {}))
        if status is not Status.IDLE:
            written = self._behaviour.garbled(written)
            death = self._behaviour.dies()
            if death is not None:
                if death is Death.AFTER_ANSWER:
                    await self._channel.cut(written)
                self.told.ending = Ending.DIED
                return None
            for _ in range(self._behaviour.repeats - 1):
                await self._channel.connect(written)
        return self._understood(await self._channel.connect(written))

    async def answer(self, command: dict[str, Any]) -> tuple[Status, str, dict[str, Any]]:
        """Do what a command asks; status, CommandUUID and the other keys of the answer."""
        device = self._channel.device
        arguments: dict[str, Any] = command["Command"]
        uuid: str = command["CommandUUID"]
        name = str(arguments.get("RequestType"))
        locked = not device.unlocked and name in commands.LOCKED
        if locked or self._behaviour.not_now(name):
            body: dict[str, Any] = {"Status": Status.NOT_NOW.value}
        else:
            body = await commands.answer(Request(device, arguments, self._world))
        status = Status(body.pop("Status"))
        self.told.commands.append((name, status))
        self.told.uuids.append(uuid)
        return status, uuid, body

    def _understood(self, reply: Reply) -> dict[str, Any] | None:
        self.told.status = reply.status
        if unenrols(reply, self._channel.device.hardware.major):
            self.told.ending = Ending.UNENROLLED
        elif reply.status >= 500:
            self.told.ending = Ending.SERVER_TROUBLE
        elif reply.status != 200:
            self.told.ending = Ending.REFUSED
        elif reply.body:
            return self._command(reply)
        elif self.told.commands and self.told.commands[-1][1] is Status.NOT_NOW:
            self.told.ending = Ending.NOT_NOW
        return None

    def _command(self, reply: Reply) -> dict[str, Any] | None:
        try:
            command = plistlib.loads(reply.body)
            if isinstance(command["Command"], dict) and isinstance(command["CommandUUID"], str):
                return dict(command)
            self.told.surprises.append("Command or CommandUUID has the wrong type")
        except (plistlib.InvalidFileException, ExpatError, ValueError, KeyError, TypeError) as error:
            self.told.surprises.append(f"{type(error).__name__} {error} in {reply.body[:80]!r}")
        self.told.ending = Ending.REFUSED
        return None
