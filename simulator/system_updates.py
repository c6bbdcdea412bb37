"""Enforces updates of the system as an iPad does: prepared before the deadline of a declaration, installed at it, then restarted.

The deadline is local time. A version that is not offered, or that is not newer, is without effect.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulator.device import DeviceState

#: The major version of the system from which a declaration enforces an update.
ENFORCED_FROM = 17


def read_update(payload: dict[str, Any]) -> dict[str, str] | None:
    """Return the update that a declaration asks for, as a status report names one; None for an invalid declaration."""
    version, deadline = payload.get("TargetOSVersion"), payload.get("TargetLocalDateTime")
    try:
        _parse_version(str(version))
        is_local = datetime.fromisoformat(str(deadline)).tzinfo is None and len(str(deadline)) == len("2027-01-31T19:00:00")
    except ValueError:
        return None
    return {"os-version": str(version), "target-local-date-time": str(deadline)} if is_local else None


def find_pending_update(device: DeviceState) -> dict[str, str] | None:
    """Return the update that the tablet has prepared: the earliest that is declared, offered, and newer than its system."""
    current = _parse_version(device.hardware.os_version)
    pending: list[dict[str, str]] = [
        each["update"]
        for each in device.declarations.get("applied", {}).values()
        if "update" in each
        and each["update"]["os-version"] in device.offered_systems
        and _parse_version(each["update"]["os-version"]) > current
    ]
    return min(pending, key=lambda update: update["target-local-date-time"], default=None)


def install_due_update(device: DeviceState) -> bool:
    """Install the prepared update if its deadline is over, and restart. Returns whether it did."""
    update = find_pending_update(device)
    if update is None or _read_local_time(device) < datetime.fromisoformat(update["target-local-date-time"]):
        return False
    version = update["os-version"]
    device.hardware = replace(device.hardware, os_version=version, build=device.offered_systems[version])
    device.restart()
    return True


def _read_local_time(device: DeviceState) -> datetime:
    """Return what the clock on the screen shows."""
    zone = ZoneInfo(str(device.settings.get("TimeZone", "Europe/Paris")))
    return device.clock.now().astimezone(zone).replace(tzinfo=None)


def _parse_version(text: str) -> tuple[int, ...]:
    """Return a version as numbers without final zeros: 26.0 is 26. Raises `ValueError`."""
    numbers = [int(part) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
