"""The answer to DeviceInformation: one function per family of queries (commands.md section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.commands.base import Body, Malformed, Request, Right, answers
from simulator.device import Device


@answers("DeviceInformation")
def device_information(request: Request) -> Body:
    """What was asked, less what the tablet does not know or may not tell."""
    queries = request.need("Queries", list)
    if not queries or not all(isinstance(query, str) for query in queries):
        raise Malformed("Queries")
    device = request.device
    rights = device.enrolment.mdm.access_rights if device.enrolment else 0
    told: dict[str, Any] = {}
    for right, family in _FAMILIES:
        if rights & right == right:
            told |= family(device)
    return {"QueryResponses": {query: told[query] for query in queries if query in told}}


def _free(device: Device) -> dict[str, Any]:
    known = {"UDID": device.hardware.udid, "AwaitingConfiguration": device.awaiting_configuration}
    return known | {name: device.settings[name] for name in ("OrganizationInfo", "MDMOptions") if name in device.settings}


def _general(device: Device) -> dict[str, Any]:
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
        "IsMDMLostModeEnabled": device.lost is not None,
        "EASDeviceIdentifier": f"{hardware.serial}EAS",
        "DiagnosticSubmissionEnabled": False,
        "AppAnalyticsEnabled": False,
        "TimeZone": device.settings.get("TimeZone", "Europe/Paris"),
    } | _old(device)


def _old(device: Device) -> dict[str, Any]:
    """Queries that later systems no longer know."""
    told: dict[str, Any] = {}
    if device.hardware.major < 26:
        told["IsActivationLockEnabled"] = False
        if device.hardware.cellular:
            told |= {"IMEI": "35 145120 840121 4", "MEID": "35145120840121", "ModemFirmwareVersion": "7.03.00"}
    if device.hardware.major < 27:
        told["SoftwareUpdateDeviceID"] = device.hardware.product_name
        told["SoftwareUpdateSettings"] = {"RecommendationCadence": device.settings.get("RecommendationCadence", 0)}
    return told


def _network(device: Device) -> dict[str, Any]:
    told: dict[str, Any] = {
        "BluetoothMAC": device.hardware.bluetooth_mac,
        "WiFiMAC": device.hardware.wifi_mac,
        "DataRoamingEnabled": device.settings.get("DataRoaming", False),
        "PersonalHotspotEnabled": device.settings.get("PersonalHotspot", False),
        "IsNetworkTethered": False,
    }
    if device.hardware.cellular:
        told["ServiceSubscriptions"] = [{"Slot": "CTSubscriptionSlotOne", "IsRoaming": False, "Label": "SIM"}]
    return told


def _store(_device: Device) -> dict[str, Any]:
    return {"iTunesStoreAccountIsActive": False}


def _accessibility(device: Device) -> dict[str, Any]:
    return {"AccessibilitySettings": device.settings.get("AccessibilitySettings", {})} if device.supervised else {}


_FAMILIES: tuple[tuple[int, Callable[[Device], dict[str, Any]]], ...] = (
    (0, _free),
    (Right.INFORMATION, _general),
    (Right.NETWORK, _network),
    (Right.MANAGE_APPS, _store),
    (Right.INFORMATION, _accessibility),
)
