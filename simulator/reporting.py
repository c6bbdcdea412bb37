"""Sends status reports: the subscribed status items in full at first, then what changed."""

from __future__ import annotations

from typing import Any

from simulator import status
from simulator.channel import MdmChannel
from simulator.device import DeviceState
from simulator.errors import UnexpectedResponse

_PLURALS = {"activation": "activations", "configuration": "configurations", "asset": "assets", "management": "management"}
_CAPABILITIES = {
    "supported-versions": ["1.0.0"],
    "supported-payloads": {
        "declarations": {
            "activations": ["com.apple.activation.simple"],
            "configurations": [
                "com.apple.configuration.legacy",
                "com.apple.configuration.management.status-subscriptions",
                "com.apple.configuration.app.managed",
                "com.apple.configuration.passcode.settings",
                "com.apple.configuration.softwareupdate.enforcement.specific",
            ],
        }
    },
}


async def send_status_report(channel: MdmChannel) -> None:
    """Report the status items that changed. The first report, and the one after new subscriptions, is full.

    Raises `UnexpectedResponse`.
    """
    device = channel.device
    state = device.declarations
    subscribed = _list_subscribed_items(device)
    items = status.flatten_items(status.build_status_items(device))
    values = {name: items[name] for name in subscribed if name in items}
    values |= device.odd_status_items
    values["management.declarations"] = channel.declarative_habits.alter_rows(_build_declaration_rows(device))
    values["management.client-capabilities"] = _CAPABILITIES
    errors = [
        {"StatusItem": name, "Reasons": [{"Code": "Error.StatusItemNotSupported", "Description": name}]}
        for name in sorted(subscribed - items.keys())
    ]
    is_full_report = state.get("subscribed") != sorted(subscribed)
    reported: dict[str, Any] = state.get("reported", {})
    changes = values if is_full_report else {name: value for name, value in values.items() if reported.get(name) != value}
    if not changes:
        return
    body = {"StatusItems": status.nest_items(changes), "Errors": errors if is_full_report else [], "FullReport": is_full_report}
    for report in channel.declarative_habits.split_report(body):
        reply = await channel.send_declarative_management("status", report)
        if reply.status != 200:
            raise UnexpectedResponse("declarative status", reply.status, reply.body)
    state["subscribed"], state["reported"] = sorted(subscribed), values


def _list_subscribed_items(device: DeviceState) -> set[str]:
    applied = device.declarations.get("applied", {})
    return {
        item["Name"]
        for key, document in device.declarations.get("items", {}).items()
        if key in applied and document["Type"].endswith("management.status-subscriptions")
        for item in document["Payload"]["StatusItems"]
    }


def _build_declaration_rows(device: DeviceState) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {plural: [] for plural in _PLURALS.values()}
    statuses = device.declarations.get("statuses", {})
    for key, document in sorted(device.declarations.get("items", {}).items()):
        row = {"identifier": document["Identifier"], "server-token": document["ServerToken"], **statuses[key]}
        rows[_PLURALS[key.partition("/")[0]]].append(row)
    return rows
