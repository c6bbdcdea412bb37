"""No route of the API answers a stranger, and none shows one town to another's administrator."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from enrollment.places.models import Level
from mdm.kit.scope import SYSTEM, Role
from mdm.web import describe
from profiles import service as policy
from profiles.layers import service as layers
from profiles.layers.kinds import LayerKind
from tests.conftest import KEYRING
from tests.support.server import LiveServer, live_server
from tests.support.world import World

#: Where one may come without having signed in.
OPEN = {"/api/v1/sign-in", "/api/v1/health", "/health", "/healthz", "/readyz"}
_SOME = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    from tests.support import databases

    engine: Engine = databases.fresh_sqlite(tmp_path)
    with live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running
    engine.dispose()


def _routes() -> list[tuple[str, str]]:
    found = []
    for path, methods in describe()["paths"].items():
        found += [(method.upper(), path) for method in methods if path not in OPEN]
    return found


def test_every_route_wants_to_know_who_asks(server: LiveServer) -> None:
    trust = ssl.create_default_context(cafile=str(server.ca))
    routes = [(method, path) for method, path in _routes() if path.startswith("/api/v1")]
    assert len(routes) > 80
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as client:
        for method, path in routes:
            for headers in ({}, {"Authorization": "Bearer nonsense"}):
                answer = client.request(method, re.sub(r"\{[^}]+\}", _SOME, path), headers=headers)
                assert answer.status_code == 401, (method, path, answer.status_code)
                assert answer.json()["code"]


def test_an_administrator_sees_nothing_of_another_town(server: LiveServer) -> None:
    with server.runtime.work() as work:
        world = World(work)
        ours, theirs = world.town(), world.town()
        school = world.school(theirs)
        school_class = world.school_class(school)
        pupil = world.pupil(school_class, Level.CE2)
        tablet = world.tablet(theirs, school_id=school.id)
        app = policy.create_app(
            work, SYSTEM, theirs.id, name="App", bundle_identifier="fr.app", app_store_id=1, manifest_url=None
        )
        bundle = policy.create_bundle(work, SYSTEM, theirs.id, "Bundle", [app.id])
        layer = layers.open_layer(work, SYSTEM, theirs.id, LayerKind.TOWN, "", "")
        known: dict[str, UUID] = {
            "town_id": theirs.id, "school_id": school.id, "class_id": school_class.id, "pupil_id": pupil.id, "tablet_id": tablet.id,
            "app_id": app.id, "bundle_id": bundle.id, "layer_id": layer.id,
        }  # fmt: skip
    client = server.client(ours.id, Role.TOWN_ADMIN, "ours")
    try:
        for method, path in _routes():
            names = re.findall(r"\{([^}]+)\}", path)
            if method != "GET" or not path.startswith("/api/v1"):
                continue
            url = re.sub(r"\{([^}]+)\}", lambda match: str(known.get(match.group(1), _SOME)), path.removeprefix("/api/v1"))
            answer = client.get(url, params={"town_id": str(theirs.id), "kind": "town", "host": "a.example", "q": "a"})
            assert answer.status_code != 500, path
            if names or "town_id" in str(answer.request.url):
                seen = answer.text if answer.status_code == 200 else ""
                assert not any(str(each) in seen for each in known.values()), (path, seen[:200])
    finally:
        client.close()
