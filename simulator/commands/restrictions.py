"""The answer to Restrictions: what the installed restriction payloads amount to (commands.md section 2)."""

from __future__ import annotations

from typing import Any

from simulator.commands.base import ResultBody, ReceivedCommand, AccessRight, command
from simulator.device import DeviceState

_INTERSECTION = ("allowListedAppBundleIDs", "whitelistedAppBundleIDs", "autonomousSingleAppModePermittedAppIDs")


@command("Restrictions", right=AccessRight.RESTRICTIONS)
def restrictions(request: ReceivedCommand) -> ResultBody:
    """The sum of all profiles, and on request each profile by itself."""
    by_profile = {
        identifier: [one for one in installed.profile.payloads if one["PayloadType"] == "com.apple.applicationaccess"]
        for identifier, installed in request.device.profiles.items()
    }
    body: ResultBody = {"GlobalRestrictions": _merge_restrictions([one for payloads in by_profile.values() for one in payloads])}
    if request.arguments.get("ProfileRestrictions"):
        body["ProfileRestrictions"] = {key: _merge_restrictions(payloads) for key, payloads in by_profile.items() if payloads}
    return body


def _merge_restrictions(payloads: list[dict[str, Any]]) -> ResultBody:
    """The most restrictive wins: allow… false, force… true, the smaller number, fewer allowed, more forbidden."""
    flags: dict[str, bool] = {}
    numbers: dict[str, float] = {}
    common: dict[str, set[str]] = {}
    union: dict[str, set[str]] = {}
    for key, value in ((key, value) for one in payloads for key, value in one.items() if not key.startswith("Payload")):
        if isinstance(value, bool):
            before = flags.get(key, value)
            flags[key] = (before or value) if key.startswith("force") else (before and value)
        elif isinstance(value, int | float):
            numbers[key] = min(numbers.get(key, value), value)
        elif isinstance(value, list):
            names = {str(name) for name in value}
            if key in _INTERSECTION:
                common[key] = common.get(key, names) & names
            else:
                union[key] = union.get(key, set()) | names
    return {
        "restrictedBool": {key: {"value": value} for key, value in flags.items()},
        "restrictedValue": {key: {"value": value} for key, value in numbers.items()},
        "intersection": {key: {"values": sorted(value)} for key, value in common.items()},
        "union": {key: {"values": sorted(value)} for key, value in union.items()},
    }


def compute_effective_restrictions(device: DeviceState) -> ResultBody:
    """What holds on the tablet, setting by setting: the sum of the restriction payloads of all its profiles."""
    found = _merge_restrictions([one for one in device.installed_payloads if one["PayloadType"] == "com.apple.applicationaccess"])
    plain = {key: each["value"] for kind in ("restrictedBool", "restrictedValue") for key, each in found[kind].items()}
    return plain | {key: each["values"] for kind in ("intersection", "union") for key, each in found[kind].items()}
