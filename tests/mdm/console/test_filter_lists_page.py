"""The page of filter lists: categories, a preview that stores nothing, a second question before one is emptied, damaged files by name."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from profiles.filters import releases, service
from profiles.filters.content_repository import ContentRepository
from profiles.filters.reading import read_lists
from profiles.filters.repository import FilterRepository
from tests.mdm.console.conftest import Person
from tests.profiles.filters.test_lists import archive
from tests.support.server import LiveServer
from tests.support.world import TownFactory

LISTS = {
    "blacklists/adult/domains": b"a.example\nb.example\n", "blacklists/malware/domains": b"m.example\n",
    "blacklists/games/domains": b"g.example\n",
}  # fmt: skip


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        service.import_lists(work, SYSTEM, town_id, read_lists(archive(LISTS).read()))
        return town_id


def send(admin: Person, town_id: UUID, act: str, content: io.BytesIO | bytes, **fields: str) -> httpx.Response:
    body = content if isinstance(content, bytes) else content.getvalue()
    return admin.client.post(
        f"/filter-lists/{town_id}/{act}",
        data={"csrf": admin.csrf, **fields},
        files={"file": ("lists.tar.gz", body)},
        follow_redirects=True,
    )


def read_digest(page: httpx.Response) -> str:
    return str(re.findall(r'name="digest" value="([0-9a-f]{64})"', page.text)[0])


def count_hosts(server: LiveServer, town_id: UUID) -> dict[str, int]:
    with server.runtime.open_unit_of_work() as work:
        return {each.name: each.hosts for each in service.list_all_categories(work, SYSTEM, town_id)}


def test_lists_are_seen_before_they_are_imported(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    page = html.unescape(admin.client.get("/filter-lists").text)
    assert "sans cela, elle est écrite mais pas appliquée" in page, "what is enforced is told honestly"
    assert "phishing" in page, "a category closed to every child that the town does not have"
    one = archive({"adult/domains": b"c.example\nd.example\ne.example\n"})
    preview = send(admin, town_id, "preview", one)
    assert "games, malware" in html.unescape(preview.text), "those of the town that stay"
    assert count_hosts(server, town_id)["adult"] == 2, "a preview stores nothing"
    words = html.unescape(preview.text)
    assert re.findall(r"<li><code>(.*?)</code></li>", words) == ["a.example", "b.example", "c.example", "d.example", "e.example"]
    assert "Aucun site que vos règles ouvrent" in words
    other = send(admin, town_id, "import", archive({"adult/domains": b"z.example\n"}), digest=read_digest(preview))
    assert "une autre archive" in html.unescape(other.text)
    assert count_hosts(server, town_id)["adult"] == 2
    done = send(admin, town_id, "import", one, digest=read_digest(preview))
    assert "Les listes sont importées" in html.unescape(done.text)
    assert count_hosts(server, town_id) == {"adult": 3, "games": 1, "malware": 1}


def test_a_category_that_would_be_emptied_is_asked_about_again(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    empty = archive({"adult/domains": b"", "games/domains": b"g.example\n"})
    preview = send(admin, town_id, "preview", empty, remove_others="true")
    text = html.unescape(preview.text)
    assert "n'auraient plus aucun site : logiciels malveillants (malware), pornographie (adult)" in text
    fields = {"digest": read_digest(preview), "remove_others": "true"}
    refused = send(admin, town_id, "import", empty, **fields)
    assert (refused.status_code, "adult, malware" in html.unescape(refused.text)) == (409, True)
    assert count_hosts(server, town_id) == {"adult": 2, "games": 1, "malware": 1}
    assert send(admin, town_id, "import", empty, confirmed="true", **fields).status_code == 200
    assert count_hosts(server, town_id) == {"adult": 0, "games": 1}


def test_what_cannot_be_read_is_named_and_changes_nothing(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    damaged = archive({"games/domains": b"x.example\n", "adult/domains.gz": b"\x1f\x8b\x08 this is no gzip"})
    for act in ("preview", "import"):
        page = send(admin, town_id, act, damaged)
        assert (page.status_code, "adult/domains.gz" in html.unescape(page.text)) == (422, True), act
        assert send(admin, town_id, act, b"no archive").status_code == 422
    assert count_hosts(server, town_id) == {"adult": 2, "games": 1, "malware": 1}


def test_others_do_not_open_the_page(person: Callable[..., Person], town_id: UUID) -> None:
    technician = person(town_id, Role.TECHNICIAN)
    assert technician.client.get("/filter-lists").status_code == 404
    admin = person(town_id, Role.TOWN_ADMIN)
    admin.csrf = "of another site"
    assert send(admin, town_id, "import", archive(LISTS)).status_code == 403


def test_a_former_list_is_seen_and_put_back(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    with server.runtime.open_unit_of_work() as work:
        service.import_lists(
            work, SYSTEM, town_id, read_lists(archive({"adult/domains": b"b.example\nc.example\nd.example\n"}).read())
        )
    assert f"/filter-lists/{town_id}/undo?category=adult" in admin.client.get("/filter-lists").text
    preview = html.unescape(admin.client.get(f"/filter-lists/{town_id}/undo?category=adult").text)
    assert re.findall(r"<li><code>(.*?)</code></li>", preview) == ["c.example", "d.example", "a.example"]
    assert "Cette catégorie est fermée à tous les enfants, et aurait moins de sites." in preview
    content = re.findall(r'name="content" value="([0-9a-f]{64})"', preview)[0]
    done = admin.client.post(
        f"/filter-lists/{town_id}/undo", data={"csrf": admin.csrf, "category": "adult", "content": content}, follow_redirects=True
    )
    assert "L'ancienne liste est de nouveau en vigueur." in html.unescape(done.text)
    assert count_hosts(server, town_id)["adult"] == 2


def test_new_lists_are_looked_at_tried_in_a_school_and_stopped(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    with server.runtime.open_unit_of_work() as work:
        school_id = TownFactory(work).create_school(work.session.get_one(Town, town_id)).id
    saved = admin.client.post(
        f"/filter-lists/{town_id}/trials", data={"csrf": admin.csrf, "school_ids": str(school_id), "hours": "48"}
    )
    assert saved.status_code == 303
    lists = read_lists(archive({"l/games/domains": b"g.example\nnouveau.example\n", "l/adult/domains": b"a.example\n"}).read())
    changes: list[dict[str, Any]] = [
        {
            "name": "adult",
            "before": 2,
            "after": 1,
            "leaving": 1,
            "coming": 0,
            "leaving_samples": ["b.example"],
            "coming_samples": [],
        }
    ]
    with server.runtime.open_unit_of_work() as work:
        ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
        release_id = releases.add_release(work, town_id, changes, lists.describe(), ["adult"]).id
    page = f"/filter-lists/releases/{release_id}"
    assert page in admin.client.get("/filter-lists").text
    shown = html.unescape(admin.client.get(page).text)
    assert "b.example" in shown
    assert "Parmi elles, fermées à tout enfant : pornographie (adult)" in shown
    assert "Les essayer dans les écoles choisies" in shown
    assert admin.client.post(f"{page}/approve", data={"csrf": admin.csrf}).status_code == 303
    assert "à l'essai dans quelques écoles" in html.unescape(admin.client.get("/filter-lists").text)
    assert "Les mettre en vigueur partout" in html.unescape(admin.client.get(page).text)
    assert admin.client.post(f"{page}/stop", data={"csrf": admin.csrf}).status_code == 303
    assert admin.client.post(f"{page}/approve", data={"csrf": admin.csrf}).status_code == 409
    assert count_hosts(server, town_id) == {"adult": 2, "games": 1, "malware": 1}
    assert "Votre décision" not in html.unescape(admin.client.get(page).text)


def test_lists_in_force_are_put_back_by_category_or_as_a_whole(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    lists = read_lists(archive({"l/games/domains": b"x.example\n", "l/adult/domains": b"a.example\nz.example\n"}).read())
    changes: list[dict[str, Any]] = [
        {"name": name, "before": 1, "after": 1, "leaving": 1, "coming": 1, "leaving_samples": [], "coming_samples": []}
        for name in ("adult", "games")
    ]
    with server.runtime.open_unit_of_work() as work:
        ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
        release_id = releases.add_release(work, town_id, changes, lists.describe(), []).id
        assert FilterRepository(work.session).find_categories(town_id, "z.example") == ["adult"]
    page = f"/filter-lists/releases/{release_id}"
    shown = html.unescape(admin.client.get(page).text)
    for category in ("adult", "games"):
        assert f"/filter-lists/{town_id}/undo?category={category}" in shown
    assert admin.client.post(f"{page}/undo", data={"csrf": "of another site"}).status_code == 403
    done = admin.client.post(f"{page}/undo", data={"csrf": admin.csrf}, follow_redirects=True)
    assert "Les anciennes listes sont de nouveau en vigueur." in html.unescape(done.text)
    with server.runtime.open_unit_of_work() as work:
        assert FilterRepository(work.session).find_categories_of_hosts(town_id, ["z.example", "g.example"]) == {
            "z.example": [],
            "g.example": ["games"],
        }
    assert "annulées" in html.unescape(admin.client.get(page).text)
    assert admin.client.post(f"{page}/undo", data={"csrf": admin.csrf}).status_code == 409


def test_a_release_of_another_town_is_none(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    with server.runtime.open_unit_of_work() as work:
        other_id = TownFactory(work).create_town().id
        release_id = releases.add_release(work, other_id, [], [], ["adult"]).id
    admin = person(town_id, Role.TOWN_ADMIN)
    assert admin.client.get(f"/filter-lists/releases/{release_id}").status_code == 404
    for act in ("approve", "stop", "undo"):
        assert admin.client.post(f"/filter-lists/releases/{release_id}/{act}", data={"csrf": admin.csrf}).status_code == 404
