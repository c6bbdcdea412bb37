"""The answer to Settings: each item has its own outcome, the command itself is acknowledged (commands.md section 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, Right, Status, answers, link
from simulator.device import App, Device

Item = dict[str, Any]


@answers("Settings", right=Right.SETTINGS)
def settings(request: Request) -> Body:
    """One row per item, in the order given."""
    items = request.need("Settings", list)
    if not all(isinstance(item, dict) and isinstance(item.get("Item"), str) for item in items):
        raise Malformed("Settings")
    return {"Settings": [_apply(request.device, item) for item in items]}


def _apply(device: Device, item: Item) -> Body:
    row: Body = {"Item": item["Item"]} | ({"Identifier": item["Identifier"]} if "Identifier" in item else {})
    try:
        _one(device, item)
    except CannotDo as refusal:
        return row | {"Status": Status.ERROR.value, "ErrorChain": refusal.chain}
    except (KeyError, TypeError) as error:
        return row | {"Status": Status.FORMAT_ERROR.value, "ErrorChain": [link(Code.WRONG_STATE, f"Missing {error}")]}
    return row | {"Status": Status.ACKNOWLEDGED.value}


def _one(device: Device, item: Item) -> None:
    name = item["Item"]
    if name in _SHARED:
        raise CannotDo(link(Code.WRONG_STATE, f"{name} is for Shared iPad."))
    if name not in _SETTERS:
        raise CannotDo(link(Code.UNKNOWN_COMMAND, f"{name} is not a valid setting."))
    if name in _SUPERVISED and not device.supervised:
        raise CannotDo(link(Code.NOT_SUPERVISED, f"{name} needs a supervised device."))
    _SETTERS[name](device, item)


def _name(device: Device, item: Item) -> None:
    device.name = item["DeviceName"]


def _wallpaper(device: Device, item: Item) -> None:
    if not item["Image"].startswith((b"\x89PNG", b"\xff\xd8")):
        raise CannotDo(link(Code.WRONG_STATE, "The picture is neither PNG nor JPEG."))
    for bit, place in ((1, "lock"), (2, "home")):
        if item["Where"] & bit:
            device.settings[f"Wallpaper.{place}"] = len(item["Image"])


def _time_zone(device: Device, item: Item) -> None:
    if any(one.get("forceAutomaticDateAndTime") for one in device.installed_payloads):
        raise CannotDo(link(Code.WRONG_STATE, "The time zone is set automatically."))
    device.settings["TimeZone"] = item["TimeZone"]


def _switch(device: Device, item: Item) -> None:
    device.settings[item["Item"]] = bool(item["Enabled"])


def _app_configuration(device: Device, item: Item) -> None:
    _app(device, item).configuration = item.get("Configuration")


def _app_attributes(device: Device, item: Item) -> None:
    _app(device, item).attributes = item.get("Attributes", {})


def _app(device: Device, item: Item) -> App:
    app = device.apps.get(item["Identifier"])
    if app is None or not app.managed:
        raise CannotDo(link(Code.NO_SUCH_APP, "The app is not managed."))
    return app


def _dictionary(device: Device, item: Item) -> None:
    name = item["Item"]
    if name in item:
        device.settings[name] = item[name]
    else:
        device.settings.pop(name, None)


def _merged(device: Device, item: Item) -> None:
    before = device.settings.get(item["Item"], {})
    device.settings[item["Item"]] = before | {key: value for key, value in item.items() if key != "Item"}


def _cadence(device: Device, item: Item) -> None:
    if device.hardware.major >= 27:
        raise CannotDo(link(Code.UNKNOWN_COMMAND, "SoftwareUpdateSettings is not a valid setting."))
    device.settings["RecommendationCadence"] = item["RecommendationCadence"]


_SHARED = frozenset(
    {"SharedDeviceConfiguration", "MaximumResidentUsers", "PasscodeLockGracePeriod", "DiagnosticSubmission", "AppAnalytics"}
)
_SUPERVISED = frozenset(
    {"Wallpaper", "DeviceName", "TimeZone", "Bluetooth", "AccessibilitySettings", "DefaultApplications", "SoftwareUpdateSettings"}
)
_SETTERS: dict[str, Callable[[Device, Item], None]] = {
    "Wallpaper": _wallpaper,
    "DeviceName": _name,
    "TimeZone": _time_zone,
    "Bluetooth": _switch,
    "DataRoaming": _switch,
    "PersonalHotspot": _switch,
    "VoiceRoaming": _switch,
    "ApplicationConfiguration": _app_configuration,
    "ApplicationAttributes": _app_attributes,
    "OrganizationInfo": _dictionary,
    "MDMOptions": _dictionary,
    "AccessibilitySettings": _merged,
    "DefaultApplications": _merged,
    "SoftwareUpdateSettings": _cadence,
}
