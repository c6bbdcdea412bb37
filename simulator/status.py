"""The status items that a tablet can report. `reporting` decides which of them it sends."""

from __future__ import annotations

from typing import Any

from simulator.device import DeviceState, SimulatedAppState
from simulator.managed_apps import list_declared_apps
from simulator.system_updates import find_pending_update

_STATE_NAMES = {
    SimulatedAppState.INSTALLING: "installing",
    SimulatedAppState.MANAGED: "managed",
    SimulatedAppState.UNINSTALLED: "managed-but-uninstalled",
    SimulatedAppState.FAILED: "failed",
}


def build_status_items(device: DeviceState) -> dict[str, Any]:
    """Return every status item of a device, nested as in a status report."""
    hardware = device.hardware
    declared = list_declared_apps(device)
    now = device.clock.now()
    update = find_pending_update(device)
    return {
        "device": {
            "identifier": {"serial-number": hardware.serial, "udid": hardware.udid},
            "model": {"family": "iPad", "identifier": hardware.product_name, "marketing-name": hardware.model_name},
            "operating-system": {"version": hardware.os_version, "build-version": hardware.build, "family": "iPadOS"},
        },
        "passcode": {"is-present": device.has_passcode, "is-compliant": True},
        "softwareupdate": {"install-state": "prepared" if update else "none", "pending-version": update or {}},
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
    """Return nested items by their dotted names."""
    flat_items: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        flat_items[name] = value
        if isinstance(value, dict):
            flat_items |= flatten_items(value, f"{name}.")
    return flat_items


def nest_items(names: dict[str, Any]) -> dict[str, Any]:
    """Return items with dotted names in nested form, as in a status report."""
    nested: dict[str, Any] = {}
    for name, value in names.items():
        *path, last = name.split(".")
        parent = nested
        for part in path:
            parent = parent.setdefault(part, {})
        parent[last] = value
    return nested
