"""What declarations do to a tablet: activations by their predicates, configurations of the active ones, nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulator import profile as profile_reader
from simulator import status
from simulator.channel import Channel
from simulator.device import Device, Installed
from simulator.errors import BadProfile, SimulatorError
from simulator.predicate import BadPredicate, CannotEvaluate, evaluate
from simulator.profile import Profile

CONFIGURATION = "com.apple.configuration."
_FORBIDDEN = {"com.apple.mdm", "com.apple.declarations"}
#: Types that the tablet keeps without doing anything that a server could see.
_KEPT = {"management.status-subscriptions", "passcode.settings", "management.test"}


async def apply(channel: Channel) -> None:
    """Bring the tablet to what its declarations say, and remember what became of each."""
    device = channel.device
    state = device.declarations
    items: dict[str, Any] = state.get("items", {})
    verdicts: dict[str, dict[str, Any]] = {}
    active = _active(device, items, verdicts)
    previous: dict[str, Any] = state.get("applied", {})
    applied: dict[str, Any] = {}
    for key, document in sorted(items.items()):
        if not key.startswith("configuration/"):
            continue
        if document["Identifier"] not in active:
            verdicts[key] = _verdict(False, "valid", "Info.NotReferencedByActivation")
            continue
        known = previous.get(key)
        if known is not None and known["token"] == document["ServerToken"]:
            applied[key], verdicts[key] = known, _verdict(True, "valid")
            continue
        made, reason = await _configure(channel, document)
        if made is None:
            verdicts[key] = _verdict(False, "invalid", reason)
        else:
            applied[key] = {"token": document["ServerToken"], **made}
            verdicts[key] = _verdict(True, "valid")
    _withdraw(device, previous, applied)
    state["applied"], state["verdicts"] = applied, verdicts


def _active(device: Device, items: dict[str, Any], verdicts: dict[str, dict[str, Any]]) -> set[str]:
    """The configurations of the active activations."""
    properties: dict[str, Any] = {}
    for key, document in items.items():
        if key.startswith("management/"):
            verdicts[key] = _verdict(True, "valid")
            if document["Type"] == "com.apple.management.properties":
                properties |= document["Payload"]
        elif key.startswith("asset/"):
            verdicts[key] = _verdict(False, "valid")
    known = status.flat(status.items(device))
    held = {document["Identifier"] for key, document in items.items() if key.startswith("configuration/")}
    active: set[str] = set()
    for key, document in items.items():
        if key.startswith("activation/"):
            names, verdicts[key] = _activation(document, held, properties, known)
            active |= names
    return active


def _activation(
    document: dict[str, Any], held: set[str], properties: dict[str, Any], known: dict[str, Any]
) -> tuple[set[str], dict[str, Any]]:
    payload = document["Payload"]
    names = set(payload.get("StandardConfigurations", []))
    if names - held:
        return set(), _verdict(False, "invalid", "Error.MissingConfigurations")
    try:
        holds = evaluate(payload["Predicate"], properties, known) if "Predicate" in payload else True
    except BadPredicate:
        return set(), _verdict(False, "invalid", "Error.UnableToParsePredicate")
    except CannotEvaluate:
        return set(), _verdict(False, "invalid", "Error.UnableToEvaluatePredicate")
    return (names, _verdict(True, "valid")) if holds else (set(), _verdict(False, "valid", "Info.Predicate"))


async def _configure(channel: Channel, document: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    kind = document["Type"].removeprefix(CONFIGURATION)
    if kind == "legacy":
        return await _legacy(channel, document["Payload"])
    if kind == "app.managed":
        return _app(channel.device, document["Payload"])
    return ({}, "") if kind in _KEPT else (None, "Error.UnknownDeclarationType")


async def _legacy(channel: Channel, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Fetch the profile by the tablet's own identity, and install it; or take over the very same one."""
    try:
        data = await channel.fetch(str(payload["ProfileURL"]))
        profile = profile_reader.read(data)
    except BadProfile:
        return None, "Error.ConfigurationCannotBeDeserialized"
    except (KeyError, SimulatorError):
        return None, "Error.AssetCannotBeDownloaded"
    if any(one["PayloadType"] in _FORBIDDEN for one in profile.payloads):
        return None, "Error.ConfigurationIsInvalid"
    present = channel.device.profiles.get(profile.identifier)
    if present is not None and not present.declared:
        if not present.managed or _structure(present.profile) != _structure(profile):
            return None, "Error.ConfigurationCannotBeApplied"
        present.declared = True  # taken over: nothing is installed anew
        return {"profile": profile.identifier}, ""
    channel.device.profiles[profile.identifier] = Installed(profile, declared=True)
    return {"profile": profile.identifier}, ""


def _structure(profile: Profile) -> list[tuple[Any, ...]]:
    parts: Iterable[dict[str, Any]] = (profile.content, *profile.payloads)
    return [(one.get("PayloadType"), one["PayloadIdentifier"], one["PayloadUUID"]) for one in parts]


def _app(device: Device, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    given = [name for name in ("AppStoreID", "BundleID", "ManifestURL") if name in payload]
    if len(given) != 1 or not isinstance(payload[given[0]], str):
        return None, "Error.ConfigurationIsInvalid"
    if payload.get("InstallBehavior", {}).get("Install") != "Required":
        return {}, ""  # only offered in the catalogue of managed apps
    value = payload[given[0]]
    identifier = device.store.bundle_of(int(value)) if given[0] == "AppStoreID" else value
    if identifier not in device.apps:
        device.install_app(identifier)
    return {"app": identifier}, ""


def _withdraw(device: Device, previous: dict[str, Any], applied: dict[str, Any]) -> None:
    """What no active configuration holds any more leaves the tablet."""
    kept = {(name, each[name]) for each in applied.values() for name in ("profile", "app") if name in each}
    for each in previous.values():
        for name, held in (("profile", device.profiles), ("app", device.apps)):
            if name in each and (name, each[name]) not in kept:
                held.pop(each[name], None)


def _verdict(active: bool, valid: str, reason: str = "") -> dict[str, Any]:
    return {"active": active, "valid": valid, "reasons": [{"code": reason, "description": reason}] if reason else []}
