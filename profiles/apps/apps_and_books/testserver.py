"""An Apps and Books service for tests and trials: the same API over HTTP, with refusals and bad manners. Holds licences in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 2


@dataclass
class SimulatedLocation:
    """What a location owns and has given out; `script` holds the next answers instead of the real ones.

    `refused_assets`: error number by app, for every change of its licences. `refused_serials`: a change that names one of them is
    refused as a whole. `odd_rows` stand among the assets.
    """

    token: str
    totals: dict[str, int] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)
    uid: str = "u-1"
    name: str = "Ville"
    claimed_by: str | None = None
    claimed_by_name: str = ""
    refused_assets: dict[str, int] = field(default_factory=dict)
    refused_serials: set[str] = field(default_factory=set)
    odd_rows: list[Any] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: int = 1
    version: int = 1
    requests: list[str] = field(default_factory=list)
    script: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)


@contextmanager
def serve(*locations: SimulatedLocation) -> Iterator[str]:
    """Run on a loopback port with these locations, each known by its token; gives the base address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any] | None) -> None:
            parts = urlsplit(self.path)
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            location = next((each for each in locations if each.token == bearer), None)
            for each in locations if location is None else [location]:
                each.requests.append(f"{self.command} {parts.path}")
            scripted = location or locations[0]
            if scripted.script:
                status, payload, headers = scripted.script.pop(0)
            elif location is None:
                status, payload, headers = 401, {"errorNumber": 9622, "errorMessage": "Invalid token"}, {}
            else:
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                status, payload, headers = 200, _build_response(location, parts.path.rsplit("/mdm/v2", 1)[-1], query, body), {}
            content = json.dumps(payload).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the library
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mdm/v2"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _build_response(location: SimulatedLocation, path: str, query: dict[str, str], body: dict[str, Any] | None) -> dict[str, Any]:  # noqa: PLR0911 - one return per address
    if path == "/service/config":
        return {"limits": {"maxAssets": 25, "maxSerialNumbers": 3}}
    if path == "/client/config":
        if body is not None:
            location.claimed_by, location.claimed_by_name = body["mdmInfo"]["id"], body["mdmInfo"]["name"]
        mdm = {"mdmInfo": {"id": location.claimed_by, "name": location.claimed_by_name}} if location.claimed_by else {}
        return {"locationName": location.name, "uId": location.uid, "tokenExpirationDate": "2027-09-01T00:00:00+0000", **mdm}
    if path in ("/assets/associate", "/assets/disassociate"):
        assert body is not None
        refusal = _refuse_change(location, body)
        if refusal is not None:
            return refusal
        return {"eventId": _change_assignments(location, path.endswith("/associate"), body)}
    if path == "/status":
        event = location.events[query["eventId"]]
        if event["polls"] > 0:
            event["polls"] -= 1
            return {"eventStatus": "PENDING"}
        return {"eventStatus": "COMPLETE" if not event["failures"] else "FAILED", "failures": event["failures"]}
    if path == "/assets":
        rows = [*location.odd_rows, *(_build_asset(location, adam_id) for adam_id in sorted(location.totals))]
        return _build_page(location, rows, "assets", int(query.get("pageIndex", "0")))
    if path == "/assignments":
        rows = [{"adamId": query["adamId"], "serialNumber": s} for s in sorted(location.held.get(query["adamId"], ()))]
        return _build_page(location, rows, "assignments", int(query.get("pageIndex", "0")))
    return {"errorNumber": 9602, "errorMessage": "unknown path"}


def _build_asset(location: SimulatedLocation, adam_id: str) -> dict[str, Any]:
    total, assigned = location.totals[adam_id], len(location.held.get(adam_id, ()))
    return {
        "adamId": adam_id, "pricingParam": "STDQ", "productType": "App", "deviceAssignable": True, "totalCount": total,
        "assignedCount": assigned, "availableCount": total - assigned,
    }  # fmt: skip


def _refuse_change(location: SimulatedLocation, body: dict[str, Any]) -> dict[str, Any] | None:
    numbers = [location.refused_assets[asset["adamId"]] for asset in body["assets"] if asset["adamId"] in location.refused_assets]
    if numbers:
        return {"errorNumber": numbers[0], "errorMessage": "The asset is not available"}
    if location.refused_serials.intersection(body["serialNumbers"]):
        return {"errorNumber": 9602, "errorMessage": "A serial number is not valid"}
    return None


def _build_page(location: SimulatedLocation, rows: list[Any], name: str, page: int) -> dict[str, Any]:
    payload: dict[str, Any] = {name: rows[page * PAGE : (page + 1) * PAGE], "versionId": str(location.version)}
    if (page + 1) * PAGE < len(rows):
        payload["nextPageIndex"] = page + 1
    return payload


def _change_assignments(location: SimulatedLocation, give: bool, body: dict[str, Any]) -> str:
    failures = []
    for asset in body["assets"]:
        held = location.held.setdefault(asset["adamId"], set())
        for serial in body["serialNumbers"]:
            if not give:
                held.discard(serial)
            elif len(held) < location.totals.get(asset["adamId"], 0):
                held.add(serial)
            else:
                failures.append({"errorNumber": 9610, "adamId": asset["adamId"], "serialNumber": serial})
    event_id = f"event-{len(location.events) + 1}"
    location.events[event_id] = {"failures": failures, "polls": location.pending}
    return event_id
