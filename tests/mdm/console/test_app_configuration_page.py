"""The page of an app's configuration: lines become keys, a preview saves nothing, a wrong value comes back as it was typed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from uuid import UUID

from cartable.scope import Role
from profiles.apps.models import App
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_an_app_is_configured_after_a_look_at_one_tablet(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town, other = factory.create_town(), factory.create_town()
        app = App(town_id=town.id, name="Mathador", bundle_identifier="fr.mathador", app_store_id=1)
        work.session.add(app)
        tag, foreign_tag = factory.create_tablet(town).tag, factory.create_tablet(other).tag
        work.session.flush()
        town_id, other_id, app_id = town.id, other.id, app.id
    admin = person(town_id, Role.TOWN_ADMIN)
    address = f"/apps/{town_id}/apps/{app_id}/configuration"
    assert address in admin.client.get("/apps").text
    form = {
        "csrf": admin.csrf, "key-0": "server", "kind-0": "text", "value-0": "https://classe.example.fr/{{tag}}",
        "key-2": "sites", "kind-2": "list", "value-2": "lumni.fr\nfr.wikipedia.org",
    }  # fmt: skip
    seen = read(admin.client.post(address, data={**form, "act": "preview", "tag": tag}))
    assert f"https://classe.example.fr/{tag}" in seen
    assert "lumni.fr, fr.wikipedia.org" in seen
    assert stored(server, app_id) is None
    refused = admin.client.post(address, data={**form, "act": "preview", "tag": foreign_tag})
    assert refused.status_code == 422
    refused = admin.client.post(
        address, data={**form, "key-1": "open", "kind-1": "boolean", "value-1": "peut-être", "act": "save"}
    )
    assert (refused.status_code, "« open »" in html.unescape(refused.text), "peut-être" in refused.text) == (422, True, True)
    assert admin.client.post(address, data={**form, "act": "save"}).status_code == 303
    assert "server" in (stored(server, app_id) or "")
    page = html.unescape(admin.client.get(address).text)
    assert re.findall(r'name="key-\d+"[^>]*value="([^"]+)"', page) == ["server", "sites"]
    stranger = person(other_id, Role.TOWN_ADMIN)
    assert stranger.client.get(address).status_code == 404
    assert stranger.client.get(f"/apps/{other_id}/apps/{app_id}/configuration").status_code == 404
    assert person(town_id, Role.HELPDESK).client.get(address).status_code in (403, 404)


def stored(server: LiveServer, app_id: UUID) -> str | None:
    with server.runtime.open_unit_of_work() as work:
        return work.session.get_one(App, app_id).configuration
