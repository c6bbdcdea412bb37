"""All command classes by RequestType, and the function that creates a command from JSON arguments."""

from __future__ import annotations

from typing import Any

from mdm.protocol.commands import actions, apps, profiles, queries, security
from mdm.protocol.commands.base import BadArguments, Command


class UnknownCommand(LookupError):
    """No supported command has this RequestType. Obsolete ones, and those removed in iPadOS 27, are not supported."""


COMMANDS: dict[str, type[Command]] = {
    command_type.request_type: command_type
    for module in (security, queries, profiles, apps, actions)
    for command_type in vars(module).values()
    if isinstance(command_type, type) and issubclass(command_type, Command) and "request_type" in vars(command_type)
}


def build_command(request_type: str, args: dict[str, Any]) -> Command:
    """Create the command of this RequestType. Raises `UnknownCommand`, `BadArguments`."""
    command_type = COMMANDS.get(request_type)
    if command_type is None:
        raise UnknownCommand(request_type)
    try:
        return command_type.from_args(args)
    except TypeError as error:
        raise BadArguments(str(error)) from error
