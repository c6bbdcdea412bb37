"""Declarative management, the first steps: tokens, manifest, the declarations, one status report. Applying them comes later."""

from __future__ import annotations

import json
from typing import Any

from mdm.simulator.channel import Channel
from mdm.simulator.errors import ServerRefused
from mdm.simulator.wire import Reply

_KINDS = {"Activations": "activation", "Configurations": "configuration", "Assets": "asset", "Management": "management"}


async def synchronise(channel: Channel) -> None:
    """One round of declarative.md section 1. Raises `ServerRefused` when a document is missing or wrong."""
    state = channel.device.declarations
    offered = state.pop("offered", None)
    if offered is None:
        offered = _document(await channel.declarative("tokens"), "tokens")["SyncTokens"]["DeclarationsToken"]
    if offered == state.get("token"):
        return
    manifest = _document(await channel.declarative("declaration-items"), "declaration-items")
    held: dict[str, Any] = state.get("items", {})
    wanted: dict[str, Any] = {}
    for plural, kind in _KINDS.items():
        rows = manifest["Declarations"][plural]
        if not isinstance(rows, list):
            raise ServerRefused(f"declaration-items: {plural} is no list", 200)
        for row in rows:
            key = f"{kind}/{row['Identifier']}"
            known = held.get(key)
            if known is None or known["ServerToken"] != row["ServerToken"]:
                reply = await channel.declarative(f"declaration/{key}")
                known = None if reply.status == 404 else _document(reply, key)
            if known is not None:
                wanted[key] = known
    state["items"], state["token"] = wanted, manifest["DeclarationsToken"]
    await _report(channel, wanted)


async def _report(channel: Channel, items: dict[str, Any]) -> None:
    hardware = channel.device.hardware
    rows: dict[str, list[dict[str, Any]]] = {plural.lower(): [] for plural in _KINDS}
    for key, declaration in items.items():
        plural = next(name for name, kind in _KINDS.items() if key.startswith(f"{kind}/")).lower()
        token = declaration["ServerToken"]
        rows[plural].append(
            {"identifier": declaration["Identifier"], "server-token": token, "active": False, "valid": "unknown", "reasons": []}
        )
    status = {
        "device": {
            "identifier": {"serial-number": hardware.serial, "udid": hardware.udid},
            "operating-system": {"version": hardware.os_version, "build-version": hardware.build, "family": "iPadOS"},
        },
        "management": {"declarations": rows, "client-capabilities": {"supported-versions": ["1.0.0"]}},
    }
    reply = await channel.declarative("status", {"StatusItems": status, "Errors": [], "FullReport": True})
    if reply.status != 200:
        raise ServerRefused("declarative status", reply.status, reply.body)


def _document(reply: Reply, what: str) -> Any:
    if reply.status != 200 or reply.media_type != "application/json":
        raise ServerRefused(f"{what} as {reply.media_type!r}", reply.status, reply.body)
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise ServerRefused(what, reply.status, reply.body) from error
