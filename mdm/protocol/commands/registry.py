"""All commands by their RequestType, and how one is made from stored or posted arguments."""

from __future__ import annotations

from typing import Any

from mdm.protocol.commands import actions, apps, profiles, queries, security
from mdm.protocol.commands.base import BadArguments, Command


class UnknownCommand(LookupError):
    """No command of this name, or one that is never sent (removed in 27, or obsolete)."""


COMMANDS: dict[str, type[Command]] = {
    kind.request_type: kind
    for module in (security, queries, profiles, apps, actions)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Command) and "request_type" in vars(kind)
}


def build(request_type: str, args: dict[str, Any]) -> Command:
    """Make the command. Raises `UnknownCommand`, `BadArguments`."""
    kind = COMMANDS.get(request_type)
    if kind is None:
        raise UnknownCommand(request_type)
    try:
        return kind.from_args(args)
    except TypeError as error:
        raise BadArguments(str(error)) from error
