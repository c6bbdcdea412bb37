"""The status items of a tablet: what it can say of itself declaratively (declarative.md section 9)."""

from __future__ import annotations

from typing import Any

from simulator.device import SimulatedAppState, DeviceState

_STATE_NAMES = {
    SimulatedAppState.INSTALLING: "installing",
    SimulatedAppState.MANAGED: "managed",
    SimulatedAppState.UNINSTALLED: "managed-but-uninstalled",
    SimulatedAppState.FAILED: "failed",
}


def build_status_items(device: DeviceState) -> dict[str, Any]:
    """Every item, nested as they travel."""
    hardware = device.hardware
    applied = device.declarations.get("applied", {})
    declared = {each["app"] for each in applied.values() if "app" in each}
    now = device.clock.now()
    return {
        "device": {
            "identifier": {"serial-number": hardware.serial, "udid": hardware.udid},
            "model": {"family": "iPad", "identifier": hardware.product_name, "marketing-name": hardware.model_name},
            "operating-system": {"version": hardware.os_version, "build-version": hardware.build, "family": "iPadOS"},
        },
        "passcode": {"is-present": device.has_passcode, "is-compliant": True},
        "softwareupdate": {"install-state": "none", "pending-version": {}},
        "app": {
            "managed": {
                "list": [
                    {"identifier": key, "state": _STATE_NAMES[app.get_state(now)]}
                    for key, app in sorted(device.apps.items())
                    if key in declared
                ]
            }
        },
    }


def flatten_items(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The items by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        found[name] = value
        if isinstance(value, dict):
            found |= flatten_items(value, f"{name}.")
    return found


def nest_items(names: dict[str, Any]) -> dict[str, Any]:
    """Dotted names as they travel."""
    made: dict[str, Any] = {}
    for name, value in names.items():
        *path, last = name.split(".")
        inner = made
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return made
