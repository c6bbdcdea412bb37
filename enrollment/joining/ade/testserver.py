"""A device-assignment service for tests and trials: the same API over HTTP, with its sessions, cursors and scripted refusals.

Holds devices in memory. It checks signatures and headers by itself and shares no code with the client. To try by hand:
`python -m enrollment.joining.ade.testserver --devices 100`.
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from cartable import loopback_server
from cartable.loopback_server import LoopbackReply, LoopbackRequest

SKEW = 300
MOST = 1000


@dataclass
class Portal:
    """One server entry of the portal. `script` holds (path, status, body, headers) to answer with once instead of the real thing;
    `results` the words that some serial numbers get when a profile is assigned.
    """

    consumer_key: str = "CK_portal"
    consumer_secret: str = "CS_portal"  # noqa: S105 - a stand-in
    access_token: str = "AT_portal"  # noqa: S105 - a stand-in
    access_secret: str = "AS_portal"  # noqa: S105 - a stand-in
    server_uuid: str = "5F2A0D4E8C4B4B6E9A0F1E2D3C4B5A69"
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    page: int = MOST
    assign_by: str = "PUT"
    rotate: bool = False
    locked: dict[str, dict[str, Any]] = field(default_factory=dict)
    epoch: int = 0
    requests: list[str] = field(default_factory=list)
    script: list[tuple[str, int, bytes, dict[str, str]]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _path: None
    now: Callable[[], float] = time.time
    session: str = ""
    sessions: int = 0
    nonces: set[str] = field(default_factory=set)

    def add(self, serial: str, **told: Any) -> dict[str, Any]:
        """Assign a device to this entry."""
        device = {
            "serial_number": serial, "model": "iPad (A16)", "description": "IPAD WI-FI 128GB", "color": "BLUE", "device_family": "iPad",
            "os": "iPadOS", "profile_status": "empty", "device_assigned_date": self.instant(),
            "device_assigned_by": "somebody@town.example", **told,
        }  # fmt: skip
        self.devices[serial] = device
        self.note("added", device)
        return device

    def remove(self, serial: str) -> None:
        """Take a device away."""
        self.note("deleted", self.devices.pop(serial))

    def note(self, op: str, device: dict[str, Any], when: str | None = None) -> None:
        """Let the next sync tell something."""
        self.log.append({**device, "op_type": op, "op_date": when or self.instant()})

    def expire_cursors(self) -> None:
        """What a week does."""
        self.epoch += 1

    def token_file(self, certificate_pem: str, days: float = 365, **told: Any) -> bytes:
        """The file that a person downloads, encrypted to the server's certificate."""
        expires = datetime.fromtimestamp(self.now(), UTC) + timedelta(days=days)
        said = {
            "consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret, "access_token": self.access_token,
            "access_secret": self.access_secret, "access_token_expiry": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), **told,
        }  # fmt: skip
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(inner(json.dumps(said))).add_recipient(certificate)
        return builder.encrypt(Encoding.SMIME, [pkcs7.PKCS7Options.Binary])

    def instant(self) -> str:
        """Now, as the service writes it."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def inner(message: str) -> bytes:
    """The MIME text inside a token file."""
    head = 'Content-Type: text/plain;charset="UTF-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
    return f"{head}-----BEGIN MESSAGE-----\n{message}\n-----END MESSAGE-----\n".encode()


@contextmanager
def serve(portal: Portal, port: int = 0) -> Iterator[str]:
    """Run on a loopback port; gives the base address."""
    with loopback_server.serve_on_loopback(lambda request: _answer(portal, request), port) as url:
        yield url


def _answer(portal: Portal, request: LoopbackRequest) -> LoopbackReply:
    portal.requests.append(f"{request.method} {request.path}")
    portal.before(request.path)
    scripted = next((line for line in portal.script if line[0] == request.path), None)
    if scripted is not None:
        portal.script.remove(scripted)
        return scripted[1:]
    agent = request.headers.get("user-agent", "python-httpx")
    if "x-server-protocol-version" not in request.headers or agent.startswith("python-httpx"):
        return _word(400, "MALFORMED_REQUEST_BODY")
    if request.path == "/session":
        return _open(portal, request.headers.get("authorization", ""), request.address)
    if not portal.session or request.headers.get("x-adm-auth-session") != portal.session:
        return 401, b"UNAUTHORIZED", {}
    fresh = {}
    if portal.rotate:
        portal.session = f"session-{time.monotonic_ns()}"
        fresh = {"X-ADM-Auth-Session": portal.session}
    if request.body and request.headers.get("content-type") != "application/json;charset=UTF8":
        return _word(400, "MALFORMED_REQUEST_BODY")
    said = json.loads(request.body) if request.body else {}
    status, content, headers = _route(portal, request.method, request.path, {**request.query, **said})
    return status, content, {**fresh, **headers}


def _json(said: dict[str, Any]) -> LoopbackReply:
    return 200, json.dumps(said).encode(), {}


def _word(status: int, word: str) -> LoopbackReply:
    return status, json.dumps({"code": word}).encode(), {}


def _open(portal: Portal, header: str, url: str) -> LoopbackReply:
    """Check a signed request (RFC 5849 section 3.2) and give a session; an earlier one ends."""
    kind, _, rest = header.partition(" ")
    pairs = (part.strip().partition("=") for part in rest.split(","))
    said = {name: unquote(value.strip('"')) for name, _, value in pairs}
    if kind != "OAuth" or said.get("realm") != "ADM" or said.get("oauth_consumer_key") != portal.consumer_key:
        return 401, b"oauth_problem=consumer_key_unknown", {}
    if said.get("oauth_token") != portal.access_token:
        return 401, b"token_rejected", {}
    if abs(int(said["oauth_timestamp"]) - portal.now()) > SKEW:
        return 401, b"oauth_problem=timestamp_refused", {}
    names = sorted(name for name in said if name.startswith("oauth_") and name != "oauth_signature")
    listed = "&".join(f"{name}={quote(said[name], safe='-._~')}" for name in names)
    base = f"GET&{quote(url, safe='-._~')}&{quote(listed, safe='-._~')}"
    made = hmac.digest(f"{portal.consumer_secret}&{portal.access_secret}".encode(), base.encode(), "sha1")
    if not hmac.compare_digest(base64.b64encode(made).decode(), said.get("oauth_signature", "")):
        return 401, b"oauth_problem=signature_invalid", {}
    if said["oauth_nonce"] in portal.nonces:
        return 401, b"oauth_problem=nonce_used", {}
    portal.nonces.add(said["oauth_nonce"])
    portal.sessions += 1
    portal.session = f"session-{portal.sessions}"
    return _json({"auth_session_token": portal.session})


def _route(portal: Portal, method: str, path: str, said: dict[str, Any]) -> LoopbackReply:  # noqa: PLR0911 - one return per address
    if path == "/account":
        return _json(_account(portal))
    if path == "/server/devices":
        return _fetch(portal, said)
    if path == "/devices/sync":
        return _sync(portal, said)
    if path == "/profile" and method == "POST":
        return _define(portal, said)
    if path == "/profile" and method == "GET":
        found = portal.profiles.get(said.get("profile_uuid", ""))
        return _json(found) if found is not None else _word(404, "NOT_FOUND")
    if path == "/profile/devices":
        return _assign(portal, said) if method == portal.assign_by else (405, b"", {})
    if path == "/device/activationlock":
        known = said["device"] in portal.devices
        portal.locked.update({said["device"]: said} if known else {})
        status = "SUCCESS" if known else "NOT_ACCESSIBLE"
        return _json({"serial_number": said["device"], "response_status": status})
    return _word(404, "NOT_FOUND")


def _account(portal: Portal) -> dict[str, Any]:
    def url(uri: str, method: str) -> dict[str, Any]:
        return {"uri": uri, "http_method": [method], "limit": {"default": 100, "maximum": portal.page}}

    return {
        "server_name": "Ville", "server_uuid": portal.server_uuid, "admin_id": "somebody@town.example", "org_name": "Ville",
        "org_type": "edu", "org_version": "v2", "urls": [
            url("/server/devices", "POST"), url("/devices/sync", "POST"), url("/profile/devices", "PUT")],
    }  # fmt: skip


def _fetch(portal: Portal, said: dict[str, Any]) -> LoopbackReply:
    start, place = len(portal.log), 0
    if "cursor" in said:
        kind, epoch, *numbers = str(said["cursor"]).split(".")
        if kind == "s":
            return _word(400, "EXHAUSTED_CURSOR")
        if kind != "f" or len(numbers) != 2:
            return _word(400, "INVALID_CURSOR")
        if int(epoch) != portal.epoch:
            return _word(400, "EXPIRED_CURSOR")
        place, start = int(numbers[0]), int(numbers[1])
    limit = min(int(said["limit"]), portal.page)
    serials = sorted(portal.devices)
    rows = [portal.devices[serial] for serial in serials[place : place + limit]]
    more = place + limit < len(serials)
    cursor = f"f.{portal.epoch}.{place + limit}.{start}" if more else f"s.{portal.epoch}.{start}"
    return _json({"devices": rows, "cursor": cursor, "fetched_until": portal.instant(), "more_to_follow": more})


def _sync(portal: Portal, said: dict[str, Any]) -> LoopbackReply:
    if "cursor" not in said:
        return _word(400, "CURSOR_REQUIRED")
    kind, epoch, *numbers = str(said["cursor"]).split(".")
    if kind != "s" or len(numbers) != 1:
        return _word(400, "INVALID_CURSOR")
    if int(epoch) != portal.epoch:
        return _word(400, "EXPIRED_CURSOR")
    place, limit = int(numbers[0]), min(int(said["limit"]), portal.page)
    rows, following = portal.log[place : place + limit], min(place + limit, len(portal.log))
    more = following < len(portal.log)
    cursor = f"s.{portal.epoch}.{following}"
    return _json({"devices": rows, "cursor": cursor, "fetched_until": portal.instant(), "more_to_follow": more})


def _define(portal: Portal, said: dict[str, Any]) -> LoopbackReply:
    for key, word in (("profile_name", "CONFIG_NAME_REQUIRED"), ("url", "CONFIG_URL_REQUIRED"), ("org_magic", "MAGIC_INVALID")):
        if not said.get(key):
            return _word(400, word)
    uuid = f"PROFILE{len(portal.profiles) + 1:025d}"
    portal.profiles[uuid] = said
    return _json({"profile_uuid": uuid, "devices": {}})


def _assign(portal: Portal, said: dict[str, Any]) -> LoopbackReply:
    if said.get("profile_uuid") not in portal.profiles:
        return _word(404, "NOT_FOUND")
    if len(said["devices"]) > portal.page:
        return 413, b"", {}
    told = {}
    for serial in said["devices"]:
        word = portal.results.get(serial, "SUCCESS" if serial in portal.devices else "NOT_ACCESSIBLE")
        told[serial] = word
        if word == "SUCCESS":
            portal.devices[serial].update(
                profile_uuid=said["profile_uuid"], profile_status="assigned", profile_assign_time=portal.instant()
            )
            portal.note("modified", portal.devices[serial])
    wait = {"retry_after_seconds": portal.retry_after} if portal.retry_after is not None else {}
    return _json({"profile_uuid": said["profile_uuid"], "devices": told, **wait})


def main() -> None:
    """Serve invented devices until interrupted; prints the address, and with `--certificate` the token file for a server's PEM."""
    import argparse
    import sys
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="python -m enrollment.joining.ade.testserver")
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--page", type=int, default=MOST)
    parser.add_argument("--certificate", type=Path, help="the PEM that the server offers")
    parser.add_argument("--token", type=Path, help="where to write the token file")
    asked = parser.parse_args()
    portal = Portal(page=asked.page)
    for number in range(asked.devices):
        portal.add(f"DMP{number:09d}")
    if asked.certificate and asked.token:
        asked.token.write_bytes(portal.token_file(asked.certificate.read_text()))
    with serve(portal, asked.port) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
