"""The page of notices, and the form of the own choice, without a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from cartable.scope import Role
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import send
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town().id


def _read_csrf(page: str) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', page)
    assert match
    return match[1]


def test_a_governor_enters_who_gets_alarms_and_chooses_for_themselves(person: Callable[..., Person], town_id: UUID) -> None:
    client = person(town_id, Role.TOWN_ADMIN).client
    csrf = _read_csrf(client.get(f"/notices?town_id={town_id}").text)

    def send(path: str, **fields: str) -> httpx.Response:
        return client.post(f"{path}?confirm=password", data={"csrf": csrf, "confirm_password": PASSWORD, **fields})

    assert send("/notices/addresses", town_id=str(town_id), email="mayor@elsewhere.example", language="fr").status_code == 303
    hook = send("/notices/webhooks", town_id=str(town_id), url="https://alarms.example/hook")
    assert "whsec_" in hook.text
    refused = send("/notices/webhooks", town_id=str(town_id), url="https://127.0.0.1/hook")
    assert (refused.status_code, "hôte public" in refused.text) == (422, True)
    page = client.get(f"/notices?town_id={town_id}").text
    assert "mayor@elsewhere.example" in page
    assert "whsec_" not in page
    for path in re.findall(r'action="(/notices/recipients/[^"]+)"', page):
        assert client.post(path, data={"csrf": csrf, "town_id": str(town_id)}).status_code == 303
    assert "mayor@elsewhere.example" not in client.get(f"/notices?town_id={town_id}").text
    choice = {"csrf": csrf, "level": "critical", "language": "en", "email": "ana@valmont.example"}
    assert client.post("/me/notices", data=choice).status_code == 303
    own = html.unescape(client.get("/me").text)
    assert 'value="ana@valmont.example"' in own
    assert '<option value="critical" selected>' in own
    assert client.post("/me/notices", data={**choice, "email": "a b@c.example"}).status_code == 422


def test_who_governs_nothing_has_no_such_page(person: Callable[..., Person], town_id: UUID) -> None:
    helper = person(town_id, Role.HELPDESK)
    assert helper.client.get("/notices").status_code == 404
    assert "/me/notices" in helper.client.get("/me").text, "losses that teachers report are theirs"
    assert send(helper, "/me/notices", level="none", email="aide@ville.example", language="fr").status_code == 303
    assert 'value="none" selected' in helper.client.get("/me").text
    assert "/me/notices" not in person(town_id, Role.DPO).client.get("/me").text
