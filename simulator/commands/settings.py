"""The command Settings: each item has its own status, and the command itself is acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.commands.base import (
    AccessRight,
    CommandFailed,
    CommandMalformed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    ResultStatus,
    answers_command,
    build_error,
)
from simulator.device import DeviceState, SimulatedApp
from simulator.managed_apps import list_declared_apps

SettingsItem = dict[str, Any]


@answers_command("Settings", right=AccessRight.SETTINGS)
def settings(request: ReceivedCommand) -> ResultBody:
    """Apply the items; report one row per item, in their order."""
    items = request.require_argument("Settings", list)
    if not all(isinstance(item, dict) and isinstance(item.get("Item"), str) for item in items):
        raise CommandMalformed("Settings")
    return {"Settings": [_apply_item(request.device, item) for item in items]}


def _apply_item(device: DeviceState, item: SettingsItem) -> ResultBody:
    row: ResultBody = {"Item": item["Item"]} | ({"Identifier": item["Identifier"]} if "Identifier" in item else {})
    try:
        _set_item(device, item)
    except CommandFailed as refusal:
        return row | {"Status": ResultStatus.ERROR.value, "ErrorChain": refusal.error_chain}
    except (KeyError, TypeError) as error:
        return row | {
            "Status": ResultStatus.FORMAT_ERROR.value,
            "ErrorChain": [build_error(ErrorCode.WRONG_STATE, f"Missing {error}")],
        }
    return row | {"Status": ResultStatus.ACKNOWLEDGED.value}


def _set_item(device: DeviceState, item: SettingsItem) -> None:
    name = item["Item"]
    if name in _SHARED_IPAD_ITEMS:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, f"{name} is for Shared iPad."))
    if name not in _SETTERS:
        raise CommandFailed(build_error(ErrorCode.UNKNOWN_COMMAND, f"{name} is not a valid setting."))
    if name in _SUPERVISED_ITEMS and not device.supervised:
        raise CommandFailed(build_error(ErrorCode.NOT_SUPERVISED, f"{name} needs a supervised device."))
    _SETTERS[name](device, item)


def _set_device_name(device: DeviceState, item: SettingsItem) -> None:
    device.name = item["DeviceName"]


def _set_wallpaper(device: DeviceState, item: SettingsItem) -> None:
    if not item["Image"].startswith((b"\x89PNG", b"\xff\xd8")):
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The picture is neither PNG nor JPEG."))
    for bit, place in ((1, "lock"), (2, "home")):
        if item["Where"] & bit:
            device.settings[f"Wallpaper.{place}"] = len(item["Image"])


def _set_time_zone(device: DeviceState, item: SettingsItem) -> None:
    if any(payload.get("forceAutomaticDateAndTime") for payload in device.installed_payloads):
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The time zone is set automatically."))
    device.settings["TimeZone"] = item["TimeZone"]


def _set_switch(device: DeviceState, item: SettingsItem) -> None:
    device.settings[item["Item"]] = bool(item["Enabled"])


def _set_app_configuration(device: DeviceState, item: SettingsItem) -> None:
    _get_managed_app(device, item).configuration = item.get("Configuration")


def _set_app_attributes(device: DeviceState, item: SettingsItem) -> None:
    _get_managed_app(device, item).attributes = item.get("Attributes", {})


def _get_managed_app(device: DeviceState, item: SettingsItem) -> SimulatedApp:
    app = device.apps.get(item["Identifier"])
    if item["Identifier"] in list_declared_apps(device):
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The app is managed by a declaration."))
    if app is None or not app.managed:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_APP, "The app is not managed."))
    return app


def _set_dictionary(device: DeviceState, item: SettingsItem) -> None:
    name = item["Item"]
    if name in item:
        device.settings[name] = item[name]
    else:
        device.settings.pop(name, None)


def _merge_dictionary(device: DeviceState, item: SettingsItem) -> None:
    before = device.settings.get(item["Item"], {})
    device.settings[item["Item"]] = before | {key: value for key, value in item.items() if key != "Item"}


def _set_update_cadence(device: DeviceState, item: SettingsItem) -> None:
    if device.hardware.os_major_version >= 27:
        raise CommandFailed(build_error(ErrorCode.UNKNOWN_COMMAND, "SoftwareUpdateSettings is not a valid setting."))
    device.settings["RecommendationCadence"] = item["RecommendationCadence"]


_SHARED_IPAD_ITEMS = frozenset(
    {"SharedDeviceConfiguration", "MaximumResidentUsers", "PasscodeLockGracePeriod", "DiagnosticSubmission", "AppAnalytics"}
)
_SUPERVISED_ITEMS = frozenset(
    {"Wallpaper", "DeviceName", "TimeZone", "Bluetooth", "AccessibilitySettings", "DefaultApplications", "SoftwareUpdateSettings"}
)
_SETTERS: dict[str, Callable[[DeviceState, SettingsItem], None]] = {
    "Wallpaper": _set_wallpaper,
    "DeviceName": _set_device_name,
    "TimeZone": _set_time_zone,
    "Bluetooth": _set_switch,
    "DataRoaming": _set_switch,
    "PersonalHotspot": _set_switch,
    "VoiceRoaming": _set_switch,
    "ApplicationConfiguration": _set_app_configuration,
    "ApplicationAttributes": _set_app_attributes,
    "OrganizationInfo": _set_dictionary,
    "MDMOptions": _set_dictionary,
    "AccessibilitySettings": _merge_dictionary,
    "DefaultApplications": _merge_dictionary,
    "SoftwareUpdateSettings": _set_update_cadence,
}
