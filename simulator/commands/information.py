"""The command DeviceInformation: one function per family of queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.commands.base import AccessRight, CommandMalformed, ReceivedCommand, ResultBody, answers_command
from simulator.device import DeviceState


@answers_command("DeviceInformation")
def device_information(request: ReceivedCommand) -> ResultBody:
    """Answer the queries, except those that the tablet does not know or the access rights do not allow."""
    queries = request.require_argument("Queries", list)
    if not queries or not all(isinstance(query, str) for query in queries):
        raise CommandMalformed("Queries")
    device = request.device
    rights = device.enrollment.mdm_settings.access_rights if device.enrollment else 0
    answers: dict[str, Any] = {}
    for right, family in _QUERY_FAMILIES:
        if rights & right == right:
            answers |= family(device)
    return {"QueryResponses": {query: answers[query] for query in queries if query in answers}}


def _query_unrestricted(device: DeviceState) -> dict[str, Any]:
    known = {"UDID": device.hardware.udid, "AwaitingConfiguration": device.awaiting_configuration}
    return known | {name: device.settings[name] for name in ("OrganizationInfo", "MDMOptions") if name in device.settings}


def _query_general(device: DeviceState) -> dict[str, Any]:
    hardware = device.hardware
    return {
        "DeviceName": device.name,
        "OSVersion": hardware.os_version,
        "BuildVersion": hardware.build,
        "SupplementalBuildVersion": hardware.build,
        "SupplementalOSVersionExtra": "",
        "ModelName": hardware.model_name,
        "Model": hardware.model_number[:5],
        "ModelNumber": hardware.model_number,
        "ProductName": hardware.product_name,
        "SerialNumber": hardware.serial,
        "DeviceCapacity": hardware.capacity,
        "AvailableDeviceCapacity": round(hardware.capacity * 0.6 - len(device.apps) * 0.2, 2),
        "BatteryLevel": device.battery,
        "CellularTechnology": 3 if hardware.cellular else 0,
        "IsSupervised": device.supervised,
        "IsMultiUser": False,
        "IsDeviceLocatorServiceEnabled": False,
        "IsDoNotDisturbInEffect": False,
        "IsCloudBackupEnabled": False,
        "IsMDMLostModeEnabled": device.lost_mode is not None,
        "EASDeviceIdentifier": f"{hardware.serial}EAS",
        "DiagnosticSubmissionEnabled": False,
        "AppAnalyticsEnabled": False,
        "TimeZone": device.settings.get("TimeZone", "Europe/Paris"),
    } | _query_removed_in_later_systems(device)


def _query_removed_in_later_systems(device: DeviceState) -> dict[str, Any]:
    """Answer queries that later systems no longer know."""
    answers: dict[str, Any] = {}
    if device.hardware.os_major_version < 26:
        answers["IsActivationLockEnabled"] = False
        if device.hardware.cellular:
            answers |= {"IMEI": "35 145120 840121 4", "MEID": "35145120840121", "ModemFirmwareVersion": "7.03.00"}
    if device.hardware.os_major_version < 27:
        answers["SoftwareUpdateDeviceID"] = device.hardware.product_name
        answers["SoftwareUpdateSettings"] = {"RecommendationCadence": device.settings.get("RecommendationCadence", 0)}
    return answers


def _query_network(device: DeviceState) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "BluetoothMAC": device.hardware.bluetooth_mac,
        "WiFiMAC": device.hardware.wifi_mac,
        "DataRoamingEnabled": device.settings.get("DataRoaming", False),
        "PersonalHotspotEnabled": device.settings.get("PersonalHotspot", False),
        "IsNetworkTethered": False,
    }
    if device.hardware.cellular:
        answers["ServiceSubscriptions"] = [{"Slot": "CTSubscriptionSlotOne", "IsRoaming": False, "Label": "SIM"}]
    return answers


def _query_store(_device: DeviceState) -> dict[str, Any]:
    return {"iTunesStoreAccountIsActive": False}


def _query_accessibility(device: DeviceState) -> dict[str, Any]:
    return {"AccessibilitySettings": device.settings.get("AccessibilitySettings", {})} if device.supervised else {}


_QUERY_FAMILIES: tuple[tuple[int, Callable[[DeviceState], dict[str, Any]]], ...] = (
    (0, _query_unrestricted),
    (AccessRight.INFORMATION, _query_general),
    (AccessRight.NETWORK, _query_network),
    (AccessRight.MANAGE_APPS, _query_store),
    (AccessRight.INFORMATION, _query_accessibility),
)
