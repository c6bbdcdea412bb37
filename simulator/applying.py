"""What declarations do to a tablet: activations by their predicates, configurations of the active ones, nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulator import profile as profile_reader
from simulator import status
from simulator.channel import MdmChannel
from simulator.device import DeviceState, InstalledProfile
from simulator.errors import InvalidProfile, SimulatorError
from simulator.predicate import InvalidPredicate, PredicateNotEvaluable, evaluate_predicate
from simulator.profile import ConfigurationProfile

CONFIGURATION_PREFIX = "com.apple.configuration."
_FORBIDDEN_PAYLOAD_TYPES = {"com.apple.mdm", "com.apple.declarations"}
#: Types that the tablet keeps without doing anything that a server could see.
_TYPES_WITHOUT_EFFECT = {"management.status-subscriptions", "passcode.settings", "management.test"}


async def apply_declarations(channel: MdmChannel) -> None:
    """Bring the tablet to what its declarations say, and remember what became of each."""
    device = channel.device
    state = device.declarations
    items: dict[str, Any] = state.get("items", {})
    verdicts: dict[str, dict[str, Any]] = {}
    active = _find_active_configurations(device, items, verdicts)
    previous: dict[str, Any] = state.get("applied", {})
    applied: dict[str, Any] = {}
    for key, document in sorted(items.items()):
        if not key.startswith("configuration/"):
            continue
        if document["Identifier"] not in active:
            verdicts[key] = _build_status(False, "valid", "Info.NotReferencedByActivation")
            continue
        known = previous.get(key)
        if known is not None and known["token"] == document["ServerToken"]:
            applied[key], verdicts[key] = known, _build_status(True, "valid")
            continue
        made, reason = await _apply_configuration(channel, document)
        if made is None:
            verdicts[key] = _build_status(False, "invalid", reason)
        else:
            applied[key] = {"token": document["ServerToken"], **made}
            verdicts[key] = _build_status(True, "valid")
    _remove_inactive(device, previous, applied)
    state["applied"], state["verdicts"] = applied, verdicts


def _find_active_configurations(device: DeviceState, items: dict[str, Any], verdicts: dict[str, dict[str, Any]]) -> set[str]:
    """The configurations of the active activations."""
    properties: dict[str, Any] = {}
    for key, document in items.items():
        if key.startswith("management/"):
            verdicts[key] = _build_status(True, "valid")
            if document["Type"] == "com.apple.management.properties":
                properties |= document["Payload"]
        elif key.startswith("asset/"):
            verdicts[key] = _build_status(False, "valid")
    known = status.flatten_items(status.build_status_items(device))
    held = {document["Identifier"] for key, document in items.items() if key.startswith("configuration/")}
    active: set[str] = set()
    for key, document in items.items():
        if key.startswith("activation/"):
            names, verdicts[key] = _evaluate_activation(document, held, properties, known)
            active |= names
    return active


def _evaluate_activation(
    document: dict[str, Any], held: set[str], properties: dict[str, Any], known: dict[str, Any]
) -> tuple[set[str], dict[str, Any]]:
    payload = document["Payload"]
    names = set(payload.get("StandardConfigurations", []))
    if names - held:
        return set(), _build_status(False, "invalid", "Error.MissingConfigurations")
    try:
        holds = evaluate_predicate(payload["Predicate"], properties, known) if "Predicate" in payload else True
    except InvalidPredicate:
        return set(), _build_status(False, "invalid", "Error.UnableToParsePredicate")
    except PredicateNotEvaluable:
        return set(), _build_status(False, "invalid", "Error.UnableToEvaluatePredicate")
    return (names, _build_status(True, "valid")) if holds else (set(), _build_status(False, "valid", "Info.Predicate"))


async def _apply_configuration(channel: MdmChannel, document: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    kind = document["Type"].removeprefix(CONFIGURATION_PREFIX)
    if kind == "legacy":
        return await _install_legacy_profile(channel, document["Payload"])
    if kind == "app.managed":
        return _install_managed_app(channel.device, document["Payload"])
    return ({}, "") if kind in _TYPES_WITHOUT_EFFECT else (None, "Error.UnknownDeclarationType")


async def _install_legacy_profile(channel: MdmChannel, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Fetch the profile by the tablet's own identity, and install it; or take over the very same one."""
    try:
        data = await channel.fetch_with_identity(str(payload["ProfileURL"]))
        profile = profile_reader.parse_profile(data)
    except InvalidProfile:
        return None, "Error.ConfigurationCannotBeDeserialized"
    except (KeyError, SimulatorError):
        return None, "Error.AssetCannotBeDownloaded"
    if any(one["PayloadType"] in _FORBIDDEN_PAYLOAD_TYPES for one in profile.payloads):
        return None, "Error.ConfigurationIsInvalid"
    present = channel.device.profiles.get(profile.identifier)
    if present is not None and not present.held_by_declaration:
        if not present.managed or _list_payload_identities(present.profile) != _list_payload_identities(profile):
            return None, "Error.ConfigurationCannotBeApplied"
        present.held_by_declaration = True  # taken over: nothing is installed anew
        return {"profile": profile.identifier}, ""
    channel.device.profiles[profile.identifier] = InstalledProfile(profile, held_by_declaration=True)
    return {"profile": profile.identifier}, ""


def _list_payload_identities(profile: ConfigurationProfile) -> list[tuple[Any, ...]]:
    parts: Iterable[dict[str, Any]] = (profile.content, *profile.payloads)
    return [(one.get("PayloadType"), one["PayloadIdentifier"], one["PayloadUUID"]) for one in parts]


def _install_managed_app(device: DeviceState, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    given = [name for name in ("AppStoreID", "BundleID", "ManifestURL") if name in payload]
    if len(given) != 1 or not isinstance(payload[given[0]], str):
        return None, "Error.ConfigurationIsInvalid"
    if payload.get("InstallBehavior", {}).get("Install") != "Required":
        return {}, ""  # only offered in the catalogue of managed apps
    value = payload[given[0]]
    identifier = device.store.get_bundle_id(int(value)) if given[0] == "AppStoreID" else value
    if identifier not in device.apps:
        device.install_app(identifier)
    return {"app": identifier}, ""


def _remove_inactive(device: DeviceState, previous: dict[str, Any], applied: dict[str, Any]) -> None:
    """What no active configuration holds any more leaves the tablet."""
    kept = {(name, each[name]) for each in applied.values() for name in ("profile", "app") if name in each}
    for each in previous.values():
        for name, held in (("profile", device.profiles), ("app", device.apps)):
            if name in each and (name, each[name]) not in kept:
                held.pop(each[name], None)


def _build_status(active: bool, valid: str, reason: str = "") -> dict[str, Any]:
    return {"active": active, "valid": valid, "reasons": [{"code": reason, "description": reason}] if reason else []}
