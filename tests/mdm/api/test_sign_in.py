"""Signing in and out over HTTPS: cookie and token are two things, other sites are refused, browsers are told to insist on HTTPS."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cartable.scope import Role
from cartable.settings import Settings
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import PASSWORD, create_account
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("sign-in")
    engine = databases.create_sqlite_engine(folder)
    with start_live_server(engine, KEYRING, folder / "data", hsts_days=30) as running:
        with running.runtime.open_unit_of_work() as work:
            create_account(work, TownFactory(work).create_town().id, Role.TOWN_ADMIN, "admin")
        yield running
    engine.dispose()


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20, headers={"Accept-Language": "en"}) as opened:
        yield opened


def _sign_in(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/sign-in", data={"login": "admin", "password": PASSWORD}, headers=headers)


def _read_csrf(client: httpx.Client) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
    assert match
    return match[1]


def _get_with_token(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def test_the_cookie_of_the_console_is_no_token_of_the_api_nor_the_reverse(client: httpx.Client) -> None:
    assert _sign_in(client).status_code == 303
    cookie = client.cookies["cartable"]
    assert _get_with_token(client, cookie).status_code == 401
    token = client.post("/api/v1/tokens", json={"login": "admin", "password": PASSWORD}).json()["access_token"]
    assert _get_with_token(client, token).status_code == 200
    client.cookies.set("cartable", token)
    assert client.get("/sessions").headers.get("location") == "/sign-in?then=%2Fsessions"


def test_signing_out_of_the_console_voids_the_cookie(client: httpx.Client) -> None:
    _sign_in(client)
    cookie = client.cookies["cartable"]
    assert "Tablets" in client.get("/").text
    assert client.post("/sign-out", data={"csrf": _read_csrf(client)}).status_code == 303
    assert "cartable" not in client.cookies
    client.cookies.set("cartable", cookie)
    assert 'action="/sign-in"' in client.get("/").text, "whoever copied the cookie has nothing"


def test_signing_out_of_the_api_voids_the_token(client: httpx.Client) -> None:
    token = client.post("/api/v1/tokens", json={"login": "admin", "password": PASSWORD}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    own = [row for row in client.get("/api/v1/sessions", headers=headers).json()["items"] if row["is_current"]]
    assert [(row["kind"], row["network"], row["program"]) for row in own] == [("api", "127.0.0.0/24", "python-httpx")]
    assert client.delete("/api/v1/sessions/current", headers=headers).status_code == 204
    assert _get_with_token(client, token).status_code == 401


def test_the_page_of_sessions_signs_out_everywhere(client: httpx.Client) -> None:
    _sign_in(client)
    token = client.post("/api/v1/tokens", json={"login": "admin", "password": PASSWORD}).json()["access_token"]
    page = client.get("/sessions").text
    assert "127.0.0.0/24" in page
    assert "this one" in page
    client.post("/sessions/end-all", data={"csrf": _read_csrf(client)})
    assert _get_with_token(client, token).status_code == 401
    assert 'action="/sign-in"' in client.get("/").text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://{host}", "https://{host}.evil.example", "é"])
def test_the_page_of_another_site_cannot_sign_anybody_in(client: httpx.Client, origin: str) -> None:
    host = client.base_url.netloc.decode()
    headers = {b"Origin": origin.format(host=host).encode()}
    answer = client.post("/sign-in", data={"login": "admin", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
    assert "cartable" not in client.cookies
    answer = client.post("/api/v1/tokens", json={"login": "admin", "password": PASSWORD}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert _sign_in(client, Origin=f"https://{host}").status_code == 303


@pytest.mark.parametrize(("site", "status"), [("same-origin", 303), ("none", 303), ("same-site", 403), ("cross-site", 403)])
def test_what_the_browser_says_of_the_site_counts(client: httpx.Client, site: str, status: int) -> None:
    assert _sign_in(client, **{"Origin": "null", "Sec-Fetch-Site": site}).status_code == status


def test_browsers_are_told_to_insist_on_https_where_the_operator_says_so(client: httpx.Client) -> None:
    assert client.get("/").headers["strict-transport-security"] == "max-age=2592000"


def test_https_is_insisted_on_by_default_with_a_certificate_that_browsers_can_know(tmp_path: Path) -> None:
    def seconds(**given: object) -> int:
        return Settings(_env_file=None, data_dir=tmp_path, **given).hsts_seconds  # type: ignore[arg-type]

    year = 365 * 86400
    assert seconds() == 0, "the embedded CA is known to no browser"
    assert seconds(tls_certificate=tmp_path / "chain.pem") == year
    assert seconds(serve_tls=False) == year
    assert seconds(serve_tls=False, hsts_days=0) == 0


def test_guesses_of_invitation_codes_are_limited(client: httpx.Client) -> None:
    statuses = [client.get(f"/join/GUESS{number:05d}" + ("/profile" if number % 2 else "")).status_code for number in range(62)]
    assert statuses == [404] * 60 + [429] * 2
