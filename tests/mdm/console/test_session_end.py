"""A session of a person goes on while it is used, and what was typed into a page outlives it."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.crypto import Keyring
from cartable.scope import Role
from mdm.accounts.repository import AccountRepository
from mdm.console.kept_forms import MAX_LENGTH, KeptForm, open_form, seal_form
from tests.conftest import KEYRING
from tests.support.accounts import PASSWORD, create_account
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

_TYPED = "Une longue phrase, « tapée » avant la fin de la session.\nEt une deuxième ligne."


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        for login in ("ana", "other"):
            create_account(work, town.id, Role.TOWN_ADMIN, login)
        return town.id


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20, headers={"Accept-Language": "fr"}) as opened:
        yield opened


def _sign_in(client: httpx.Client, login: str = "ana", **fields: str) -> httpx.Response:
    return client.post("/sign-in", data={"login": login, "password": PASSWORD, **fields})


def _read(name: str, page: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert match, page[:300]
    return html.unescape(match[1])


def _invitation(csrf: str, town_id: UUID) -> dict[str, str]:
    return {
        "csrf": csrf,
        "town_id": str(town_id),
        "login": "colleague",
        "display_name": _TYPED,
        "role": "helpdesk",
        "language": "fr",
    }


def _expire(client: httpx.Client, clock: ManualClock, town_id: UUID) -> httpx.Response:
    """Sign in, let the session end, and send a form of it."""
    _sign_in(client)
    page = f"/accounts?town_id={town_id}"
    csrf = _read("csrf", client.get(page).text)
    clock.advance(timedelta(hours=2))
    headers = {"Referer": f"{client.base_url}{page}".replace("//accounts", "/accounts")}
    return client.post("/accounts/invite", data=_invitation(csrf, town_id) | {"confirm_password": PASSWORD}, headers=headers)


def test_typed_text_outlives_the_session_and_is_sent_after_the_sign_in(
    client: httpx.Client, clock: ManualClock, town_id: UUID, server: LiveServer
) -> None:
    asked = _expire(client, clock, town_id)
    assert asked.status_code == 401
    assert "ce que vous avez saisi est conservé" in html.unescape(asked.text).lower()
    wrong = client.post("/sign-in", data={"login": "ana", "password": "not the password", "kept": _read("kept", asked.text)})
    offered = _sign_in(client, kept=_read("kept", wrong.text))
    page = html.unescape(offered.text)
    assert _TYPED in page
    assert PASSWORD not in page
    assert f'href="/accounts?town_id={town_id}"' in page, "the way back to the place"
    form = _invitation(_read("csrf", offered.text), town_id) | {"display_name": "Colle"}
    client.post("/accounts/invite?confirm=password", data=form | {"confirm_password": PASSWORD})
    with server.runtime.open_unit_of_work() as work:
        assert AccountRepository(work.session).get_by_login("colleague") is not None


def test_only_the_same_person_gets_it_back(client: httpx.Client, clock: ManualClock, town_id: UUID) -> None:
    kept = _read("kept", _expire(client, clock, town_id).text)
    other = _sign_in(client, "other", kept=kept)
    assert (other.status_code, other.headers["location"]) == (303, "/today")


def test_the_form_of_another_site_is_not_kept(client: httpx.Client, clock: ManualClock, town_id: UUID) -> None:
    _expire(client, clock, town_id)
    forged = client.post("/accounts/invite", data=_invitation("forged", town_id))
    assert (forged.status_code, forged.headers["location"]) == (303, "/sign-in?then=%2F")


def test_a_page_is_found_again_after_the_sign_in(client: httpx.Client, town_id: UUID) -> None:
    asked = client.get(f"/accounts?town_id={town_id}")
    page = client.get(asked.headers["location"])
    assert _read("then", page.text) == f"/accounts?town_id={town_id}"
    assert _sign_in(client, then=_read("then", page.text)).headers["location"] == f"/accounts?town_id={town_id}"
    assert client.get("/sign-in?then=//evil.example").headers["location"] == "/today"
    for foreign in ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"):
        assert _sign_in(client, then=foreign).headers["location"] == "/today", foreign


def test_a_session_goes_on_while_it_is_used_but_not_for_ever(client: httpx.Client, clock: ManualClock, town_id: UUID) -> None:
    _sign_in(client)
    for _ in range(14):
        clock.advance(timedelta(minutes=50))
        page = client.get("/sessions")
        assert page.status_code == 200
    assert 'data-seconds="1200"' in page.text, "twelve hours after the sign-in it ends, and the page says when"
    clock.advance(timedelta(minutes=21))
    assert client.get("/sessions").status_code == 303


def test_a_script_lets_it_go_on(client: httpx.Client, clock: ManualClock, town_id: UUID) -> None:
    _sign_in(client)
    csrf = _read("csrf", client.get("/sessions").text)
    clock.advance(timedelta(minutes=58))
    answer = client.post("/sessions/stay", data={"csrf": csrf})
    assert answer.json() == {"seconds": 3600}
    assert client.post("/sessions/stay", data={"csrf": "forged"}).status_code == 403


def test_the_token_of_a_program_does_not_go_on(client: httpx.Client, clock: ManualClock, town_id: UUID) -> None:
    token = client.post("/api/v1/tokens", json={"login": "ana", "password": PASSWORD}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    clock.advance(timedelta(minutes=50))
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    clock.advance(timedelta(minutes=11))
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_kept_form_is_sealed_and_bounded() -> None:
    form = KeptForm(UUID(int=1), "/a", "/b", (("x", "é\ud800\0"),))
    sealed = seal_form(KEYRING, form)
    assert sealed is not None
    assert open_form(KEYRING, sealed) == form
    assert open_form(Keyring(bytes(32)), sealed) is None
    for damaged in ("", "é", sealed[:-4], sealed.swapcase()):
        assert open_form(KEYRING, damaged) is None
    assert seal_form(KEYRING, KeptForm(UUID(int=1), "/a", "/b", (("x", "y" * MAX_LENGTH),))) is None
