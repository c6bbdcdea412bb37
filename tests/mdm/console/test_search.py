"""One search for everything: what each role may find, where it leads, what is counted and audited, and at what cost."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.scope import SYSTEM, Role
from enrollment.people.models import RecordAccess
from enrollment.people.staff import add_staff_member
from enrollment.places.models import School, Town
from profiles.apps.models import App
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.support.server import LiveServer
from tests.support.statements import count_statements
from tests.support.world import TownFactory


class NamedTown:
    """Two schools: a child with a tablet in one, one without in the other; a teacher, an app."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            first, second = world.create_school(town, "École Jules-Verne"), world.create_school(town, "École Prévert")
            tablet = world.create_tablet(town)
            here, there = world.create_class(first, "CE2 A"), world.create_class(second, "CM1 B")
            world.lend_tablet(tablet, world.create_pupil(here, last="LE GOFF", first="Anne-Laure"))
            self.pupil_id = world.create_pupil(there, last="LEGOFFIC", first="Zoé").id
            work.session.add(App(town_id=town.id, name="Mathador", bundle_identifier="fr.mathador", app_store_id=1))
            add_staff_member(work, SYSTEM, first.id, last_name="Goffinet", first_name="Lucie")
            stranger = world.create_town("Ailleurs")
            foreign = world.create_class(world.create_school(stranger, "École Goffin"), "CE2 A")
            world.create_pupil(foreign, last="LEGOFFE", first="Jeanne")
            self.town_id, self.school_id, self.tablet_id, self.tag = town.id, first.id, tablet.id, tablet.tag
            self.class_id, self.other_school_id = there.id, second.id


@pytest.fixture
def town(server: LiveServer) -> NamedTown:
    return NamedTown(server)


def suggest(person: Person, text: str) -> dict[str, list[dict[str, Any]]]:
    """The suggestions by group."""
    answer = person.client.get("/search/suggestions", params={"q": text})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return {group["name"]: group["hits"] for group in answer.json()["groups"]}


def test_everything_of_a_town_is_found_and_leads_to_its_page(town: NamedTown, person: Callable[..., Person]) -> None:
    admin = person(town.town_id, Role.TOWN_ADMIN)
    children = suggest(admin, "legoff")["Enfants"]
    assert [(each["label"], each["url"]) for each in children] == [
        ("Anne-Laure LE GOFF", f"/tablets/{town.tablet_id}"),
        ("Zoé LEGOFFIC", f"/pupils/{town.pupil_id}"),
    ]
    assert children[0]["detail"] == f"CE2 · CE2 A · École Jules-Verne · {town.tag}"
    assert suggest(admin, town.tag.lower())["Tablettes"][0]["url"] == f"/tablets/{town.tablet_id}"
    assert suggest(admin, town.tag[-3:])["Tablettes"][0]["label"] == town.tag
    assert [each["label"] for each in suggest(admin, "prévert")["Écoles"]] == ["École Prévert"]
    assert [each["detail"] for each in suggest(admin, "cm1")["Classes"]] == ["École Prévert"]
    assert [each["label"] for each in suggest(admin, "goffin")["Personnels"]] == ["Lucie Goffinet"]
    assert [each["label"] for each in suggest(admin, "matha")["Applications"]] == ["Mathador"]
    assert suggest(admin, "appareil photo")["Réglages"]
    assert {"label": "Calendrier", "detail": "", "url": "/calendar"} in suggest(admin, "calend")["Pages"]
    for hits in (*suggest(admin, "legoff").values(), *suggest(admin, "horaires").values()):
        for hit in hits:
            assert admin.client.get(hit["url"]).status_code == 200, hit


@pytest.mark.parametrize("text", ["", "l", "  ", "%", "_", "\\", "zzz", "x" * 400, "<script>", "'; --"])
def test_what_names_nothing_finds_nothing(town: NamedTown, person: Callable[..., Person], text: str) -> None:
    admin = person(town.town_id, Role.TOWN_ADMIN)
    assert suggest(admin, text) == {}
    page = admin.client.get("/search", params={"q": text})
    assert page.status_code == 200
    assert "<script>" not in page.text


def test_each_role_finds_only_what_it_may_see(town: NamedTown, person: Callable[..., Person]) -> None:
    head = person(town.town_id, Role.HEAD, school_id=town.school_id)
    assert [each["label"] for each in suggest(head, "legoff")["Enfants"]] == ["Anne-Laure LE GOFF"]
    assert [each["label"] for each in suggest(head, "goffinet")["Personnels"]] == ["Lucie Goffinet"]
    assert "Applications" not in suggest(head, "mathador")
    assert "Écoles" not in suggest(head, "prévert")
    helpdesk = person(town.town_id, Role.HELPDESK)
    of_class = f"/?town={town.town_id}&school={town.other_school_id}&class_id={town.class_id}"
    assert [each["url"] for each in suggest(helpdesk, "legoff")["Enfants"]] == [f"/tablets/{town.tablet_id}", of_class]
    assert "Personnels" not in suggest(helpdesk, "goffinet")
    officer = person(town.town_id, Role.DPO)
    assert suggest(officer, "legoff") == {}
    assert suggest(officer, town.tag) == {}
    assert 'id="find"' not in officer.client.get("/data").text


def test_who_saw_whom_is_counted_and_a_search_on_the_page_is_an_audited_act(
    town: NamedTown, person: Callable[..., Person]
) -> None:
    helpdesk = person(town.town_id, Role.HELPDESK)
    for _ in range(3):
        suggest(helpdesk, "legoff")
    assert "Anne-Laure LE GOFF" in read(helpdesk.client.get("/search", params={"q": "legoff"}))
    with town.server.runtime.open_unit_of_work() as work:
        assert [row.access_count for row in work.session.scalars(select(RecordAccess))] == [4, 4]
        events = work.session.scalars(select(AuditEvent).where(AuditEvent.action == "pupil.search")).all()
        assert len(events) == 1
        assert "goff" not in str(events[0].details).lower()


def test_suggestions_cost_the_same_for_few_and_for_many(town: NamedTown, person: Callable[..., Person]) -> None:
    admin = person(town.town_id, Role.TOWN_ADMIN)
    suggest(admin, "legoff")
    with count_statements(town.server.runtime.engine) as few:
        suggest(admin, "legoff")
    with town.server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school, place = work.session.get_one(School, town.school_id), work.session.get_one(Town, town.town_id)
        for number in range(8):
            school_class = world.create_class(school, f"CP {number}")
            tablet = world.create_tablet(place)
            world.lend_tablet(tablet, world.create_pupil(school_class, last="LEGOFF", first=f"Élève{'ABCDEFGH'[number]}"))
    with count_statements(town.server.runtime.engine) as many:
        assert len(suggest(admin, "legoff")["Enfants"]) == 5
    assert len(few) == len(many) <= 24


def test_a_search_that_shows_only_the_first_says_so_and_leads_to_the_others(
    town: NamedTown, person: Callable[..., Person]
) -> None:
    with town.server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school = work.session.get_one(School, town.school_id)
        school_class = world.create_class(school, "CP A")
        for number in range(21):
            world.create_pupil(school_class, last="RAMEAU", first=f"Élève{chr(ord('A') + number)}")
        for number in range(19):
            world.create_class(school, f"CE1 {number}")
    admin = person(town.town_id, Role.TOWN_ADMIN)
    page = admin.client.get("/search", params={"q": "rameau"})
    assert page.text.count("RAMEAU</a>") == 20
    assert "Les 20 premiers sont affichés" in read(page)
    more = re.search(r'href="(/search\?q=rameau&amp;kind=pupils)"', page.text)
    assert more is not None
    every = admin.client.get(html.unescape(more[1]))
    assert every.text.count("RAMEAU</a>") == 21
    assert "premiers sont affichés" not in read(every)
    assert "premiers sont affichés" not in read(admin.client.get("/search", params={"q": "ce1"})), "19 of them are all"


def test_more_of_one_kind_opens_no_record_of_another(town: NamedTown, person: Callable[..., Person]) -> None:
    helpdesk = person(town.town_id, Role.HELPDESK)
    assert "LEGOFFIC" not in read(helpdesk.client.get("/search", params={"q": "legoff", "kind": "tablets"}))
    assert helpdesk.client.get("/search", params={"q": "legoff", "kind": "secrets"}).status_code == 422
    with town.server.runtime.open_unit_of_work() as work:
        assert not work.session.scalars(select(RecordAccess)).all()
