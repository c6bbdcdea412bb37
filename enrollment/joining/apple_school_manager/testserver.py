"""A server with Apple's School Manager API for tests and trials: token endpoint, pages of devices and servers, scripted errors."""

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

JsonReply = tuple[int, dict[str, Any], dict[str, str]]
AUDIENCE = "https://account.apple.com/auth/oauth2/v2/token"
PAGE = 2


@dataclass
class Organisation:
    """An organisation. `devices`: serial number to the id of its server, or None.

    `scripted_responses`: (path, status, body, headers), each sent once instead of the real one.
    """

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
    scripted_responses: list[tuple[str, int, dict[str, Any], dict[str, str]]] = field(default_factory=list)


@contextmanager
def serve(organisation: Organisation) -> Iterator[str]:
    """Serve on a loopback port and yield the base URL; the token endpoint is `/auth/oauth2/token` below it."""
    with loopback_server.serve_on_loopback(lambda request: _handle(organisation, request)) as url:
        yield url


def _handle(organisation: Organisation, request: LoopbackRequest) -> LoopbackReply:
    organisation.requests.append(f"{request.method} {request.path}")
    status, document, headers = _build_reply(organisation, request)
    return status, json.dumps(document).encode(), headers


def _build_reply(organisation: Organisation, request: LoopbackRequest) -> JsonReply:
    scripted = next((line for line in organisation.scripted_responses if line[0] == request.path), None)
    if scripted is not None:
        organisation.scripted_responses.remove(scripted)
        return scripted[1:]
    if request.path == "/auth/oauth2/token":
        return _issue_token(organisation, {key: values[0] for key, values in parse_qs(request.body.decode()).items()})
    if not organisation.tokens or request.headers.get("authorization") != f"Bearer {organisation.tokens[-1]}":
        return _error_reply(401, "NOT_AUTHORIZED")
    return _route(organisation, request)


def _error_reply(status: int, code: str) -> JsonReply:
    return status, {"errors": [{"id": "1", "status": str(status), "code": code, "title": code, "detail": code}]}, {}


def _issue_token(organisation: Organisation, form: dict[str, str]) -> JsonReply:
    """Return a new access token for a valid client assertion (RFC 7523); each assertion can be used once."""
    try:
        header = jwt.get_unverified_header(form["client_assertion"])
        claims = jwt.decode(
            form["client_assertion"], organisation.key.public_key(), ["ES256"], audience=AUDIENCE,
            options={"require": ["iss", "sub", "iat", "exp", "jti"], "verify_exp": False, "verify_iat": False},
        )  # fmt: skip
    except (jwt.PyJWTError, KeyError):
        return 400, {"error": "invalid_client"}, {}
    is_valid = (
        header.get("kid") == organisation.key_id
        and claims["iss"] == claims["sub"] == form.get("client_id") == organisation.client_id
        and claims["exp"] - claims["iat"] <= 180 * 86_400
        and claims["jti"] not in organisation.assertions
        and form.get("grant_type") == "client_credentials"
        and form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )
    if not is_valid:
        return 400, {"error": "invalid_client"}, {}
    if form.get("scope") != organisation.scope:
        return 400, {"error": "invalid_scope"}, {}
    organisation.assertions.add(claims["jti"])
    organisation.tokens.append(f"token-{len(organisation.tokens) + 1}")
    return 200, {"access_token": organisation.tokens[-1], "token_type": "Bearer", "expires_in": 3600, "scope": form["scope"]}, {}


def _route(organisation: Organisation, request: LoopbackRequest) -> JsonReply:
    path = request.path
    if path == "/v1/orgDevices":
        rows = [_build_device(serial, server) for serial, server in sorted(organisation.devices.items())]
    elif path == "/v1/mdmServers":
        rows = [
            {"type": "mdmServers", "id": server_id, "attributes": {"serverName": name, "serverType": "MDM"}}
            for server_id, name in sorted(organisation.servers.items())
        ]
    elif path.startswith("/v1/mdmServers/") and path.endswith("/relationships/devices"):
        server_id = path.split("/")[3]
        if server_id not in organisation.servers:
            return _error_reply(404, "NOT_FOUND")
        assigned = sorted(serial for serial, server in organisation.devices.items() if server == server_id)
        rows = [{"type": "orgDevices", "id": serial} for serial in assigned]
    else:
        return _error_reply(404, "NOT_FOUND")
    return 200, _build_page(organisation, rows, request.address, request.query), {}


def _build_page(organisation: Organisation, rows: list[dict[str, Any]], base: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page, with the next cursor in `meta` and in the link, or only in the link."""
    start = int(query.get("cursor", "c0")[1:])
    document: dict[str, Any] = {"data": rows[start : start + PAGE], "links": {"self": base}}
    paging: dict[str, Any] = {"limit": PAGE, "total": len(rows)}
    if start + PAGE < len(rows):
        document["links"]["next"] = f"{base}?limit={PAGE}&cursor=c{start + PAGE}"
        paging["nextCursor"] = f"c{start + PAGE}"
    if not organisation.links_only:
        document["meta"] = {"paging": paging}
    return document


def _build_device(serial: str, server: str | None) -> dict[str, Any]:
    attributes = {
        "serialNumber": serial, "deviceModel": "iPad (A16)", "productFamily": ["iPad"],
        "status": "UNASSIGNED" if server is None else "ASSIGNED", "purchaseSourceId": ["X"], "imei": [],
    }  # fmt: skip
    return {"type": "orgDevices", "id": serial, "attributes": attributes}
