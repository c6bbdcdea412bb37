"""The pages of accounts, without a browser: an invitation is made, passed on, used once; what an administrator changes is felt at once."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from cartable.scope import SYSTEM, Role
from mdm.accounts import links
from mdm.accounts.repository import AccountRepository
from mdm.console.accounts.labels import ROLES
from tests.mdm.console.conftest import Person
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        world.create_school(town)
        return town.id


def _confirm(admin: Person, path: str, **fields: str) -> httpx.Response:
    """Send a form with the password, as the page that asks for it does."""
    return admin.client.post(f"{path}?confirm=password", data={"csrf": admin.csrf, "confirm_password": PASSWORD, **fields})


def _read_csrf(page: str) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', page)
    assert match
    return match[1]


def test_an_invitation_goes_from_the_page_to_a_signed_in_colleague(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    admin.csrf = _read_csrf(admin.client.get("/accounts").text)
    form = {"town_id": str(town_id), "login": "colleague", "display_name": "Ana Colle", "role": "helpdesk", "language": "fr"}
    asked = admin.client.post("/accounts/invite", data={"csrf": admin.csrf, **form})
    assert asked.status_code == 403
    assert "confirm_password" in asked.text
    made = _confirm(admin, "/accounts/invite", **form)
    assert made.status_code == 200, made.text
    match = re.search(r'value="(https://[^"]+/welcome/[^"]+)"', made.text)
    assert match
    link = match[1]
    assert link not in admin.client.get("/accounts").text, "shown once"
    taken = admin.client.post("/accounts/invite", data={"csrf": admin.csrf, **form})
    assert (taken.status_code, 'value="Ana Colle"' in taken.text) == (409, True), "what was typed stays"
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(verify=trust, timeout=20, headers={"Accept-Language": "en"}) as guest:
        assert "Ana Colle" in guest.get(link).text
        differ = guest.post(link, data={"password": "a sentence of my own", "again": "another sentence of mine"})
        assert (differ.status_code, "differ" in differ.text) == (422, True)
        chosen = guest.post(link, data={"password": "a sentence of my own", "again": "a sentence of my own"})
        assert chosen.status_code == 303
        assert "Ana Colle" in guest.get(f"{server.url}/").text
        again = guest.get(link)
        assert again.status_code == 410
        assert "works once" in html.unescape(again.text)
        foreign = guest.post(
            link,
            data={"password": "a sentence of a thief", "again": "a sentence of a thief"},
            headers={"Origin": "https://evil.example"},
        )
        assert foreign.status_code == 403
        with server.runtime.open_unit_of_work() as work:
            account = AccountRepository(work.session).get_by_login("colleague")
            assert account is not None
            account_id = account.id
        page = admin.client.get(f"/accounts/{account_id}?town_id={town_id}").text
        assert "Ana Colle" in page
        for act, title in (("end-sessions", "Sign in"), ("disable", "Sign in")):
            answer = admin.client.post(f"/accounts/{account_id}/{act}", data={"csrf": admin.csrf, "town_id": str(town_id)})
            assert answer.status_code == 303, act
            assert f"<h1>{title}</h1>" in guest.get(f"{server.url}/").text, act


def test_only_who_governs_sees_the_pages(person: Callable[..., Person], town_id: UUID) -> None:
    helper = person(town_id, Role.HELPDESK)
    assert helper.client.get("/accounts").status_code == 404
    assert 'href="/accounts"' not in helper.client.get("/").text


def test_every_role_has_a_label() -> None:
    assert set(ROLES) == set(Role)


def test_no_role_is_chosen_before_somebody_chooses_one(person: Callable[..., Person], town_id: UUID) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    for page in ("/accounts", "/service-tokens"):
        fields = re.search(r'<select id="role"[^>]*required[^>]*>(.*?)</select>', admin.client.get(page).text, re.DOTALL)
        assert fields, page
        assert fields[1].startswith('<option value="">'), "the first choice is none, and it is the one that is shown"
        assert "selected" not in fields[1]


def test_who_has_forgotten_the_password_is_told_whom_to_ask(server: LiveServer) -> None:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20, headers={"Accept-Language": "fr"}) as stranger:
        refused = stranger.post("/sign-in", data={"login": "nobody", "password": "forgotten"})
    assert "Mot de passe oublié ? Un administrateur de votre ville" in html.unescape(refused.text)


def test_accounts_are_listed_by_name_and_each_act_says_what_it_changed(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    with server.runtime.open_unit_of_work() as work:
        for name in ("Zoé Aubert", "ana Colle", "Basile Noël"):
            links.invite(work, SYSTEM, login=f"{name[0]}@ville.example", display_name=name, role=Role.HELPDESK, town_id=town_id)
    page = admin.client.get("/accounts").text
    assert re.findall(r"ana Colle|Basile Noël|Zoé Aubert", page) == ["ana Colle", "Basile Noël", "Zoé Aubert"]
    address = re.search(r'href="(/accounts/[^?"]+)[^>]*>ana Colle', page)
    assert address is not None
    for act, notice in (
        ("end-sessions", "Toutes les connexions de ce compte ont pris fin."),
        ("disable", "Le compte est désactivé, et ses connexions ont pris fin."),
        ("enable", "Le compte est réactivé."),
    ):
        done = _confirm(admin, f"{address[1]}/{act}", town_id=str(town_id))
        assert done.status_code == 303, done.text
        assert notice in html.unescape(admin.client.get(done.headers["location"]).text), act
