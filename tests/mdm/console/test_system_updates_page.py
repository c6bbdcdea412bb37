"""The page of system updates: how tablets stand to a version, requiring one, and requiring none any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cartable.scope import Role
from enrollment.tablets.models import Tablet
from profiles.policy.kinds import PlaceKind, VersionState
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.mdm.console.test_hours_pages import HoursTown
from tests.mdm.console.test_rules_pages import load_versions
from tests.support.server import LiveServer


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    created = HoursTown(server)
    with server.runtime.open_unit_of_work() as work:
        work.session.get_one(Tablet, created.tablet_id).os_version = "26.1"
    return created


@pytest.fixture
def admin(person: Callable[..., Person], place: HoursTown) -> Person:
    return person(place.town_id, Role.TOWN_ADMIN)


def test_a_version_is_counted_required_published_and_withdrawn(server: LiveServer, admin: Person, place: HoursTown) -> None:
    school, page = f"school:{place.school_id}", "/system-updates"
    counted = read(admin.client.get(page, params={"place": school, "version": "26.2"}))
    assert "1 sont en retard" in counted
    assert "0 l'ont" in counted
    assert load_versions(server, place, PlaceKind.SCHOOL, str(place.school_id)) == [], "looking writes nothing"
    day = (server.runtime.clock.now() + timedelta(days=9)).date()
    fields = {"place": school, "version": "26.2", "day": str(day), "time": "18:00"}
    saved = send(admin, f"{page}/{place.town_id}", **fields)
    assert (saved.status_code, saved.headers["location"].partition("?")[0]) == (303, "/rules/draft")
    assert "1 tablette sur 1 change" in read(admin.client.get(saved.headers["location"]))
    assert send(admin, f"/rules/{place.town_id}/publish", place=school, number=1, reason="sécurité").status_code == 303
    (version,) = load_versions(server, place, PlaceKind.SCHOOL, str(place.school_id))
    assert version.state is VersionState.LIVE
    assert version.values == {"all": {"system.update": {"version": "26.2", "deadline": f"{day}T18:00:00"}}}
    assert f"Au moins iPadOS 26.2, à partir du {day:%d/%m/%Y} à 18:00." in read(admin.client.get(page, params={"place": school}))
    assert send(admin, f"{page}/{place.town_id}/withdraw", place=school).status_code == 303
    *_, draft = load_versions(server, place, PlaceKind.SCHOOL, str(place.school_id))
    assert (draft.state, draft.values) == (VersionState.DRAFT, {})


@pytest.mark.parametrize(
    ("wrong", "status", "problem"),
    [
        ({"version": "la dernière"}, 422, "version"),
        ({"day": "2020-01-01"}, 422, "passés"),
        ({"time": "25:00"}, 422, "heure"),
        ({"details_url": "http://x.example"}, 422, "https"),
    ],
)
def test_what_is_wrong_is_named_and_what_was_typed_stays(
    server: LiveServer, admin: Person, place: HoursTown, wrong: dict[str, str], status: int, problem: str
) -> None:
    day = (server.runtime.clock.now() + timedelta(days=9)).date()
    fields = {"place": "town:", "version": "26.2", "day": str(day), "time": "07:15", **wrong}
    refused = send(admin, f"/system-updates/{place.town_id}", **fields)
    assert refused.status_code == status
    assert problem in read(refused)
    assert f'value="{fields["time"]}"' in refused.text
    assert load_versions(server, place, PlaceKind.TOWN, "") == []


def test_only_who_writes_rules_sees_it(person: Callable[..., Person], place: HoursTown) -> None:
    officer = person(place.town_id, Role.DPO)
    assert officer.client.get("/system-updates").status_code in (403, 404)
    assert send(officer, f"/system-updates/{place.town_id}/withdraw", place="town:").status_code in (403, 404)
