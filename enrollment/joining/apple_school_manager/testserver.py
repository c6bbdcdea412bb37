"""A School Manager API for tests and trials: token endpoint, devices and servers by pages, scripted refusals. In memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from cartable import loopback_server
from cartable.loopback_server import LoopbackReply, LoopbackRequest

Said = tuple[int, dict[str, Any], dict[str, str]]
AUDIENCE = "https://account.apple.com/auth/oauth2/v2/token"
PAGE = 2


@dataclass
class Organisation:
    """What an organisation owns: serial number to the id of a server, or None. `script`: (path, status, body, headers), once each."""

    client_id: str = "SCHOOLAPI.27f3a3b2-b28e-4774-8ff3-1c5b0e8e4a9f"
    key_id: str = "d136aa66-0c3b-4bd4-9892-c20e8db024ab"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    servers: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str | None] = field(default_factory=dict)
    scope: str = "school.api"
    links_only: bool = False
    tokens: list[str] = field(default_factory=list)
    assertions: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    script: list[tuple[str, int, dict[str, Any], dict[str, str]]] = field(default_factory=list)


@contextmanager
def serve(organisation: Organisation) -> Iterator[str]:
    """Run on a loopback port; gives the base address. Tokens come from `/auth/oauth2/token` below it."""
    with loopback_server.serve_on_loopback(lambda request: _answer(organisation, request)) as url:
        yield url


def _answer(organisation: Organisation, request: LoopbackRequest) -> LoopbackReply:
    organisation.requests.append(f"{request.method} {request.path}")
    status, said, headers = _reply(organisation, request)
    return status, json.dumps(said).encode(), headers


def _reply(organisation: Organisation, request: LoopbackRequest) -> Said:
    scripted = next((line for line in organisation.script if line[0] == request.path), None)
    if scripted is not None:
        organisation.script.remove(scripted)
        return scripted[1:]
    if request.path == "/auth/oauth2/token":
        return _token(organisation, {key: values[0] for key, values in parse_qs(request.body.decode()).items()})
    if not organisation.tokens or request.headers.get("authorization") != f"Bearer {organisation.tokens[-1]}":
        return _error(401, "NOT_AUTHORIZED")
    return _route(organisation, request)


def _error(status: int, code: str) -> Said:
    return status, {"errors": [{"id": "1", "status": str(status), "code": code, "title": code, "detail": code}]}, {}


def _token(organisation: Organisation, form: dict[str, str]) -> Said:
    """Check the client assertion as RFC 7523 wants it, each once."""
    try:
        head = jwt.get_unverified_header(form["client_assertion"])
        said = jwt.decode(
            form["client_assertion"], organisation.key.public_key(), ["ES256"], audience=AUDIENCE,
            options={"require": ["iss", "sub", "iat", "exp", "jti"], "verify_exp": False, "verify_iat": False},
        )  # fmt: skip
    except (jwt.PyJWTError, KeyError):
        return 400, {"error": "invalid_client"}, {}
    good = (
        head.get("kid") == organisation.key_id
        and said["iss"] == said["sub"] == form.get("client_id") == organisation.client_id
        and said["exp"] - said["iat"] <= 180 * 86_400
        and said["jti"] not in organisation.assertions
        and form.get("grant_type") == "client_credentials"
        and form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )
    if not good:
        return 400, {"error": "invalid_client"}, {}
    if form.get("scope") != organisation.scope:
        return 400, {"error": "invalid_scope"}, {}
    organisation.assertions.add(said["jti"])
    organisation.tokens.append(f"token-{len(organisation.tokens) + 1}")
    return 200, {"access_token": organisation.tokens[-1], "token_type": "Bearer", "expires_in": 3600, "scope": form["scope"]}, {}


def _route(organisation: Organisation, request: LoopbackRequest) -> Said:
    path = request.path
    if path == "/v1/orgDevices":
        rows = [_device(serial, server) for serial, server in sorted(organisation.devices.items())]
    elif path == "/v1/mdmServers":
        rows = [
            {"type": "mdmServers", "id": server_id, "attributes": {"serverName": name, "serverType": "MDM"}}
            for server_id, name in sorted(organisation.servers.items())
        ]
    elif path.startswith("/v1/mdmServers/") and path.endswith("/relationships/devices"):
        server_id = path.split("/")[3]
        if server_id not in organisation.servers:
            return _error(404, "NOT_FOUND")
        mine = sorted(serial for serial, server in organisation.devices.items() if server == server_id)
        rows = [{"type": "orgDevices", "id": serial} for serial in mine]
    else:
        return _error(404, "NOT_FOUND")
    return 200, _page(organisation, rows, request.address, request.query), {}


def _page(organisation: Organisation, rows: list[dict[str, Any]], base: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """One page, with the next cursor in `meta` and in the link, or in the link alone."""
    start = int(asked.get("cursor", "c0")[1:])
    said: dict[str, Any] = {"data": rows[start : start + PAGE], "links": {"self": base}}
    paging: dict[str, Any] = {"limit": PAGE, "total": len(rows)}
    if start + PAGE < len(rows):
        said["links"]["next"] = f"{base}?limit={PAGE}&cursor=c{start + PAGE}"
        paging["nextCursor"] = f"c{start + PAGE}"
    if not organisation.links_only:
        said["meta"] = {"paging": paging}
    return said


def _device(serial: str, server: str | None) -> dict[str, Any]:
    told = {
        "serialNumber": serial, "deviceModel": "iPad (A16)", "productFamily": ["iPad"],
        "status": "UNASSIGNED" if server is None else "ASSIGNED", "purchaseSourceId": ["X"], "imei": [],
    }  # fmt: skip
    return {"type": "orgDevices", "id": serial, "attributes": told}
