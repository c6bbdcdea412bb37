"""A server with Apple's ADE API for tests and trials: sessions, cursors, profiles and scripted errors, over HTTP.

It keeps devices in memory, checks signatures and headers by itself and shares no code with the client. To run it:
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

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from cartable import loopback_server
from cartable.certificates import read_certificates_pem
from cartable.loopback_server import LoopbackReply, LoopbackRequest

SKEW = 300
MAX_PAGE = 1000


@dataclass
class Portal:
    """One MDM server of the portal. `scripted_responses`: (path, status, body, headers), each sent once instead of the real one.

    `results`: the results that serial numbers get when a profile is assigned, if not SUCCESS.
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
    page: int = MAX_PAGE
    assign_method: str = "PUT"
    rotate: bool = False
    locked: dict[str, dict[str, Any]] = field(default_factory=dict)
    epoch: int = 0
    requests: list[str] = field(default_factory=list)
    scripted_responses: list[tuple[str, int, bytes, dict[str, str]]] = field(default_factory=list)
    before_request: Callable[[str], None] = lambda _path: None
    now: Callable[[], float] = time.time
    session: str = ""
    sessions: int = 0
    nonces: set[str] = field(default_factory=set)

    def add_device(self, serial: str, **fields: Any) -> dict[str, Any]:
        """Assign a device to this server and return it."""
        device = {
            "serial_number": serial, "model": "iPad (A16)", "description": "IPAD WI-FI 128GB", "color": "BLUE", "device_family": "iPad",
            "os": "iPadOS", "profile_status": "empty", "device_assigned_date": self.format_now(),
            "device_assigned_by": "somebody@town.example", **fields,
        }  # fmt: skip
        self.devices[serial] = device
        self.record_change("added", device)
        return device

    def remove_device(self, serial: str) -> None:
        """Remove a device from this server."""
        self.record_change("deleted", self.devices.pop(serial))

    def record_change(self, op: str, device: dict[str, Any], when: str | None = None) -> None:
        """Add a change to the log, for the next sync."""
        self.log.append({**device, "op_type": op, "op_date": when or self.format_now()})

    def expire_cursors(self) -> None:
        """Make all cursors expire, as they do after a week."""
        self.epoch += 1

    def build_token_file(self, certificate_pem: str, days: float = 365, **fields: Any) -> bytes:
        """Return the token file that a person downloads, encrypted to the server's certificate."""
        expires = datetime.fromtimestamp(self.now(), UTC) + timedelta(days=days)
        token = {
            "consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret, "access_token": self.access_token,
            "access_secret": self.access_secret, "access_token_expiry": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), **fields,
        }  # fmt: skip
        certificate = read_certificates_pem(certificate_pem.encode())[0]
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(build_token_message(json.dumps(token))).add_recipient(certificate)
        return builder.encrypt(Encoding.SMIME, [pkcs7.PKCS7Options.Binary])

    def format_now(self) -> str:
        """Return the current time in the format of the service."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_token_message(message: str) -> bytes:
    """Return the MIME text inside a token file."""
    head = 'Content-Type: text/plain;charset="UTF-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
    return f"{head}-----BEGIN MESSAGE-----\n{message}\n-----END MESSAGE-----\n".encode()


@contextmanager
def serve(portal: Portal, port: int = 0) -> Iterator[str]:
    """Serve on a loopback port and yield the base URL."""
    with loopback_server.serve_on_loopback(lambda request: _handle(portal, request), port) as url:
        yield url


def _handle(portal: Portal, request: LoopbackRequest) -> LoopbackReply:
    portal.requests.append(f"{request.method} {request.path}")
    portal.before_request(request.path)
    scripted = next((line for line in portal.scripted_responses if line[0] == request.path), None)
    if scripted is not None:
        portal.scripted_responses.remove(scripted)
        return scripted[1:]
    agent = request.headers.get("user-agent", "python-httpx")
    if "x-server-protocol-version" not in request.headers or agent.startswith("python-httpx"):
        return _error_reply(400, "MALFORMED_REQUEST_BODY")
    if request.path == "/session":
        return _open_session(portal, request.headers.get("authorization", ""), request.address)
    if not portal.session or request.headers.get("x-adm-auth-session") != portal.session:
        return 401, b"UNAUTHORIZED", {}
    fresh = {}
    if portal.rotate:
        portal.session = f"session-{time.monotonic_ns()}"
        fresh = {"X-ADM-Auth-Session": portal.session}
    if request.body and request.headers.get("content-type") != "application/json;charset=UTF8":
        return _error_reply(400, "MALFORMED_REQUEST_BODY")
    body = json.loads(request.body) if request.body else {}
    status, content, headers = _route(portal, request.method, request.path, {**request.query, **body})
    return status, content, {**fresh, **headers}


def _json_reply(document: dict[str, Any]) -> LoopbackReply:
    return 200, json.dumps(document).encode(), {}


def _error_reply(status: int, word: str) -> LoopbackReply:
    return status, json.dumps({"code": word}).encode(), {}


def _open_session(portal: Portal, header: str, url: str) -> LoopbackReply:
    """Return a new session for a correctly signed request (RFC 5849 section 3.2); the former session ends."""
    scheme, _, parameter_text = header.partition(" ")
    pairs = (part.strip().partition("=") for part in parameter_text.split(","))
    parameters = {name: unquote(value.strip('"')) for name, _, value in pairs}
    if scheme != "OAuth" or parameters.get("realm") != "ADM" or parameters.get("oauth_consumer_key") != portal.consumer_key:
        return 401, b"oauth_problem=consumer_key_unknown", {}
    if parameters.get("oauth_token") != portal.access_token:
        return 401, b"token_rejected", {}
    if abs(int(parameters["oauth_timestamp"]) - portal.now()) > SKEW:
        return 401, b"oauth_problem=timestamp_refused", {}
    names = sorted(name for name in parameters if name.startswith("oauth_") and name != "oauth_signature")
    joined_pairs = "&".join(f"{name}={quote(parameters[name], safe='-._~')}" for name in names)
    base = f"GET&{quote(url, safe='-._~')}&{quote(joined_pairs, safe='-._~')}"
    signature = hmac.digest(f"{portal.consumer_secret}&{portal.access_secret}".encode(), base.encode(), "sha1")
    if not hmac.compare_digest(base64.b64encode(signature).decode(), parameters.get("oauth_signature", "")):
        return 401, b"oauth_problem=signature_invalid", {}
    if parameters["oauth_nonce"] in portal.nonces:
        return 401, b"oauth_problem=nonce_used", {}
    portal.nonces.add(parameters["oauth_nonce"])
    portal.sessions += 1
    portal.session = f"session-{portal.sessions}"
    return _json_reply({"auth_session_token": portal.session})


def _route(portal: Portal, method: str, path: str, params: dict[str, Any]) -> LoopbackReply:  # noqa: PLR0911 - one return per URL
    if path == "/account":
        return _json_reply(_build_account(portal))
    if path == "/server/devices":
        return _fetch_devices(portal, params)
    if path == "/devices/sync":
        return _sync_devices(portal, params)
    if path == "/profile" and method == "POST":
        return _define_profile(portal, params)
    if path == "/profile" and method == "GET":
        profile = portal.profiles.get(params.get("profile_uuid", ""))
        return _json_reply(profile) if profile is not None else _error_reply(404, "NOT_FOUND")
    if path == "/profile/devices":
        return _assign_profile(portal, params) if method == portal.assign_method else (405, b"", {})
    if path == "/device/activationlock":
        known = params["device"] in portal.devices
        portal.locked.update({params["device"]: params} if known else {})
        status = "SUCCESS" if known else "NOT_ACCESSIBLE"
        return _json_reply({"serial_number": params["device"], "response_status": status})
    return _error_reply(404, "NOT_FOUND")


def _build_account(portal: Portal) -> dict[str, Any]:
    def url(uri: str, method: str) -> dict[str, Any]:
        return {"uri": uri, "http_method": [method], "limit": {"default": 100, "maximum": portal.page}}

    return {
        "server_name": "Ville", "server_uuid": portal.server_uuid, "admin_id": "somebody@town.example", "org_name": "Ville",
        "org_type": "edu", "org_version": "v2", "urls": [
            url("/server/devices", "POST"), url("/devices/sync", "POST"), url("/profile/devices", "PUT")],
    }  # fmt: skip


def _fetch_devices(portal: Portal, params: dict[str, Any]) -> LoopbackReply:
    start, position = len(portal.log), 0
    if "cursor" in params:
        kind, epoch, *numbers = str(params["cursor"]).split(".")
        if kind == "s":
            return _error_reply(400, "EXHAUSTED_CURSOR")
        if kind != "f" or len(numbers) != 2:
            return _error_reply(400, "INVALID_CURSOR")
        if int(epoch) != portal.epoch:
            return _error_reply(400, "EXPIRED_CURSOR")
        position, start = int(numbers[0]), int(numbers[1])
    limit = min(int(params["limit"]), portal.page)
    serials = sorted(portal.devices)
    rows = [portal.devices[serial] for serial in serials[position : position + limit]]
    more = position + limit < len(serials)
    cursor = f"f.{portal.epoch}.{position + limit}.{start}" if more else f"s.{portal.epoch}.{start}"
    return _json_reply({"devices": rows, "cursor": cursor, "fetched_until": portal.format_now(), "more_to_follow": more})


def _sync_devices(portal: Portal, params: dict[str, Any]) -> LoopbackReply:
    if "cursor" not in params:
        return _error_reply(400, "CURSOR_REQUIRED")
    kind, epoch, *numbers = str(params["cursor"]).split(".")
    if kind != "s" or len(numbers) != 1:
        return _error_reply(400, "INVALID_CURSOR")
    if int(epoch) != portal.epoch:
        return _error_reply(400, "EXPIRED_CURSOR")
    position, limit = int(numbers[0]), min(int(params["limit"]), portal.page)
    rows, following = portal.log[position : position + limit], min(position + limit, len(portal.log))
    more = following < len(portal.log)
    cursor = f"s.{portal.epoch}.{following}"
    return _json_reply({"devices": rows, "cursor": cursor, "fetched_until": portal.format_now(), "more_to_follow": more})


def _define_profile(portal: Portal, params: dict[str, Any]) -> LoopbackReply:
    for key, word in (("profile_name", "CONFIG_NAME_REQUIRED"), ("url", "CONFIG_URL_REQUIRED"), ("org_magic", "MAGIC_INVALID")):
        if not params.get(key):
            return _error_reply(400, word)
    uuid = f"PROFILE{len(portal.profiles) + 1:025d}"
    portal.profiles[uuid] = params
    return _json_reply({"profile_uuid": uuid, "devices": {}})


def _assign_profile(portal: Portal, params: dict[str, Any]) -> LoopbackReply:
    if params.get("profile_uuid") not in portal.profiles:
        return _error_reply(404, "NOT_FOUND")
    if len(params["devices"]) > portal.page:
        return 413, b"", {}
    results = {}
    for serial in params["devices"]:
        word = portal.results.get(serial, "SUCCESS" if serial in portal.devices else "NOT_ACCESSIBLE")
        results[serial] = word
        if word == "SUCCESS":
            portal.devices[serial].update(
                profile_uuid=params["profile_uuid"], profile_status="assigned", profile_assign_time=portal.format_now()
            )
            portal.record_change("modified", portal.devices[serial])
    wait = {"retry_after_seconds": portal.retry_after} if portal.retry_after is not None else {}
    return _json_reply({"profile_uuid": params["profile_uuid"], "devices": results, **wait})


def main() -> None:
    """Serve generated devices until interrupted. Prints the URL; with `--certificate` and `--token` writes a token file."""
    import argparse
    import sys
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="python -m enrollment.joining.ade.testserver")
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--page", type=int, default=MAX_PAGE)
    parser.add_argument("--certificate", type=Path, help="the certificate of the ADE server (PEM)")
    parser.add_argument("--token", type=Path, help="where to write the token file")
    arguments = parser.parse_args()
    portal = Portal(page=arguments.page)
    for number in range(arguments.devices):
        portal.add_device(f"DMP{number:09d}")
    if arguments.certificate and arguments.token:
        arguments.token.write_bytes(portal.build_token_file(arguments.certificate.read_text()))
    with serve(portal, arguments.port) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
