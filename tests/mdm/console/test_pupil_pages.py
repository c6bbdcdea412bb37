"""The pages of pupils: school, class and child; who has no tablet; what families ask for; each role sees what is its own."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM, Role
from enrollment.people import service as people
from enrollment.people.models import AccessKind, Guardian, GuardianLink, Pupil, RecordAccess
from enrollment.places.models import Grade, School, Town
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.repository import ScheduleRepository
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.server import LiveServer
from tests.support.statements import count_statements
from tests.support.world import TownFactory


class PupilTown:
    """Two schools with a class each: Zoé with a tablet and a guardian, Basile without, and Inès elsewhere."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            schools = [world.create_school(town, name) for name in ("Jules-Verne", "Pasteur")]
            classes = [world.create_class(school, label) for school, label in zip(schools, ("CE2 A", "CM1 B"), strict=True)]
            pupil = world.create_pupil(classes[0], first="Zoé")
            alone = world.create_pupil(classes[0], first="Basile", last="NOEL")
            other = world.create_pupil(classes[1], Grade.CM1, first="Inès", last="DIALLO")
            tablet = world.create_tablet(town)
            world.lend_tablet(tablet, pupil)
            guardian = Guardian(
                town_id=town.id, school_id=schools[0].id, last_name="MARTIN", first_name="Anne", name_hash="0" * 64
            )
            work.session.add(guardian)
            work.session.flush()
            work.session.add(GuardianLink(town_id=town.id, guardian_id=guardian.id, pupil_id=pupil.id))
            self.town_id, self.school_id, self.class_id = town.id, schools[0].id, classes[0].id
            self.pupil_id, self.alone_id, self.other_id = pupil.id, alone.id, other.id
            self.guardian_id, self.tag = guardian.id, tablet.tag


@pytest.fixture
def place(server: LiveServer) -> PupilTown:
    return PupilTown(server)


def test_from_the_town_to_the_child(server: LiveServer, person: Callable[..., Person], place: PupilTown) -> None:
    admin = person(place.town_id, Role.TOWN_ADMIN)
    overview = read(admin.client.get("/pupils"))
    assert "Jules-Verne" in overview
    assert "CE2 A 2 1 1" in overview
    without = read(admin.client.get("/pupils/without-tablet"))
    assert ("Basile NOEL" in without, "Inès DIALLO" in without, "Zoé" in without) == (True, True, False)
    assert place.tag in read(admin.client.get(f"/pupils/classes/{place.class_id}"))
    child = read(admin.client.get(f"/pupils/{place.pupil_id}"))
    assert place.tag in child
    assert "Anne MARTIN" in child
    with server.runtime.open_unit_of_work() as work:
        kinds = set(work.session.scalars(select(RecordAccess.kind).where(RecordAccess.pupil_id == place.pupil_id)))
    assert kinds == {AccessKind.CLASS_LIST, AccessKind.RECORD, AccessKind.ROSTER}


def test_a_rule_of_the_family_from_the_wish_to_its_withdrawal(person: Callable[..., Person], place: PupilTown) -> None:
    head = person(place.town_id, Role.HEAD, school_id=place.school_id)
    page = f"/pupils/{place.pupil_id}"
    refused = send(head, f"{page}/rules", guardian_id=place.guardian_id, kind="quiet", window_from="19:00")
    assert refused.status_code == 422
    assert 'value="19:00"' in refused.text, "what was typed stays"
    rule = {"guardian_id": place.guardian_id, "kind": "quiet", "window_from": "19:00", "window_to": "07:30"}
    assert send(head, f"{page}/rules", **rule).status_code == 303
    text = head.client.get(page).text
    assert "19:00 – 07:30" in text
    withdraw = re.search(rf'action="({page}/rules/[^"]+/withdraw)"', text)
    assert withdraw is not None
    assert send(head, withdraw[1]).status_code == 303
    assert "19:00 – 07:30" not in head.client.get(page).text
    site = {"guardian_id": place.guardian_id, "kind": "only_listed_sites", "subject": "https://École-à-la-mer.example/accueil"}
    assert send(head, f"{page}/rules", **site).status_code == 303
    assert "<code>école-à-la-mer.example</code>" in head.client.get(page).text
    assert send(head, f"{page}/rules", **site | {"subject": "pas de site"}).status_code == 422
    assert send(head, f"{page}/guardians/{place.guardian_id}/court-order", in_force="true").status_code == 303
    assert "Retirer la mention du tribunal" in read(head.client.get(page))
    assert send(head, f"{page}/guardians/{place.guardian_id}/court-order").status_code == 303
    assert "Retirer la mention du tribunal" not in read(head.client.get(page))


def test_the_head_notes_where_a_child_is_after_class(server: LiveServer, person: Callable[..., Person], place: PupilTown) -> None:
    head = person(place.town_id, Role.HEAD, school_id=place.school_id)
    assert send(head, f"/pupils/{place.pupil_id}/after-school", where="attends").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        row = ScheduleRepository(work.session).get_pupil_after_school(place.pupil_id)
    assert row is not None
    assert row.after_school is AfterSchool.ATTENDS
    assert send(head, f"/pupils/{place.other_id}/after-school", where="attends").status_code == 404


def test_a_substitute_from_the_name_to_the_end(person: Callable[..., Person], place: PupilTown) -> None:
    head = person(place.town_id, Role.HEAD, school_id=place.school_id)
    page = f"/pupils/schools/{place.school_id}"
    names = {"class_id": place.class_id, "last_name": "Ben", "first_name": "Ali"}
    refused = send(head, f"{page}/substitutes", **names, last_day="2020-01-01")
    assert (refused.status_code, 'value="Ben"' in refused.text) == (422, True)
    assert send(head, f"{page}/substitutes", **names).status_code == 303
    text = head.client.get(page).text
    assert "Ali Ben" in text
    end = re.search(rf'action="({page}/substitutes/[^"]+/end)"', text)
    assert end is not None
    assert send(head, end[1]).status_code == 303
    assert "Ali Ben" not in head.client.get(page).text


def test_the_data_of_a_child_are_read_taken_out_and_erased(person: Callable[..., Person], place: PupilTown) -> None:
    admin, dpo = person(place.town_id, Role.TOWN_ADMIN), person(place.town_id, Role.DPO)
    admin.client.get(f"/pupils/{place.alone_id}")
    page = f"/data/pupils/{place.alone_id}"
    assert "la page de l'enfant" in read(dpo.client.get(page))
    assert send(dpo, f"{page}/export").headers["content-type"] == "application/pdf"
    assert "Basile" in send(dpo, f"{page}/export", as_json="true").text
    lent = send(dpo, f"/data/pupils/{place.pupil_id}/erase", reason="demande 12")
    assert lent.status_code == 409
    assert 'value="demande 12"' in lent.text
    assert send(dpo, f"{page}/erase", reason="demande 12").status_code == 303
    assert dpo.client.get(f"{page}?done=erased").status_code == 200
    assert admin.client.get(f"/pupils/{place.alone_id}").status_code == 404


def test_each_role_sees_its_own_children(person: Callable[..., Person], place: PupilTown) -> None:
    head = person(place.town_id, Role.HEAD, school_id=place.school_id)
    assert "Pasteur" not in read(head.client.get("/pupils"))
    assert "Inès" not in read(head.client.get("/pupils/without-tablet"))
    helpdesk, dpo = person(place.town_id, Role.HELPDESK), person(place.town_id, Role.DPO)
    for address in ("/pupils", f"/pupils/classes/{place.class_id}", f"/pupils/schools/{place.school_id}"):
        assert helpdesk.client.get(address).status_code in (403, 404), address
    seen = read(helpdesk.client.get(f"/pupils/{place.pupil_id}"))
    assert place.tag in seen
    assert "Anne" not in seen, "guardians are the head's and the administrator's"
    for address in (f"/pupils/{place.pupil_id}", f"/pupils/classes/{place.class_id}"):
        assert dpo.client.get(address).status_code == 404
    assert helpdesk.client.get(f"/data/pupils/{place.pupil_id}").status_code == 404


def test_the_pages_cost_the_same_for_any_number_of_children(
    server: LiveServer, person: Callable[..., Person], place: PupilTown
) -> None:
    admin = person(place.town_id, Role.TOWN_ADMIN)
    addresses = ("/pupils", "/pupils/without-tablet", f"/pupils/classes/{place.class_id}")

    def measure() -> list[int]:
        counts = []
        for address in addresses:
            admin.client.get(address)
            with count_statements(server.runtime.engine) as statements:
                assert admin.client.get(address).status_code == 200
            counts.append(len(statements))
        return counts

    before = measure()
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        from enrollment.places.models import SchoolClass

        school_class = work.session.get_one(SchoolClass, place.class_id)
        for _ in range(20):
            world.create_pupil(school_class)
    assert measure() == before


def test_classes_are_listed_from_cp_to_cm2_on_every_page(
    server: LiveServer, person: Callable[..., Person], place: PupilTown
) -> None:
    labels = ["CM1 A", "CP B", "GS", "CE1 A", "CM2", "CP A"]
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school = work.session.get_one(School, place.school_id)
        for number, label in enumerate(labels):
            pupil = world.create_pupil(world.create_class(school, label), last=f"N{chr(65 + number)}")
            tablet = world.create_tablet(work.session.get_one(Town, place.town_id))
            world.lend_tablet(tablet, pupil)
    in_order = ["GS", "CP A", "CP B", "CE1 A", "CE2 A", "CM1 A", "CM2"]
    admin = person(place.town_id, Role.TOWN_ADMIN)
    for page in ("/pupils", f"/desk/{place.town_id}", "/accounts", f"/pupils/schools/{place.school_id}"):
        shown = re.findall(rf">\s*({'|'.join(in_order)})\s*<", admin.client.get(page).text)
        assert list(dict.fromkeys(shown)) == in_order, page
    tablets = admin.client.get("/", params={"sort": "class", "columns": "class"}).text
    assert list(dict.fromkeys(re.findall(rf"<td[^>]*>\s*({'|'.join(in_order)})\s*<", tablets))) == in_order
    with server.runtime.open_unit_of_work() as work:
        assert [row.label for row, _ in people.list_classes(work, SYSTEM, place.school_id)] == in_order, "as the API returns them"


def test_a_class_without_a_tablet_is_told_so_and_not_that_school_is_out(
    server: LiveServer, person: Callable[..., Person], place: PupilTown
) -> None:
    with server.runtime.open_unit_of_work() as work:
        pupil = work.session.get_one(Pupil, place.other_id)
        class_id, school_id = pupil.class_id, pupil.school_id
    head = person(place.town_id, Role.HEAD, school_id=school_id)
    page = head.client.get(f"/class?class_id={class_id}").text
    assert "Aucune tablette n'est prêtée dans cette classe" in html.unescape(page)
    assert f"/class/{class_id}/start" not in page
    refused = send(head, f"/class/{class_id}/start", minutes="45", preset="free")
    assert (refused.status_code, "temps scolaire ou périscolaire ouvert" in html.unescape(refused.text)) == (409, False)
