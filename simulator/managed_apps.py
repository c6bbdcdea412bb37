"""Installs apps that are declared as an iPad does, and gives them the values of the asset that their configuration names."""

from __future__ import annotations

import hashlib
import plistlib
from typing import Any

from simulator.channel import MdmChannel
from simulator.device import DeviceState, SimulatedAppState
from simulator.errors import SimulatorError

#: The version of the system from which a declaration carries the values that an app reads.
VALUES_FROM = (18, 4)
_PRESENT = frozenset({SimulatedAppState.INSTALLING, SimulatedAppState.MANAGED})
_SOURCES = ("AppStoreID", "BundleID", "ManifestURL")
_VALUES_KEY = "LegacyAppConfigAssetReference"
_PROPERTY_LISTS = {"application/plist", "application/x-plist", "application/xml", "text/xml"}


class AssetRefused(SimulatorError):
    """An asset is missing, or is not what its declaration says. The text is the reason that a status report carries."""


async def apply_managed_app(channel: MdmChannel, payload: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Install a required app with its values. Returns what was applied, or None with the reason."""
    device = channel.device
    sources = [name for name in _SOURCES if name in payload]
    if len(sources) != 1 or not isinstance(payload[sources[0]], str):
        return None, "Error.ConfigurationIsInvalid"
    if _VALUES_KEY in payload and device.hardware.os_numbers < VALUES_FROM:
        return None, "Error.UnknownPayloadKeys"
    if payload.get("InstallBehavior", {}).get("Install") != "Required":
        return {}, ""  # offered in the catalogue of managed apps, not installed
    try:
        values, assets = await _fetch_values(channel, payload.get(_VALUES_KEY))
    except AssetRefused as refusal:
        return None, str(refusal)
    value = payload[sources[0]]
    identifier = device.store.get_bundle_id(int(value)) if sources[0] == "AppStoreID" else value
    app = device.apps.get(identifier)
    if app is None or app.get_state(device.clock.now()) not in _PRESENT:
        app = device.install_app(identifier)  # again too, where it has failed
    app.managed, app.is_required, app.configuration = True, True, values
    return {"app": identifier, "assets": assets}, ""


async def _fetch_values(channel: MdmChannel, reference: str | None) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Return the values in an asset, and the server token of the asset by its identifier. Raises `AssetRefused`."""
    if reference is None:
        return None, {}
    asset = channel.device.declarations.get("items", {}).get(f"asset/{reference}")
    if asset is None or asset["Type"] != "com.apple.asset.data":
        raise AssetRefused("Error.MissingAssets")
    wanted = asset["Payload"]["Reference"]
    try:
        reply = await channel.get_with_identity(str(wanted["DataURL"]))
    except SimulatorError as error:
        raise AssetRefused("Error.AssetCannotBeDownloaded") from error
    measured = {
        "ContentType": reply.media_type,
        "Size": len(reply.body),
        "Hash-SHA-256": hashlib.sha256(reply.body).hexdigest(),
    }
    if any(wanted.get(name, value) != value for name, value in measured.items()):
        raise AssetRefused("Error.AssetCannotBeVerified")
    if reply.media_type not in _PROPERTY_LISTS:
        raise AssetRefused("Error.AssetCannotBeDeserialized")
    try:
        values = plistlib.loads(reply.body)
    except (plistlib.InvalidFileException, ValueError) as error:
        raise AssetRefused("Error.AssetCannotBeDeserialized") from error
    return values, {reference: asset["ServerToken"]}


def list_declared_apps(device: DeviceState) -> set[str]:
    """Return the apps that declarations manage: commands about them fail."""
    applied: dict[str, dict[str, Any]] = device.declarations.get("applied", {})
    return {str(configuration["app"]) for configuration in applied.values() if "app" in configuration}
