"""The envelope of a command on the wire (Apple: command payload)."""

from __future__ import annotations

from mdm.protocol import plist
from mdm.protocol.commands.base import Command


def command_plist(command: Command, command_uuid: str) -> bytes:
    """The body of the response that hands `command` to a tablet."""
    return plist.dumps({"Command": command.payload(), "CommandUUID": command_uuid})
