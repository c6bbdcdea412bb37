"""The answers of a tablet, one function per command of commands.md, each kept in the table of `base` by RequestType."""

from __future__ import annotations

import inspect

from simulator.commands import actions, apps, information, lists, lost, media, profiles, restrictions, security, settings
from simulator.commands.base import TABLE, Body, CannotDo, Code, Malformed, Request, Status, link

__all__ = ["LOCKED", "NEVER_NOT_NOW", "TABLE", "Body", "Request", "Status", "answer"]

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
LOCKED = frozenset({"CertificateList", "InstallApplication", "InstallProfile", "InstallProvisioningProfile", "SecurityInfo"})
"""What an iPad cannot do between boot and its first unlock."""


async def answer(request: Request) -> Body:
    """The keys of the answer beside the ids: Status, and what the command asks for or an ErrorChain."""
    try:
        _check(request)
        given = TABLE[request.arguments["RequestType"]].answer(request)
        body = await given if inspect.isawaitable(given) else given
    except CannotDo as refusal:
        return {"Status": Status.ERROR.value, "ErrorChain": refusal.chain}
    except Malformed:
        return {"Status": Status.FORMAT_ERROR.value}
    return {"Status": Status.ACKNOWLEDGED.value, **body}


def _check(request: Request) -> None:
    name = request.arguments.get("RequestType")
    if not isinstance(name, str):
        raise Malformed("no RequestType")
    entry = TABLE.get(name)
    device = request.device
    if entry is None or not entry.minimum <= device.hardware.major < entry.removed_in:
        raise CannotDo(link(Code.UNKNOWN_COMMAND, f"{name} is not a valid request type."))
    if entry.shared_only:
        raise CannotDo(link(Code.WRONG_STATE, f"{name} is for Shared iPad."))
    if entry.supervised and not device.supervised:
        raise CannotDo(link(Code.NOT_SUPERVISED, f"{name} needs a supervised device."))
    rights = device.enrolment.mdm.access_rights if device.enrolment else 0
    if entry.right & rights != entry.right:
        raise CannotDo(link(Code.NOT_PERMITTED, f"The access rights do not allow {name}."))
