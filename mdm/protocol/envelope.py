"""The envelope of a command on the wire (Apple: command payload)."""

from __future__ import annotations

from mdm.protocol import plist
from mdm.protocol.commands.base import Command


def encode_command(command: Command, command_uuid: str) -> bytes:
    """Return the body of the response that delivers `command` to a tablet."""
    return plist.dumps({"Command": command.build_payload(), "CommandUUID": command_uuid})
