"""Synchronises declarations as an iPad does: tokens, manifest, the declarations that changed, then apply and report.

`applying` applies declarations to the tablet; `reporting` sends status reports.
"""

from __future__ import annotations

import json
from typing import Any

from simulator import applying, reporting
from simulator.channel import MdmChannel
from simulator.errors import UnexpectedResponse
from simulator.http_connection import ServerResponse

KINDS_BY_MANIFEST_KEY = {
    "Activations": "activation",
    "Configurations": "configuration",
    "Assets": "asset",
    "Management": "management",
}


async def synchronise_declarations(channel: MdmChannel) -> None:
    """Synchronise once: nothing happens when the server's token has not changed.

    Raises `UnexpectedResponse` when a document is missing or wrong.
    """
    state = channel.device.declarations
    offered = state.pop("offered", None)
    if offered is None:
        offered = _parse_document(await channel.send_declarative_management("tokens"), "tokens")["SyncTokens"][
            "DeclarationsToken"
        ]
    if offered == state.get("token"):
        return
    manifest = _parse_document(await channel.send_declarative_management("declaration-items"), "declaration-items")
    previous: dict[str, Any] = state.get("items", {})
    current: dict[str, Any] = {}
    await channel.declarative_habits.wait_before_fetches()
    for plural, kind in KINDS_BY_MANIFEST_KEY.items():
        rows = manifest["Declarations"][plural]
        if not isinstance(rows, list):
            raise UnexpectedResponse(f"declaration-items: {plural} is no list", 200)
        for row in rows:
            key = f"{kind}/{row['Identifier']}"
            declaration = previous.get(key)
            if declaration is None or declaration["ServerToken"] != row["ServerToken"]:
                declaration = await _fetch_declaration(channel, key, row)
            if declaration is not None:
                current[key] = declaration
    state["items"], state["token"] = current, manifest["DeclarationsToken"]
    await applying.apply_declarations(channel)
    await reporting.send_status_report(channel)


async def _fetch_declaration(channel: MdmChannel, key: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """Fetch one declaration; None when the server no longer has it."""
    reply = await channel.send_declarative_management(f"declaration/{key}")
    if reply.status == 404:
        return None
    document: dict[str, Any] = _parse_document(reply, key)
    if (document["Identifier"], document["ServerToken"]) != (row["Identifier"], row["ServerToken"]):
        raise UnexpectedResponse(f"{key}: another declaration than the manifest announced", 200)
    if not isinstance(document["Payload"], dict) or len(document["Identifier"]) > 64 or len(document["ServerToken"]) > 64:
        raise UnexpectedResponse(f"{key}: malformed", 200)
    return document


def _parse_document(reply: ServerResponse, what: str) -> Any:
    if reply.status != 200 or reply.media_type != "application/json":
        raise UnexpectedResponse(f"{what} as {reply.media_type!r}", reply.status, reply.body)
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise UnexpectedResponse(what, reply.status, reply.body) from error
