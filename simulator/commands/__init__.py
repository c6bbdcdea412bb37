"""The answers of a tablet, one function per command of commands.md, each kept in the table of `base` by RequestType."""

from __future__ import annotations

import inspect

from simulator.commands import actions, apps, information, lists, lost, media, profiles, restrictions, security, settings
from simulator.commands.base import COMMANDS, ResultBody, CommandFailed, ErrorCode, CommandMalformed, ReceivedCommand, CommandStatus, build_error

__all__ = ["NEEDS_UNLOCK", "NEVER_NOT_NOW", "COMMANDS", "ResultBody", "ReceivedCommand", "CommandStatus", "execute_command"]

_FILES = (actions, apps, information, lists, lost, media, profiles, restrictions, security, settings)
NEVER_NOT_NOW = frozenset(
    {
        "ClearPasscode",
        "DeviceInformation",
        "DeviceLock",
        "EraseDevice",
        "InstalledApplicationList",
        "ProfileList",
        "ProvisioningProfileList",
        "Restrictions",
    }
)
"""What iPads always answer at once (protocol.md section 8.4)."""
NEEDS_UNLOCK = frozenset({"CertificateList", "InstallApplication", "InstallProfile", "InstallProvisioningProfile", "SecurityInfo"})
"""What an iPad cannot do between boot and its first unlock."""


async def execute_command(request: ReceivedCommand) -> ResultBody:
    """The keys of the answer beside the ids: Status, and what the command asks for or an ErrorChain."""
    try:
        _check_allowed(request)
        given = COMMANDS[request.arguments["RequestType"]].execute(request)
        body = await given if inspect.isawaitable(given) else given
    except CommandFailed as refusal:
        return {"Status": CommandStatus.ERROR.value, "ErrorChain": refusal.error_chain}
    except CommandMalformed:
        return {"Status": CommandStatus.FORMAT_ERROR.value}
    return {"Status": CommandStatus.ACKNOWLEDGED.value, **body}


def _check_allowed(request: ReceivedCommand) -> None:
    name = request.arguments.get("RequestType")
    if not isinstance(name, str):
        raise CommandMalformed("no RequestType")
    entry = COMMANDS.get(name)
    device = request.device
    if entry is None or not entry.minimum_os <= device.hardware.os_major_version < entry.removed_in_os:
        raise CommandFailed(build_error(ErrorCode.UNKNOWN_COMMAND, f"{name} is not a valid request type."))
    if entry.shared_only:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, f"{name} is for Shared iPad."))
    if entry.supervised and not device.supervised:
        raise CommandFailed(build_error(ErrorCode.NOT_SUPERVISED, f"{name} needs a supervised device."))
    rights = device.enrollment.mdm_settings.access_rights if device.enrollment else 0
    if entry.right & rights != entry.right:
        raise CommandFailed(build_error(ErrorCode.NOT_PERMITTED, f"The access rights do not allow {name}."))
