"""Applies declarations to the tablet: evaluates activations, installs the configurations of active ones, removes the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulator import managed_apps, status, system_updates
from simulator import profile as profile_reader
from simulator.channel import MdmChannel
from simulator.device import DeviceState, InstalledProfile
from simulator.errors import InvalidProfile, SimulatorError
from simulator.predicate import InvalidPredicate, PredicateNotEvaluable, evaluate_predicate
from simulator.profile import ConfigurationProfile

CONFIGURATION_PREFIX = "com.apple.configuration."
_FORBIDDEN_PAYLOAD_TYPES = {"com.apple.mdm", "com.apple.declarations"}
#: The major version of the system from which DNS settings are a declaration.
DNS_SETTINGS_FROM = 27
#: Types of configurations that the tablet accepts, and that change nothing a server could see.
_TYPES_WITHOUT_EFFECT = {"management.status-subscriptions", "passcode.settings", "management.test"}


async def apply_declarations(channel: MdmChannel) -> None:
    """Apply the tablet's declarations, and store the status of each for the next status report."""
    device = channel.device
    state = device.declarations
    items: dict[str, Any] = state.get("items", {})
    statuses: dict[str, dict[str, Any]] = {}
    active = _find_active_configurations(device, items, statuses)
    previous: dict[str, Any] = state.get("applied", {})
    applied: dict[str, Any] = {}
    for key, document in sorted(items.items()):
        if not key.startswith("configuration/"):
            continue
        if document["Identifier"] not in active:
            statuses[key] = _build_status(False, "valid", "Info.NotReferencedByActivation")
            continue
        known = previous.get(key)
        if known is not None and known["token"] == document["ServerToken"] and _has_same_assets(items, known):
            applied[key], statuses[key] = known, _build_status(True, "valid")
            continue
        refusal = channel.declarative_habits.refuse_configuration(document)
        if refusal is not None:
            statuses[key] = {"active": False, "valid": "invalid", "reasons": [refusal]}
            continue
        made, reason = await _apply_configuration(channel, document)
        if made is None:
            statuses[key] = _build_status(False, "invalid", reason)
        else:
            applied[key] = {"token": document["ServerToken"], **made}
            statuses[key] = _build_status(True, "valid")
    _remove_inactive(device, previous, applied)
    state["applied"], state["statuses"] = applied, statuses


def _has_same_assets(items: dict[str, Any], applied: dict[str, Any]) -> bool:
    """Return whether the assets with which a configuration was applied have not changed since."""
    assets: dict[str, str] = applied.get("assets", {})
    return all(items.get(f"asset/{name}", {}).get("ServerToken") == token for name, token in assets.items())


def _find_active_configurations(device: DeviceState, items: dict[str, Any], statuses: dict[str, dict[str, Any]]) -> set[str]:
    """Return the identifiers of the configurations that active activations name."""
    properties: dict[str, Any] = {}
    for key, document in items.items():
        if key.startswith("management/"):
            statuses[key] = _build_status(True, "valid")
            if document["Type"] == "com.apple.management.properties":
                properties |= document["Payload"]
        elif key.startswith("asset/"):
            statuses[key] = _build_status(False, "valid")
    known = status.flatten_items(status.build_status_items(device))
    configurations = {document["Identifier"] for key, document in items.items() if key.startswith("configuration/")}
    active: set[str] = set()
    for key, document in items.items():
        if key.startswith("activation/"):
            names, statuses[key] = _evaluate_activation(document, configurations, properties, known)
            active |= names
    return active


def _evaluate_activation(
    document: dict[str, Any], configurations: set[str], properties: dict[str, Any], known: dict[str, Any]
) -> tuple[set[str], dict[str, Any]]:
    payload = document["Payload"]
    names = set(payload.get("StandardConfigurations", []))
    if names - configurations:
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
        return await managed_apps.apply_managed_app(channel, document["Payload"])
    if kind == "network.dns-settings" and channel.device.hardware.os_major_version >= DNS_SETTINGS_FROM:
        return _check_dns_settings(document["Payload"])
    if kind == "softwareupdate.enforcement.specific" and channel.device.hardware.os_major_version >= system_updates.ENFORCED_FROM:
        update = system_updates.read_update(document["Payload"])
        return ({"update": update}, "") if update is not None else (None, "Error.ConfigurationIsInvalid")
    return ({}, "") if kind in _TYPES_WITHOUT_EFFECT else (None, "Error.UnknownDeclarationType")


async def _install_legacy_profile(channel: MdmChannel, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Fetch a profile with the tablet's identity and install it; take over the same profile if a command installed it before."""
    try:
        data = await channel.fetch_with_identity(str(payload["ProfileURL"]))
        profile = profile_reader.parse_profile(data)
    except InvalidProfile:
        return None, "Error.ConfigurationCannotBeDeserialized"
    except (KeyError, SimulatorError):
        return None, "Error.AssetCannotBeDownloaded"
    if any(payload["PayloadType"] in _FORBIDDEN_PAYLOAD_TYPES for payload in profile.payloads):
        return None, "Error.ConfigurationIsInvalid"
    present = channel.device.profiles.get(profile.identifier)
    if present is not None and not present.held_by_declaration:
        if not present.managed or _list_payload_identities(present.profile) != _list_payload_identities(profile):
            return None, "Error.ConfigurationCannotBeApplied"
        present.held_by_declaration = True  # taken over: nothing is installed again
        return {"profile": profile.identifier}, ""
    channel.device.profiles[profile.identifier] = InstalledProfile(
        profile, held_by_declaration=True, installed_at=channel.device.clock.now()
    )
    return {"profile": profile.identifier}, ""


def _list_payload_identities(profile: ConfigurationProfile) -> list[tuple[Any, ...]]:
    parts: Iterable[dict[str, Any]] = (profile.content, *profile.payloads)
    return [(part.get("PayloadType"), part["PayloadIdentifier"], part["PayloadUUID"]) for part in parts]


def _check_dns_settings(payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    settings = payload.get("DNSSettings", {})
    is_complete = settings.get("DNSProtocol") == "HTTPS" and str(settings.get("ServerURL", "")).startswith("https://")
    return ({"dns": payload}, "") if is_complete and payload.get("VisibleName") else (None, "Error.ConfigurationIsInvalid")


def _remove_inactive(device: DeviceState, previous: dict[str, Any], applied: dict[str, Any]) -> None:
    """Remove the profiles and apps that no active configuration declares any more."""
    declared = {
        (name, configuration[name]) for configuration in applied.values() for name in ("profile", "app") if name in configuration
    }
    for configuration in previous.values():
        for name, installed in (("profile", device.profiles), ("app", device.apps)):
            if name in configuration and (name, configuration[name]) not in declared:
                installed.pop(configuration[name], None)


def _build_status(active: bool, valid: str, reason: str = "") -> dict[str, Any]:
    return {"active": active, "valid": valid, "reasons": [{"code": reason, "description": reason}] if reason else []}
