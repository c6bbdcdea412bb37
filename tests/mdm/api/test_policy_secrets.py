"""Passwords in settings are read by who may write them, and by nobody else: not in versions, previews or explanations."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cartable.scope import SYSTEM, Role
from profiles.catalog.secrets import HIDDEN
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from tests.conftest import KEYRING
from tests.support import databases
from tests.support.accounts import create_account, sign_in
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

WIFI_PASSWORD = "tres-secret-1234"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    engine = databases.create_sqlite_engine(tmp_path)
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running
    engine.dispose()


def test_only_authors_read_the_passwords_of_settings(server: LiveServer) -> None:
    content = PolicyContent({"all": {"school_wifi": [{"name": "ecole", "password": WIFI_PASSWORD}]}})
    tokens: dict[Role, str] = {}
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tablet = world.create_tablet(town)
        document = documents.open_document(work, SYSTEM, town.id, PlaceKind.TOWN, "")
        version = life.save_draft(work, SYSTEM, document, life.Draft(content, reason="wifi"))
        life.publish(work, SYSTEM, document, version.number)
        for role in (Role.TOWN_ADMIN, Role.HELPDESK, Role.TECHNICIAN):
            create_account(work, town.id, role, role.value)
            tokens[role] = sign_in(work, role.value).token
    base = f"{server.url}/api/v1"
    versions, preview = (f"{base}/policy-documents/{document.id}/{each}" for each in ("versions", "preview"))
    trust = ssl.create_default_context(cafile=str(server.ca))
    for role, token in tokens.items():
        with httpx.Client(verify=trust, headers={"Authorization": f"Bearer {token}"}) as client:
            stored, why = client.get(versions), client.get(f"{base}/tablets/{tablet.id}/why")
            changes = client.post(preview, json={"values": {}})
        assert [each.status_code for each in (stored, why, changes)] == [200, 200, 200], role
        assert (WIFI_PASSWORD in stored.text) is (role is Role.TOWN_ADMIN)
        assert WIFI_PASSWORD not in why.text + changes.text
        assert HIDDEN in why.json()["settings"].__repr__()
