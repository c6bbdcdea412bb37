"""What a stolen session must not do asks for the password once more, over the API and in the console."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cartable.scope import SYSTEM, Role
from enrollment.rollover import drafting
from enrollment.tablets import inventory
from enrollment.tablets.models import TabletState
from profiles.apps.apps_and_books import service as content_tokens
from profiles.policy import documents
from profiles.policy.kinds import PlaceKind
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import PASSWORD, create_account
from tests.support.licences import build_content_token
from tests.support.returns import set_return_day
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

_NEW_ACCOUNT = {"login": "puppet", "display_name": "puppet", "password": "a password to change", "role": "town_admin"}
#: Operation, path and body of what needs the password once more.
ACTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "create an account": ("POST", "/accounts", {**_NEW_ACCOUNT, "town_id": "{town_id}"}),
    "confirm an account": ("POST", "/accounts/{account_id}/confirm?town_id={town_id}", {}),
    "revoke an account": ("DELETE", "/accounts/{account_id}?town_id={town_id}", {}),
    "call a technician": (
        "POST",
        "/towns/{town_id}/missions",
        {"login": "tech", "first_day": "2026-11-23", "last_day": "2026-11-23", "reason": "remise"},
    ),
    "erase a tablet": ("POST", "/tablets/{tablet_id}/erase", {"reason": "for nothing", "ticket": "X-1"}),
    "lock a tablet to its town": ("POST", "/tablets/{tablet_id}/activation-lock", {"reason": "for nothing"}),
    "request erases": (
        "POST",
        "/towns/{town_id}/bulk-erases",
        {"tablet_ids": ["{tablet_id}"], "reason": "for nothing", "ticket": "X-1"},
    ),
    "dispose of a tablet": ("POST", "/tablets/{retired_id}/dispose", {"wipe_proof": "none", "waste_slip": "none"}),
    "open a return campaign": ("POST", "/rollovers/{rollover_id}/return-campaign/open", {}),
    "publish to a town": (
        "POST",
        "/policy-documents/{document_id}/versions/1/publish",
        {"stage": "all", "reason": "for nothing"},
    ),
    "install a key": (
        "PUT",
        "/towns/{town_id}/apple-school-manager/key",
        {"kind": "school", "client_id": "SCHOOLAPI.x-y-z", "key_id": "k", "private_key": "x" * 60},
    ),
    "install licences": ("POST", "/towns/{town_id}/licence-tokens", {"content": "x" * 30}),
    "renew licences": ("PUT", "/licence-tokens/{content_token_id}/content", {"content": "x" * 30}),
    "move licences to schools": ("PUT", "/licence-tokens/{content_token_id}/schools", {"school_ids": []}),
    "take licences over": ("POST", "/licence-tokens/{content_token_id}/takeover", {"claimed_by_id": "jamf"}),
    "remove licences": ("DELETE", "/licence-tokens/{content_token_id}", {}),
}


class Stolen:
    """A server, and a client with the session of an administrator, without the password."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            school = world.create_school(town)
            tablet, retired = (world.create_tablet(town, school_id=school.id) for _ in range(2))
            retired.state = TabletState.RETURNED
            inventory.retire_tablet(work, SYSTEM, retired, "old")
            document = documents.open_document(work, SYSTEM, town.id, PlaceKind.TOWN, "")
            content_token = content_tokens.install_token(work, SYSTEM, town.id, build_content_token(server.runtime.clock.now()))
            other = create_account(work, town.id, login="other")
            create_account(work, town.id, Role.TOWN_ADMIN, "admin")
            rollover = drafting.preview_rollover(work, SYSTEM, town.id)
            set_return_day(work, rollover)
            self.ids = {
                "town_id": town.id, "tablet_id": tablet.id, "retired_id": retired.id, "account_id": other.id,
                "rollover_id": rollover.id, "document_id": document.id, "content_token_id": content_token.id,
            }  # fmt: skip
        self.client = httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20)
        token = self.client.post("/api/v1/tokens", json={"login": "admin", "password": PASSWORD}).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def fill(self, value: Any) -> Any:
        """Put the ids into a path or a body."""
        if isinstance(value, str):
            return value.format(**self.ids)
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        return [self.fill(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stolen]:
    folder: Path = tmp_path_factory.mktemp("reauthentication")
    engine = databases.create_sqlite_engine(folder)
    with start_live_server(engine, KEYRING, folder / "data") as server:
        stolen = Stolen(server)
        yield stolen
        stolen.client.close()
    engine.dispose()


@pytest.mark.parametrize("act", ACTS)
def test_a_session_without_the_password_is_refused(stolen: Stolen, act: str) -> None:
    method, path, body = ACTS[act]
    answer = stolen.client.request(method, "/api/v1" + stolen.fill(path), json=stolen.fill(body))
    assert (answer.status_code, answer.json().get("code")) == (403, "reauthentication_required"), answer.text


def test_a_wrong_password_confirms_nothing_and_five_end_the_session(stolen: Stolen) -> None:
    token = stolen.client.post("/api/v1/tokens", json={"login": "other", "password": PASSWORD}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    statuses = [
        stolen.client.post(
            "/api/v1/sessions/current/confirm", json={"password": f"guess number {n}"}, headers=headers
        ).status_code
        for n in range(6)
    ]
    assert statuses == [401, 401, 401, 401, 429, 401]
    assert stolen.client.get("/api/v1/me", headers=headers).json()["code"] == "not_signed_in"


def test_the_console_asks_for_the_password_and_sends_the_form_again(stolen: Stolen) -> None:
    trust = ssl.create_default_context(cafile=str(stolen.server.ca))
    with httpx.Client(base_url=stolen.server.url, verify=trust, timeout=20, headers={"Accept-Language": "en"}) as client:
        client.post("/sign-in", data={"login": "admin", "password": PASSWORD})
        page = stolen.fill("/year/{rollover_id}/open-returns")
        form = {"csrf": _read(r'name="csrf" value="([^"]+)"', client.get("/sessions").text), "note": "<kept>"}
        asked = client.post(page, data=form)
        assert asked.status_code == 403
        assert 'name="note" value="&lt;kept&gt;"' in asked.text
        assert "Give your password once more" not in asked.text, "a first question is no error"
        again = _read(r'action="([^"]+confirm=password)"', asked.text)
        wrong = client.post(again, data={**form, "confirm_password": "not the password"})
        assert (wrong.status_code, "Wrong login or password" in wrong.text) == (401, True)
        assert client.post(again, data={**form, "csrf": "x", "confirm_password": PASSWORD}).status_code == 403
        assert client.post(page, data=form).status_code == 403, "a forged form confirms nothing"
        assert client.post(again, data={**form, "confirm_password": PASSWORD}).status_code == 303
        assert client.post(page, data=form).status_code == 303, "not asked again for some minutes"


def _read(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match
    return match[1]
