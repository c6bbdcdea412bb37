"""Status reports: everything once, then what changed, of what the server subscribed to (declarative.md section 9)."""

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
            ],
        }
    },
}


async def send_status_report(channel: MdmChannel) -> None:
    """Tell what is new. The first report, and the one after new subscriptions, is full. Raises `ServerRefused`."""
    device = channel.device
    state = device.declarations
    wanted = _list_subscribed_items(device)
    known = status.flatten_items(status.build_status_items(device))
    values = {name: known[name] for name in wanted if name in known}
    values["management.declarations"] = _build_declaration_rows(device)
    values["management.client-capabilities"] = _CAPABILITIES
    errors = [
        {"StatusItem": name, "Reasons": [{"Code": "Error.StatusItemNotSupported", "Description": name}]}
        for name in sorted(wanted - known.keys())
    ]
    full = state.get("subscribed") != sorted(wanted)
    told: dict[str, Any] = state.get("told", {})
    news = values if full else {name: value for name, value in values.items() if told.get(name) != value}
    if not news:
        return
    body = {"StatusItems": status.nest_items(news), "Errors": errors if full else [], "FullReport": full}
    reply = await channel.send_declarative_management("status", body)
    if reply.status != 200:
        raise UnexpectedResponse("declarative status", reply.status, reply.body)
    state["subscribed"], state["told"] = sorted(wanted), values


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
    verdicts = device.declarations.get("verdicts", {})
    for key, document in sorted(device.declarations.get("items", {}).items()):
        row = {"identifier": document["Identifier"], "server-token": document["ServerToken"], **verdicts[key]}
        rows[_PLURALS[key.partition("/")[0]]].append(row)
    return rows
