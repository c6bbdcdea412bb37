"""Executes MDM commands as an iPad does: one function per RequestType, registered in `COMMANDS` of `base`.

To add a command, write a function with `@answers_command` in the module of its subject.
"""

from __future__ import annotations

import inspect

from simulator.commands import actions, apps, information, lists, lost, media, profiles, restrictions, security, settings
from simulator.commands.base import (
    COMMANDS,
    CommandFailed,
    CommandMalformed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    ResultStatus,
    build_error,
)

__all__ = ["COMMANDS", "NEEDS_UNLOCK", "NEVER_NOT_NOW", "ReceivedCommand", "ResultBody", "ResultStatus", "execute_command"]

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
"""Commands that iPads never answer with NotNow."""
NEEDS_UNLOCK = frozenset(
    {"CertificateList", "InstallApplication", "InstallProfile", "InstallProvisioningProfile", "SecurityInfo"}
)
"""Commands that an iPad answers with NotNow between boot and the first unlock."""


async def execute_command(request: ReceivedCommand) -> ResultBody:
    """Execute a command; return its result without the ids: Status, and the requested keys or an ErrorChain."""
    try:
        _check_allowed(request)
        result = COMMANDS[request.arguments["RequestType"]].execute(request)
        body = await result if inspect.isawaitable(result) else result
    except CommandFailed as refusal:
        return {"Status": ResultStatus.ERROR.value, "ErrorChain": refusal.error_chain}
    except CommandMalformed:
        return {"Status": ResultStatus.FORMAT_ERROR.value}
    return {"Status": ResultStatus.ACKNOWLEDGED.value, **body}


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
