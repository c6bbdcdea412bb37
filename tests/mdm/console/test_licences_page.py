"""The page of licences: tokens by file, what is held elsewhere, and an account that is taken over after the password."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Callable, Iterator
from uuid import UUID

import httpx
import pytest

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import Role
from mdm.worker.drains import drain
from profiles.apps.apps_and_books.testserver import SimulatedLocation, serve
from profiles.apps.models import LicenceToken, LicenceTokenSchool
from tests.mdm.console.conftest import Person
from tests.profiles.apps.licence_town import ADAM
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.accounts import PASSWORD, create_account
from tests.support.licences import build_content_token
from tests.support.server import LiveServer


@pytest.fixture
def location(server: LiveServer) -> Iterator[SimulatedLocation]:
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    account = SimulatedLocation(
        build_content_token(clock.now()), {str(ADAM): 5}, {str(ADAM): {"STRANGER1", "STRANGER2"}}, name="Compte de la ville"
    )
    with serve(account) as url:
        server.runtime.settings = server.runtime.settings.model_copy(update={"apps_and_books_url": url})
        yield account


@pytest.fixture
def place(server: LiveServer) -> tuple[UUID, UUID]:
    with server.runtime.open_unit_of_work() as work:
        town = BundleTown(work)
        return town.town.id, town.school.id


def confirm(admin: Person, asked: httpx.Response) -> httpx.Response:
    """Give the password once more, as the page asks, and follow to the page that comes back."""
    assert "confirm_password" in asked.text, asked.text[:600]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', asked.text):
        fields.setdefault(name, []).append(html.unescape(value))
    action = html.unescape(re.findall(r'action="([^"]*confirm=password)"', asked.text)[0])
    return admin.client.post(action, data={**fields, "confirm_password": PASSWORD}, follow_redirects=True)


def upload(admin: Person, town_id: UUID, content: str, *school_ids: UUID) -> httpx.Response:
    return admin.client.post(
        f"/apps/licences/{town_id}/tokens",
        data={"csrf": admin.csrf, "schools": [str(school_id) for school_id in school_ids]},
        files={"content": ("ville.vpptoken", content.encode())},
    )


def test_an_account_from_its_file_to_the_takeover(
    server: LiveServer, person: Callable[..., Person], place: tuple[UUID, UUID], location: SimulatedLocation
) -> None:
    location.claimed_by, location.claimed_by_name = "jamf-0815", "Jamf Pro"
    town_id, school_id = place
    admin = person(town_id, Role.TOWN_ADMIN)
    assert 'href="/apps/licences?town=' in admin.client.get("/apps").text
    stored = confirm(admin, upload(admin, town_id, location.token, school_id))
    assert "Le jeton est enregistré" in html.unescape(stored.text)
    with server.runtime.open_unit_of_work() as work:
        token_id = work.session.query(LicenceToken).one().id
        assert work.session.query(LicenceTokenSchool).one().school_id == school_id, "the password in between loses no field"
    drain(server.runtime, Topic.LICENCE_SYNC)
    page = html.unescape(admin.client.get("/apps/licences").text)
    assert "Jamf Pro (jamf-0815)" in page
    assert "2 sont tenues ailleurs" in page
    assert "École Jules-Verne" in page
    act = f"/apps/licences/{town_id}/tokens/{token_id}/takeover"
    stale = admin.client.post(act, data={"csrf": admin.csrf, "claimed_by": "zentral", "understood": "true"})
    assert stale.status_code == 409, "somebody else has it by now than the page said"
    unread = admin.client.post(act, data={"csrf": admin.csrf, "claimed_by": "jamf-0815"}, follow_redirects=True)
    assert "La reprise est décidée" not in html.unescape(unread.text)
    done = admin.client.post(
        act, data={"csrf": admin.csrf, "claimed_by": "jamf-0815", "understood": "true"}, follow_redirects=True
    )
    assert "La reprise est décidée" in html.unescape(done.text)
    drain(server.runtime, Topic.LICENCE_SYNC)
    assert location.claimed_by == str(token_id)
    assert "Jamf" not in admin.client.get("/apps/licences").text


def test_schools_are_changed_a_token_is_renewed_and_removed(
    server: LiveServer, person: Callable[..., Person], place: tuple[UUID, UUID], location: SimulatedLocation
) -> None:
    town_id, school_id = place
    admin = person(town_id, Role.TOWN_ADMIN)
    confirm(admin, upload(admin, town_id, location.token))
    drain(server.runtime, Topic.LICENCE_SYNC)
    with server.runtime.open_unit_of_work() as work:
        token_id = work.session.query(LicenceToken).one().id
    assert "Compte de la ville" in admin.client.get("/apps/licences").text
    refused = upload(admin, town_id, "no token at all, but long enough")
    assert (refused.status_code, "jeton de contenu" in html.unescape(refused.text)) == (422, True)
    base = f"/apps/licences/{town_id}/tokens/{token_id}"
    admin.client.post(f"{base}/schools", data={"csrf": admin.csrf, "schools": [str(school_id)]})
    with server.runtime.open_unit_of_work() as work:
        assert work.session.query(LicenceToken).one().is_town_wide is False
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    location.token = build_content_token(clock.now(), days=20)
    renewed = admin.client.post(
        f"{base}/renew", data={"csrf": admin.csrf}, files={"content": ("x.vpptoken", location.token.encode())}
    )
    assert renewed.status_code == 303
    assert 'class="warn"' in admin.client.get("/apps/licences").text, "it ends soon"
    assert admin.client.post(f"{base}/remove", data={"csrf": "x"}).status_code == 403
    removed = admin.client.post(f"{base}/remove", data={"csrf": admin.csrf}, follow_redirects=True)
    assert "Le jeton est retiré" in html.unescape(removed.text)
    with server.runtime.open_unit_of_work() as work:
        assert work.session.query(LicenceToken).count() == 0


def test_others_do_not_open_the_page(person: Callable[..., Person], place: tuple[UUID, UUID]) -> None:
    assert person(place[0], Role.HELPDESK).client.get("/apps/licences").status_code == 404


def test_tokens_by_the_api(server: LiveServer, place: tuple[UUID, UUID], location: SimulatedLocation) -> None:
    town_id, school_id = place
    with server.runtime.open_unit_of_work() as work:
        create_account(work, town_id, Role.TOWN_ADMIN, "admin")
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=f"{server.url}/api/v1", verify=trust, timeout=20) as client:
        token = client.post("/tokens", json={"login": "admin", "password": PASSWORD}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.post("/sessions/current/confirm", json={"password": PASSWORD}).raise_for_status()
        location.claimed_by = "jamf-0815"
        body = {"content": location.token, "school_ids": [str(school_id)]}
        installed = client.post(f"/towns/{town_id}/licence-tokens", json=body)
        assert (installed.status_code, installed.json()["school_ids"]) == (201, [str(school_id)])
        act = f"/licence-tokens/{installed.json()['id']}"
        assert client.post(f"{act}/takeover", json={"claimed_by_id": "jamf-0815"}).status_code == 409, (
            "nobody has read who has it"
        )
        drain(server.runtime, Topic.LICENCE_SYNC)
        [listed] = client.get(f"/towns/{town_id}/licence-tokens").json()["items"]
        assert (listed["problem"], listed["claimed_by_id"]) == ("claimed_elsewhere", "jamf-0815")
        assert client.post(f"{act}/takeover", json={"claimed_by_id": "jamf-0815"}).json()["is_takeover_requested"]
        [pool] = client.get("/licences", params={"town_id": str(town_id)}).json()["items"]
        assert (pool["location"], pool["total"], pool["held_elsewhere"], pool["available"]) == ("Compte de la ville", 5, 2, 3)
        assert client.put(f"{act}/schools", json={"school_ids": []}).json()["is_town_wide"]
        assert client.put(f"{act}/content", json={"content": "x" * 30}).status_code == 422
        assert client.delete(act).status_code == 204
        assert client.get(f"/towns/{town_id}/licence-tokens").json()["items"] == []
