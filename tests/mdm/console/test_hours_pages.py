"""The pages of the hours: the week from typing to preview to saving, single days, evaluations, and what a tablet will be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest

from cartable.scope import SYSTEM, Role
from enrollment.facts import load_facts
from profiles.schedule import authoring
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.world import TownFactory

WEEK = {f"{day}.school": "08:30-11:30, 13:30-16:30" for day in ("mon", "tue", "thu", "fri")}


class HoursTown:
    """A town with a school and one tablet on loan."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            school = world.create_school(town)
            tablet = world.create_tablet(town)
            world.lend_tablet(tablet, world.create_pupil(world.create_class(school)))
            self.town_id, self.school_id, self.tablet_id, self.tag = town.id, school.id, tablet.id, tablet.tag


@pytest.fixture
def place(server: LiveServer) -> HoursTown:
    return HoursTown(server)


@pytest.fixture
def admin(person: Callable[..., Person], place: HoursTown) -> Person:
    return person(place.town_id, Role.TOWN_ADMIN)


def has_timetable(server: LiveServer, town_id: UUID, school_id: UUID | None) -> bool:
    with server.runtime.open_unit_of_work() as work:
        return ScheduleRepository(work.session).get_timetable(town_id, school_id) is not None


def test_a_week_is_typed_seen_and_saved(server: LiveServer, admin: Person, place: HoursTown) -> None:
    assert "la ville n'a pas encore d'horaires" in read(admin.client.get("/hours")).lower()
    fields = {**WEEK, "wed.after_school": "8h30-17h Centre de loisirs", "night_from": "20:00", "night_to": "07:00"}
    preview = send(admin, f"/hours/{place.town_id}/preview", **fields)
    assert preview.status_code == 200
    assert "08:30-11:30 école" in preview.text
    assert "1 tablette" in read(preview)
    assert not has_timetable(server, place.town_id, None), "a preview stores nothing"
    assert send(admin, f"/hours/{place.town_id}", **fields).status_code == 303
    page = admin.client.get("/hours").text
    assert "08:30-17:00 Centre de loisirs" in page
    assert 'value="20:00"' in page
    with server.runtime.open_unit_of_work() as work:
        facts = load_facts(work, [place.tablet_id])
        monday = work.now.replace(hour=9, minute=0) + timedelta(days=7 - work.now.weekday())
        school = evaluate_modes(work, facts.values(), monday)[place.tablet_id]
    assert school.mode in (Mode.SCHOOL, Mode.HOLIDAY), "a holiday may fall on that Monday"


@pytest.mark.parametrize(("week", "wednesday"), [("four_days", ""), ("nine_half_days", "08:30-11:30")])
def test_an_ordinary_week_is_offered_changed_and_saved(
    server: LiveServer, admin: Person, place: HoursTown, week: str, wednesday: str
) -> None:
    address = f"/hours?town={place.town_id}&week={week}"
    assert f'href="{address}#change"' in unescape(admin.client.get("/hours").text)
    page = admin.client.get(address)
    fields = {name: unescape(value) for name, value in re.findall(r'name="([a-z]{3}\.\w+)" value="([^"]*)"', page.text)}
    assert (fields["wed.school"], len(fields), has_timetable(server, place.town_id, None)) == (wednesday, 14, False)
    fields["mon.school"] = "09:00-12:00, 14:00-17:00"
    fields["mon.after_school"] = ""
    hours = {**fields, "night_from": "20:00", "night_to": "07:00", "calendar": "zone"}
    assert "09:00-12:00 école" in send(admin, f"/hours/{place.town_id}/preview", **hours).text
    assert send(admin, f"/hours/{place.town_id}", **hours).status_code == 303
    saved = admin.client.get("/hours").text
    assert ("09:00-12:00, 14:00-17:00" in saved, "&amp;week=" in saved) == (True, False), "offered to who has no hours"
    assert admin.client.get(f"/hours?town={place.town_id}&week=none").status_code == 422


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"mon.school": "08:30"}, "Lundi : les heures s'écrivent"),
        ({"tue.school": "8h-10h, 9h-11h"}, "Mardi : deux plages se chevauchent"),
        ({"sun.after_school": "10:00-09:00"}, "Dimanche : la fin n'est pas après le début"),
        ({"night_from": "20:00"}, "Il manque une des deux heures"),
        ({"night_from": "20:00", "night_to": "19:59"}, "Trop long"),
    ],
)
def test_hours_that_cannot_be_come_back_as_typed(admin: Person, place: HoursTown, fields: dict[str, str], sentence: str) -> None:
    for path in (f"/hours/{place.town_id}/preview", f"/hours/{place.town_id}"):
        refused = send(admin, path, **fields)
        assert refused.status_code == 422
        assert sentence in read(refused)
        assert all(f'value="{value}"' in refused.text for value in fields.values())


def test_a_school_has_its_own_hours_and_gives_them_up(server: LiveServer, admin: Person, place: HoursTown) -> None:
    send(admin, f"/hours/{place.town_id}", **WEEK)
    school = str(place.school_id)
    assert send(admin, f"/hours/{place.town_id}", school=school, **{"mon.school": "09:00-12:00"}).status_code == 303
    own = admin.client.get(f"/hours?town={place.town_id}&school={school}").text
    assert "09:00-12:00" in own
    assert send(admin, f"/hours/{place.town_id}/remove", school=school).status_code == 303
    assert not has_timetable(server, place.town_id, place.school_id)
    assert "08:30-11:30" in admin.client.get(f"/hours?town={place.town_id}&school={school}").text
    assert send(admin, f"/hours/{place.town_id}/remove", school=school).status_code == 404
    assert send(admin, f"/hours/{place.town_id}", school=school, **{"mon.school": "10:00-12:00"}).status_code == 303
    assert has_timetable(server, place.town_id, place.school_id), "it may have its own again"


def test_single_days_and_evaluations(server: LiveServer, admin: Person, place: HoursTown) -> None:
    days = f"/hours/days/{place.town_id}"
    first = datetime.now(UTC).date() + timedelta(days=30)
    answer = send(admin, f"{days}/exceptions", kind="no_school", first=first, label="pont", school=str(place.school_id))
    assert answer.status_code == 303
    assert send(admin, f"{days}/exceptions", kind="early_end", first=first).status_code == 422
    assert send(admin, f"{days}/exceptions", kind="closed", first=first, last=first - timedelta(days=1)).status_code == 422
    assert send(admin, f"{days}/exceptions", kind="closed", first=first, last="demain").status_code == 422
    assert send(admin, f"{days}/exceptions", kind="no_school", first=first, school=str(place.town_id)).status_code == 404
    assert send(admin, f"{days}/exams", day=first, starts="09:00", ends="10:00", grade="CE2").status_code == 303
    assert send(admin, f"{days}/exams", day=first, starts="10:00", ends="09:00").status_code == 422
    page = read(admin.client.get(f"/hours/days?town={place.town_id}"))
    assert "pont" in page
    assert "09:00-10:00" in page
    with server.runtime.open_unit_of_work() as work:
        (override,) = ScheduleRepository(work.session).list_overrides([place.town_id])
        (exam,) = authoring.list_exams(work, SYSTEM, place.town_id)
    assert send(admin, f"{days}/exceptions/{override.id}/withdraw").status_code == 303
    assert send(admin, f"{days}/exceptions/{override.id}/withdraw").status_code == 404
    assert send(admin, f"{days}/exams/{exam.id}/delete").status_code == 303
    assert send(admin, f"{days}/exams/{exam.id}/delete").status_code == 404


def test_what_a_tablet_will_be(admin: Person, place: HoursTown, person: Callable[..., Person], server: LiveServer) -> None:
    send(admin, f"/hours/{place.town_id}", night_from="20:00", night_to="07:00", **WEEK)
    address = f"/hours/tablet?town={place.town_id}&q={place.tag}"
    night = read(admin.client.get(f"{address}&at=2026-12-03T22:10"))
    assert place.tag in night
    assert "repos de nuit" in night
    assert "08:30" not in night
    school = read(admin.client.get(f"{address}&at=2026-12-03T09:00"))
    assert "les horaires de la semaine" in school
    assert admin.client.get(f"{address}&at=demain").status_code == 200
    for wrong in ("demain", "9999-12-31T23:59", "0001-01-01T00:00", "2026-13-01T00:00"):
        assert "ne sont pas compris" in read(admin.client.get(f"{address}&at={wrong}"))
    assert "Aucune tablette" in read(admin.client.get(f"/hours/tablet?town={place.town_id}&q=zzz"))
    helpdesk = person(place.town_id, Role.HELPDESK)
    assert place.tag in helpdesk.client.get(address).text
    assert helpdesk.client.get("/hours").status_code == 404
    with server.runtime.open_unit_of_work() as work:
        other = TownFactory(work).create_town().id
    stranger = person(other, Role.TOWN_ADMIN)
    assert stranger.client.get(address).status_code == 404
    assert str(place.tablet_id) not in stranger.client.get(f"/hours/tablet?q={place.tag}").text
