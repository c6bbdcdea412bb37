"""A stranger on the wire: odd bytes, methods, headers, lengths and sockets on every public path. Never a 500, nothing said that is
not theirs to know, and the server goes on.
"""

from __future__ import annotations

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
from tests.support.server import LiveServer, live_server
from tests.support.world import World

SECRET = "ZOLAFERRY"
#: Where tablets knock: 401 and 410 would unenrol them, 403 at most says no.
TABLETS = ("/mdm", "/mdm/checkin", "/mdm/profiles/" + "0" * 64, "/mdm/profiles/..%2f..%2fetc")
DOORS = (
    "/join", "/join?code=%00%ff", "/join/%00", "/join/" + "A" * 3000, "/join/%F0%9F%98%80/profile", "/join/automated",
    "/join/..%2f..%2fetc/profile", "/scep", "/scep?operation=GetCACert", "/scep?operation=PKIOperation&message=%00",
    "/scep?operation=%FF", "/acme/directory", "/acme/new-nonce", "/acme/new-account", "/acme/order/1", "/acme/%00/x",
    "/acme/order/" + "9" * 400,
)  # fmt: skip
PEOPLE = ("/", "/api/v1/sign-in", "/api/v1/towns/%00/handover", "/console", "/console/sign-in", "/openapi.json", "/nowhere%00")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW")
BODIES = (b"", b"\x00" * 40, b"{" * 3000, b'{"protected": 1, "payload": [], "signature": {}}', b"bplist00" + b"\xff" * 40)
TYPES = (
    "",
    "application/json",
    "application/jose+json",
    "application/x-apple-aspen-mdm-checkin",
    "multipart/form-data; boundary=",
)
ODD: tuple[dict[str, str], ...] = (
    {},
    {"Mdm-Signature": "A" * 9000},
    {"X-Apple-Aspen-DeviceInfo": "////"},
    {"Authorization": "Bearer \xff\xfe", "Cookie": "session=" + "=;" * 500, "Accept-Language": "q=," * 400},
    {"Content-Encoding": "gzip", "Accept": "*/*;q=nan", "Host": "evil.example", "X-Forwarded-For": "not an address"},
)


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data", acme="offered") as running:
        yield running


@pytest.fixture
def code(server: LiveServer) -> str:
    """An invitation for a child, whose code and name are nobody's to hear."""
    with server.runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        child = world.pupil(world.school_class(world.school(town)), last=SECRET)
        spec = InvitationSpec(kind=InvitationKind.PUPIL, town_id=town.id, pupil_ids=(child.id,))
        return create_invitations(work, SYSTEM, spec)[0].code


def _client(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20)


def test_every_path_answers_every_method_and_body(server: LiveServer, code: str) -> None:
    paths = (*TABLETS, *DOORS, f"/join/{code}", f"/join/{code}/profile", *PEOPLE)
    shapes = list(itertools.product(BODIES, TYPES, ODD))
    asked = 0
    with capture_logs() as logs, _client(server) as client:
        for number, (path, method) in enumerate(itertools.product(paths, METHODS)):
            for step in range(2):  # each path and method meets a few of the shapes, all shapes are met
                body, kind, odd = shapes[(number * 2 + step) % len(shapes)]
                headers = {
                    **{name.encode(): value.encode("latin-1") for name, value in odd.items()},
                    b"Content-Type": kind.encode(),
                }
                answer = client.request(method, path, content=body, headers=headers)
                asked += 1
                told = f"{method} {path[:60]} {kind} {answer.status_code}"
                assert answer.status_code < 500, told
                assert path not in TABLETS or answer.status_code not in (401, 410), told
                assert SECRET.encode() not in answer.content, told
    assert len(logs) <= 2 * asked
    assert not [line for line in logs if SECRET in str(line) or code in str(line)]
    assert not [line for line in logs if line.get("exc_info") or line["log_level"] in ("error", "critical")]


RAW = {
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
    "length of a house": b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    "one huge header": b"GET /join HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    "many headers": b"GET /join HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    "a path of nothing": b"GET  HTTP/1.1\r\n\r\n",
    "two signatures": b"PUT /mdm HTTP/1.1\r\nHost: a\r\nMdm-Signature: AA\r\nMdm-Signature: BB\r\nContent-Length: 0\r\n\r\n",
    "another's request inside": b"POST /acme/new-order HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /mdm HTTP/1.1\r\n\r\n",
    "an upgrade": b"GET /mdm HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
}


def _raw(server: LiveServer) -> ssl.SSLSocket:
    address = urlsplit(server.url)
    plain = socket.create_connection((address.hostname, address.port), timeout=3)
    return ssl.create_default_context(cafile=str(server.ca)).wrap_socket(plain, server_hostname="localhost")


def _statuses(said: bytes) -> list[int]:
    return [int(line.split(b" ")[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def test_broken_requests_hurt_nobody_else(server: LiveServer) -> None:
    slow = [_raw(server) for _ in range(20)]  # they stay open, and say one byte
    for waiting in slow:
        waiting.send(b"P")
    for name, data in RAW.items():
        said = b""
        try:
            with _raw(server) as connection:
                connection.sendall(data)
                connection.settimeout(0.5)
                while part := connection.recv(65536):
                    said += part
        except OSError:
            pass  # hung up on, or nothing to say yet: both are answers
        assert all(status < 500 and status not in (401, 410) for status in _statuses(said)), (name, said[:200])
        with _client(server) as client:
            assert client.get("/acme/directory").status_code == 200, name
    for waiting in slow:
        waiting.close()


def test_what_is_too_large_is_refused_before_it_is_read(server: LiveServer) -> None:
    with _client(server) as client:
        for path in ("/join/automated", "/scep?operation=PKIOperation", "/acme/new-order", "/mdm", "/api/v1/sign-in"):
            try:
                answer = client.post(path, content=(b"x" * 2**20 for _ in range(25)))
            except httpx.TransportError:
                continue  # it hung up while we were talking
            assert answer.status_code in (400, 413, 415), (path, answer.status_code)
