"""Hostile bytes against every page and form: encodings, huge numbers, NUL, repeated fields, odd content types, cookies and multipart.

Each answer is a page, a redirect or a refusal, never a server error; nothing of it is stored.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from cartable.clock import SystemClock
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from mdm.accounts.models import SessionKind
from mdm.console.frame import SESSION_COOKIE
from mdm.console.routes import list_page_routes
from mdm.web import create_app
from tests.conftest import KEYRING
from tests.support import databases, sampling
from tests.support.accounts import create_account, sign_in
from tests.support.world import TownFactory

#: Method, URL, content type, body, further headers.
Case = tuple[str, str, str | None, bytes, list[tuple[bytes, bytes]]]
BOUNDARY = b"--b\r\n"
#: Percent-encoded values of one field.
VALUES = [
    "%C3%A9", "%00", "a%00b", "%FF%FE", "%ED%A0%80", "%", "%zz", "9" * 40, "-1", "1e999", "NaN", "", "x" * 3000,
    "00000000-0000-0000-0000-000000000000", "0001-01-01", "9999-12-31", "2026-02-30", "%F0%9F%8F%AB", "%E2%80%AE", "..%2F..%2Fetc",
    "%5B%5D", "%7B%22a%22%3A1%7D", "99999-99999", "2026-2027",
]  # fmt: skip
#: Whole requests: content type and body.
BODIES: list[tuple[str | None, bytes]] = [
    (None, b"csrf=x"),
    ("", b"csrf=x"),
    ("application/json", b'{"csrf": "x"}'),
    ("text/plain", b"\xff\xfe\x00"),
    ("application/x-www-form-urlencoded; charset=nonsense", b"csrf=\xe9"),
    ("application/x-www-form-urlencoded", b"&&&===&=%&%C3"),
    ("application/x-www-form-urlencoded", b"a=1&" * 1500),
    ("multipart/form-data", b"csrf=x"),
    ("multipart/form-data; boundary=", b"----"),
    ("multipart/form-data; boundary=b", b"no boundary at all"),
    ("multipart/form-data; boundary=b", BOUNDARY + b"\r\n\r\nx\r\n--b--"),
    ("multipart/form-data; boundary=b", BOUNDARY + b'Content-Disposition: form-data; name="csrf"\r\n\r\n\xff\xfe\r\n--b--\r\n'),
    ("multipart/form-data; boundary=b; charset=nonsense", BOUNDARY + b'Content-Disposition: form-data; name="csrf"\r\n\r\nx\r\n--b--\r\n'),
    ("multipart/form-data; boundary=b", BOUNDARY + b'Content-Disposition: form-data; name="file"; filename="\xff"\r\n\r\nPK\r\n--b--\r\n'),
    ("multipart/form-data; boundary=b", BOUNDARY + b"Content-Disposition: form-data\r\nX" + b"y" * 70_000 + b": 1\r\n\r\nx\r\n--b--\r\n"),
]  # fmt: skip
#: Headers of a GET.
HEADERS: list[tuple[bytes, bytes]] = [
    (b"cookie", b"\xff\xfe=\x00; ;;=;"),
    (b"cookie", SESSION_COOKIE.encode() + b"=\xc3\xa9\xff"),
    (b"cookie", b"lang=" + b"x" * 5000),
    (b"accept-language", b"\xff;q=nan, *;q=1e999, fr;q=\xc3"),
    (b"origin", b"\xff\x00://"),
    (b"host", b"\xff[::"),
    (b"user-agent", b"\xff" * 2000),
    (b"referer", b"http://[bad"),
    (b"range", b"bytes=9999999999999999999-"),
]


class Attacker:
    """A signed-in administrator who sends what no browser sends, straight to the application."""

    def __init__(self, runtime: Runtime) -> None:
        self.is_on_postgres = runtime.engine.dialect.name == "postgresql"
        with runtime.open_unit_of_work() as work:
            factory = TownFactory(work)
            town = factory.create_town()
            school = factory.create_school(town)
            tablet = factory.create_tablet(town, school_id=school.id)
            create_account(work, town.id)
            self.token = sign_in(work, kind=SessionKind.CONSOLE).token
        self.csrf = KEYRING.keyed_hash(self.token, "console.csrf")
        self.known = {"town": str(town.id), "town_id": str(town.id), "school_id": str(school.id), "tablet_id": str(tablet.id)}
        self.transport = httpx.ASGITransport(app=create_app(runtime), raise_app_exceptions=False)

    async def send(self, method: str, url: str, content_type: str | None, body: bytes, further: list[tuple[bytes, bytes]]) -> int:
        """Send one request and return the status of the response."""
        headers = [(b"host", b"localhost")] + ([(b"content-type", content_type.encode())] if content_type is not None else [])
        headers.append((b"cookie", f"{SESSION_COOKIE}={self.token}".encode()))
        request = httpx.Request(method, f"https://localhost{url}", content=body)
        request.headers = httpx.Headers([*headers, (b"content-length", str(len(body)).encode()), *further])
        response = await self.transport.handle_async_request(request)
        await response.aread()
        return response.status_code


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def attacker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    folder = tmp_path_factory.mktemp("hostile")
    engine: Engine = databases.create_sqlite_engine(folder) if request.param == "sqlite" else databases.empty_postgres_engine()
    settings = Settings(
        _env_file=None, data_dir=folder / "data", public_url="https://localhost", second_factor=SecondFactorPolicy.OFFERED
    )

    yield Attacker(Runtime(settings=settings, engine=engine, clock=SystemClock(), keyring=KEYRING))
    engine.dispose()


def _fill_path(route: APIRoute, known: dict[str, str], hostile: str | None = None) -> str:
    path = route.path
    for parameter in route.dependant.path_params:
        value = hostile if hostile is not None else known.get(parameter.name, "00000000-0000-0000-0000-000000000001")
        path = re.sub(rf"{{{parameter.name}(:path)?}}", value, path)
    return path


def _build_cases(route: APIRoute, attacker: Attacker, turn: int) -> Iterator[Case]:
    """Yield requests: each kind of header and body in its turn, each field with two hostile values. All routes together meet all."""
    path, form = _fill_path(route, attacker.known), "application/x-www-form-urlencoded"
    values = itertools.islice(itertools.cycle(VALUES), turn, None)
    for method in sorted(route.methods or ()):
        yield method, _fill_path(route, attacker.known, next(values) or "%20"), form, b"csrf=x", []
        for name in [parameter.alias for parameter in route.dependant.query_params] or ["lang"]:
            value = next(values)
            yield method, f"{path}?{quote(name)}={value}&{quote(name)}={value}", form, b"", []
        yield method, path, form, b"csrf=x", [HEADERS[turn % len(HEADERS)]]
        if method == "GET":
            continue
        yield method, path, form, b"csrf=%C3%A9&csrf=%FF", []
        fields = {parameter.alias: attacker.known.get(parameter.alias, "1") for parameter in route.dependant.body_params}
        fields["csrf"] = attacker.csrf
        for name in itertools.islice(fields, 4):
            value = next(values)
            body = "&".join(f"{quote(each)}={value if each == name else quote(text)}" for each, text in fields.items())
            yield method, path, form, f"{body}&{quote(name)}={next(values)}".encode(), []
        content_type, raw_body = BODIES[turn // 2 % len(BODIES)]
        yield method, path, content_type, raw_body, []


def test_no_hostile_request_is_a_server_error(attacker: Attacker) -> None:
    async def run() -> list[Case]:
        routes = enumerate([*list_page_routes("GET"), *list_page_routes("POST")])
        # Each route is tried every day, on the other database than yesterday, with another third of its requests.
        cases = (
            case
            for turn, route in routes
            if sampling.is_turn(turn + attacker.is_on_postgres, 2)
            for number, case in enumerate(_build_cases(route, attacker, turn))
            if sampling.is_turn(turn + number, 3)
        )
        return [case for case in cases if await attacker.send(*case) >= 500]

    assert asyncio.run(run()) == []


#: What tablets ask, without and with an identity.
DEVICE_PATHS = [
    "/mdm", "/mdm/checkin", "/mdm/profiles/%00", "/mdm/profiles/" + "f" * 300, "/scep", "/scep?operation=PKIOperation&message=%00",
    "/scep?operation=%FF", "/acme/directory", "/acme/new-account", "/acme/%00/%FF", "/join", "/join?code=%00", "/join/%00", "/join/%FF%FE/profile",
    "/join/automated", "/nowhere/%00",
]  # fmt: skip
DEVICE_BODIES: list[tuple[str | None, bytes]] = [
    *BODIES,
    ("application/x-apple-aspen-mdm", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><plist>&b;</plist>"),
    ("application/x-apple-aspen-mdm-checkin", b"bplist00" + b"\xff" * 40),
    ("application/pkcs7-signature", b"0\x84\xff\xff\xff\xff"),
    ("application/jose+json", b'{"protected": "\xc3\xa9", "payload": {}, "signature": "="}'),
]  # fmt: skip


def test_no_hostile_request_of_a_device_is_a_server_error(attacker: Attacker) -> None:
    signatures = [[], [(b"mdm-signature", b"\xff=="), (b"mdm-signature", b"AAAA")], [(b"client-cert", b":\xff:")]]

    async def run() -> list[Case]:
        cases: Iterator[Case] = (
            (method, path, *body, signatures[(turn + number) % len(signatures)])
            for turn, path in enumerate(DEVICE_PATHS)
            for number, body in enumerate(DEVICE_BODIES)
            for method in (("GET", "POST", "PUT") if number == 0 else ("POST",))
            if (turn + number + attacker.is_on_postgres) % 2  # half of them on each database
        )
        return [case for case in cases if await attacker.send(*case) >= 500]

    assert asyncio.run(run()) == []
