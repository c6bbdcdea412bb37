"""The command Restrictions: merges the restriction payloads of all installed profiles."""

from __future__ import annotations

from typing import Any

from simulator.commands.base import AccessRight, ReceivedCommand, ResultBody, answers_command
from simulator.device import DeviceState

_INTERSECTION = ("allowListedAppBundleIDs", "whitelistedAppBundleIDs", "autonomousSingleAppModePermittedAppIDs")


@answers_command("Restrictions", right=AccessRight.RESTRICTIONS)
def restrictions(request: ReceivedCommand) -> ResultBody:
    """Report the restrictions of all profiles merged and, if requested, those of each profile."""
    by_profile = {
        identifier: [payload for payload in installed.profile.payloads if payload["PayloadType"] == "com.apple.applicationaccess"]
        for identifier, installed in request.device.profiles.items()
    }
    body: ResultBody = {
        "GlobalRestrictions": _merge_restrictions([payload for payloads in by_profile.values() for payload in payloads])
    }
    if request.arguments.get("ProfileRestrictions"):
        body["ProfileRestrictions"] = {key: _merge_restrictions(payloads) for key, payloads in by_profile.items() if payloads}
    return body


def _merge_restrictions(payloads: list[dict[str, Any]]) -> ResultBody:
    """Merge payloads; the most restrictive value wins: allow… false, force… true, the smaller number, intersection or union."""
    flags: dict[str, bool] = {}
    numbers: dict[str, float] = {}
    common: dict[str, set[str]] = {}
    union: dict[str, set[str]] = {}
    for key, value in ((key, value) for payload in payloads for key, value in payload.items() if not key.startswith("Payload")):
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
    """Return the restrictions that apply on the tablet, by key: those of all its profiles merged."""
    payloads = [payload for payload in device.installed_payloads if payload["PayloadType"] == "com.apple.applicationaccess"]
    merged = _merge_restrictions(payloads)
    values = {key: row["value"] for kind in ("restrictedBool", "restrictedValue") for key, row in merged[kind].items()}
    return values | {key: row["values"] for kind in ("intersection", "union") for key, row in merged[kind].items()}
