"""The pages of presets: a home screen is made, typed as lines, published, taken in by a grade and out again; what is wrong stays typed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.places.models import School
from mdm.console.policy.home_screen import NotAHomeScreen, format_home_screen, parse_home_screen
from profiles.apps.service import create_app
from profiles.policy.kinds import PlaceKind
from profiles.policy.repository import PolicyRepository, to_content
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.mdm.console.test_hours_pages import HoursTown
from tests.support.server import LiveServer
from tests.support.world import TownFactory

SCREEN = "# dock\nNotes\n# page\nScratchJr\nhttps://lumni.fr\n## Lire\nfr.lire.a\nfr.lire.b"
LAYOUT = {
    "dock": ["com.apple.mobilenotes"],
    "pages": [
        {"apps": ["fr.scratch"], "links": ["https://lumni.fr"], "folders": [{"name": "Lire", "apps": ["fr.lire.a", "fr.lire.b"]}]}
    ],
}
NAMES = {"notes": "com.apple.mobilenotes", "scratchjr": "fr.scratch"}


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    return HoursTown(server)


def test_a_home_screen_is_typed_in_lines_and_reads_back_the_same() -> None:
    assert parse_home_screen(SCREEN, NAMES) == LAYOUT
    assert parse_home_screen(format_home_screen(LAYOUT), {}) == LAYOUT
    for wrong in ("Notes", "## Lire\na", "# dock\nhttps://lumni.fr"):
        with pytest.raises(NotAHomeScreen):
            parse_home_screen(wrong, {})


def test_a_home_screen_from_its_name_to_a_grade_and_out_again(
    server: LiveServer, person: Callable[..., Person], place: HoursTown
) -> None:
    with server.runtime.open_unit_of_work() as work:
        create_app(
            work, SYSTEM, place.town_id, name="ScratchJr", bundle_identifier="fr.scratch", app_store_id=1, manifest_url=None
        )
    admin = person(place.town_id, Role.TOWN_ADMIN)
    create = f"/rules/{place.town_id}/presets"
    assert send(admin, create, kind="home_screen", name="Accueil cycle 2").status_code == 303
    again = send(admin, create, kind="home_screen", name="Accueil cycle 2")
    assert again.status_code == 409
    assert 'value="Accueil cycle 2"' in again.text, "what was typed stays"
    listed = admin.client.get("/rules/presets").text
    found = re.search(r"place=(preset:[0-9a-f-]+)", html.unescape(listed))
    assert found is not None
    key = found[1]
    setting = f"/rules/{place.town_id}/setting"
    refused = send(admin, setting, place=key, key="home_screen", value="Notes")
    assert (refused.status_code, ">Notes</textarea>" in refused.text) == (422, True)
    text = "# page\nScratchJr\ncom.apple.mobilenotes"
    assert send(admin, setting, place=key, key="home_screen", value=text).status_code == 303
    form = admin.client.get("/rules/setting", params={"place": key, "key": "home_screen"})
    assert "# page\nfr.scratch\ncom.apple.mobilenotes</textarea>" in form.text
    assert send(admin, f"/rules/{place.town_id}/publish", place=key, number=1, reason="accueil").status_code == 303
    preset_id = key.partition(":")[2]
    assert send(admin, f"/rules/{place.town_id}/take-in", place="grade:CE2", preset_id=preset_id).status_code == 303
    assert "Accueil cycle 2" in read(admin.client.get("/rules", params={"place": "grade:CE2"}))
    assert send(admin, f"/rules/{place.town_id}/publish", place="grade:CE2", number=1, reason="accueil").status_code == 303
    assert "niveau CE2" in read(admin.client.get("/rules/presets"))
    assert send(admin, f"/rules/{place.town_id}/take-out", place="grade:CE2", preset_id=preset_id).status_code == 303
    with server.runtime.open_unit_of_work() as work:
        repository = PolicyRepository(work.session)
        document = repository.get_document_of_place(place.town_id, PlaceKind.GRADE, "CE2")
        assert document is not None
        contents = [to_content(version).presets for number in (1, 2) if (version := repository.get_version(document, number))]
    assert [len(each) for each in contents] == [1, 0]


def test_presets_are_of_those_who_write_for_the_whole_town(person: Callable[..., Person], place: HoursTown) -> None:
    helpdesk = person(place.town_id, Role.HELPDESK)
    assert helpdesk.client.get("/rules/presets").status_code == 404
    assert send(helpdesk, f"/rules/{place.town_id}/presets", kind="filter", name="x").status_code == 404


def test_a_group_from_its_name_to_its_end(server: LiveServer, person: Callable[..., Person], place: HoursTown) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school_class = world.create_class(work.session.get_one(School, place.school_id), "CM1 X")
        class_id, pupil_id = school_class.id, world.create_pupil(school_class, first="Basile", last="Noé").id
    admin = person(place.town_id, Role.TOWN_ADMIN)
    assert send(admin, f"/groups/{place.town_id}/create", name="Chorale").status_code == 303
    assert send(admin, f"/groups/{place.town_id}/create", name="Chorale").status_code == 409
    found = re.search(r'href="(/groups/[0-9a-f-]+)"', admin.client.get("/groups").text)
    assert found is not None
    page = found[1]
    assert "Basile Noé" in read(admin.client.get(page, params={"class_id": str(class_id)}))
    assert send(admin, f"{page}/pupils", class_id=class_id, pupil_ids=pupil_id).status_code == 303
    assert "1 élève" in read(admin.client.get(page))
    assert send(admin, f"{page}/pupils", class_id=class_id, pupil_ids=place.school_id).status_code == 404
    assert send(admin, f"{page}/name", name="Chœur").status_code == 303
    assert "Chœur" in read(admin.client.get("/rules", params={"place": f"group:{page.rpartition('/')[2]}"}))
    assert send(admin, f"{page}/delete").status_code == 303
    assert admin.client.get(page).status_code == 404
    assert person(place.town_id, Role.HELPDESK).client.get("/groups").status_code == 404
