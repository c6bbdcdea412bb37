"""Untrusted input on every public path: odd bytes, methods, headers, lengths and connections.

The server never answers 500, discloses nothing and goes on serving others.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from cartable.scope import SYSTEM
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database
SECRET = "ZOLAFERRY"
#: On the paths of tablets 401 and 410 must not occur, since they unenroll a tablet.
DEVICE_PATHS = ("/mdm", "/mdm/checkin", "/mdm/profiles/" + "0" * 64, "/mdm/profiles/..%2f..%2fetc")
ENROLLMENT_PATHS = (
    "/join", "/join?invitation_code=%00%ff", "/join/%00", "/join/" + "A" * 3000, "/join/%F0%9F%98%80/profile", "/join/automated",
    "/join/..%2f..%2fetc/profile", "/scep", "/scep?operation=GetCACert", "/scep?operation=PKIOperation&message=%00",
    "/scep?operation=%FF", "/acme/directory", "/acme/new-nonce", "/acme/new-account", "/acme/order/1", "/acme/%00/x",
    "/acme/order/" + "9" * 400,
)  # fmt: skip
PEOPLE_PATHS = (
    "/",
    "/api/v1/tokens",
    "/api/v1/towns/%00/handovers",
    "/console",
    "/console/sign-in",
    "/openapi.json",
    "/nowhere%00",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW")
BODIES = (b"", b"\x00" * 40, b"{" * 3000, b'{"protected": 1, "payload": [], "signature": {}}', b"bplist00" + b"\xff" * 40)
CONTENT_TYPES = (
    "",
    "application/json",
    "application/jose+json",
    "application/x-apple-aspen-mdm-checkin",
    "multipart/form-data; boundary=",
)
ODD_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Mdm-Signature": "A" * 9000},
    {"X-Apple-Aspen-DeviceInfo": "////"},
    {"Authorization": "Bearer \xff\xfe", "Cookie": "session=" + "=;" * 500, "Accept-Language": "q=," * 400},
    {"Content-Encoding": "gzip", "Accept": "*/*;q=nan", "Host": "evil.example", "X-Forwarded-For": "not an address"},
)


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", acme="offered") as running:
        yield running


@pytest.fixture
def invitation_code(server: LiveServer) -> str:
    """Return the code of a child's invitation. Neither the code nor the name may be disclosed."""
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        child = world.create_pupil(world.create_class(world.create_school(town)), last=SECRET)
        spec = InvitationSpec(kind=InvitationKind.PUPIL, town_id=town.id, pupil_ids=(child.id,))
        return create_invitations(work, SYSTEM, spec)[0].code


def _open_client(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20)


def test_every_path_responds_to_every_method_and_body(server: LiveServer, invitation_code: str) -> None:
    paths = (*DEVICE_PATHS, *ENROLLMENT_PATHS, f"/join/{invitation_code}", f"/join/{invitation_code}/profile", *PEOPLE_PATHS)
    shapes = list(itertools.product(BODIES, CONTENT_TYPES, ODD_HEADERS))
    request_count = 0
    with capture_logs() as logs, _open_client(server) as client:
        for number, (path, method) in enumerate(itertools.product(paths, METHODS)):
            for step in range(2):  # each path and method gets two of the combinations; together all are used
                body, content_type, odd_headers = shapes[(number * 2 + step) % len(shapes)]
                headers = {
                    **{name.encode(): value.encode("latin-1") for name, value in odd_headers.items()},
                    b"Content-Type": content_type.encode(),
                }
                response = client.request(method, path, content=body, headers=headers)
                request_count += 1
                description = f"{method} {path[:60]} {content_type} {response.status_code}"
                assert response.status_code < 500, description
                assert path not in DEVICE_PATHS or response.status_code not in (401, 410), description
                assert SECRET.encode() not in response.content, description
    assert len(logs) <= 2 * request_count
    assert not [line for line in logs if SECRET in str(line) or invitation_code in str(line)]
    assert not [line for line in logs if line.get("exc_info") or line["log_level"] in ("error", "critical")]


RAW_REQUESTS = {
    "nothing": b"",
    "no HTTP": b"\x16\x03\x01" + b"\x00" * 200,
    "cut in the headers": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nMdm-Sig",
    "cut in the body": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc",
    "cut in a chunk": b"POST /join/automated HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "bad chunk": b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "two lengths": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "length and chunks": b"PUT /mdm HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "endless length": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "huge length": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    "one huge header": b"GET /join HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    "many headers": b"GET /join HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    "empty path": b"GET  HTTP/1.1\r\n\r\n",
    "two signatures": b"PUT /mdm HTTP/1.1\r\nHost: a\r\nMdm-Signature: AA\r\nMdm-Signature: BB\r\nContent-Length: 0\r\n\r\n",
    "smuggled request": b"POST /acme/new-order HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /mdm HTTP/1.1\r\n\r\n",
    "an upgrade": b"GET /mdm HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
}


def _open_socket(server: LiveServer) -> ssl.SSLSocket:
    address = urlsplit(server.url)
    plain = socket.create_connection((address.hostname, address.port), timeout=3)
    return ssl.create_default_context(cafile=str(server.ca)).wrap_socket(plain, server_hostname="localhost")


def _read_statuses(received: bytes) -> list[int]:
    return [int(line.split(b" ")[1]) for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def _read_until_closed(connection: ssl.SSLSocket, seconds: float) -> bytes:
    """Return what the server sends until it closes the connection, or sends nothing for so long: both are accepted."""
    received = b""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        while part := connection.recv(65536):
            received += part
    return received


def test_broken_requests_do_not_affect_others(server: LiveServer) -> None:
    slow_connections = [_open_socket(server) for _ in range(20)]  # they stay open and send a single byte
    for connection in slow_connections:
        connection.send(b"P")
    connections: dict[str, ssl.SSLSocket] = {}
    for name, data in RAW_REQUESTS.items():
        connections[name] = _open_socket(server)
        with contextlib.suppress(OSError):  # the server has closed the connection
            connections[name].sendall(data)
        with _open_client(server) as client:
            assert client.get("/acme/directory").status_code == 200, name
    for number, (name, connection) in enumerate(connections.items()):
        # Most are left open without a response. After the wait for the first, the responses to all are there.
        received = _read_until_closed(connection, 0.05 if number else 0.5)
        assert all(status < 500 and status not in (401, 410) for status in _read_statuses(received)), (name, received[:200])
    for connection in (*slow_connections, *connections.values()):
        connection.close()


def test_too_large_bodies_are_refused_before_they_are_read(server: LiveServer) -> None:
    with _open_client(server) as client:
        for path in ("/join/automated", "/scep?operation=PKIOperation", "/acme/new-order", "/mdm", "/api/v1/tokens"):
            try:
                response = client.post(path, content=(b"x" * 2**20 for _ in range(25)))
            except httpx.TransportError:
                continue  # the server closed the connection during the upload
            assert response.status_code in (400, 413, 415), (path, response.status_code)
