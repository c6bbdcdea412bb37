"""Names are found by the beginnings of their words, in the actor's reach alone, and the index follows every change of a name."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, select

from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people import name_index, service
from enrollment.people.models import Pupil, PupilNamePrefix, StaffMember, StaffNamePrefix
from enrollment.people.staff import add_staff_member
from enrollment.places.models import Town
from mdm.privacy.erasing import erase_identities
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.statements import count_statements
from tests.support.world import TownFactory, create_actor


def search(work: UnitOfWork, actor: Actor, town: Town, text: str) -> list[str]:
    return [f"{pupil.first_name} {pupil.last_name}" for pupil in service.search_pupils(work, actor, {town.id}, text)]


def count_rows(work: UnitOfWork, pupil: Pupil) -> int:
    statement = select(func.count()).select_from(PupilNamePrefix).where(PupilNamePrefix.pupil_id == pupil.id)
    return work.session.scalar(statement) or 0


@pytest.mark.parametrize(
    "text",
    [
        "le goff",
        "LEGOFF",
        "goff",
        "gof",
        "anne",
        "Anne-Laure le",
        "laure L",
        "annelaure",
        "légoff",
        "oeuvrard",
        "œuv",
        "le  GOFF-oeuvrard",
    ],
)
def test_a_child_is_found_however_the_name_is_typed(runtime: Runtime, text: str) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        world.create_pupil(school_class, last="LE GOFF-ŒUVRARD", first="Anne-Laure")
        world.create_pupil(school_class, last="ALEGOFF", first="Jeanne")
        assert search(work, create_actor(Role.HELPDESK, town), town, text) == ["Anne-Laure LE GOFF-ŒUVRARD"]


@pytest.mark.parametrize("text", ["", "  ", "-", "go", "off", "goff zoe", "annelaurent"])
def test_what_begins_no_word_finds_nobody(runtime: Runtime, text: str) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        world.create_pupil(world.create_class(world.create_school(town)), last="LE GOFF", first="Anne-Laure")
        assert search(work, create_actor(Role.HELPDESK, town), town, text) == []


def test_short_names_are_found_whole_and_exact_ones_come_before_the_limit(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town))
        for number in range(4):
            world.create_pupil(school_class, last=f"MARTINEZ{'ABCD'[number]}", first="Li")
        world.create_pupil(school_class, last="MARTIN", first="Zoé")
        monkeypatch.setattr("enrollment.people.name_index_repository.MAX_CANDIDATES", 2)
        helpdesk = create_actor(Role.HELPDESK, town)
        assert "Zoé MARTIN" in search(work, helpdesk, town, "martin")
        assert len(search(work, helpdesk, town, "li")) == 2


def test_a_search_stays_in_its_towns_and_schools_and_costs_the_same_for_many(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        here, there = world.create_town("Ici"), world.create_town("Ailleurs")
        schools = [world.create_school(here, "A"), world.create_school(here, "B"), world.create_school(there, "C")]
        for number, school in enumerate(schools):
            world.create_pupil(world.create_class(school), last="MARTIN", first=f"Élève{'ABC'[number]}")
        head = create_actor(Role.HEAD, here, schools[0])
        assert search(work, head, here, "martin") == ["ÉlèveA MARTIN"]
        assert search(work, head, there, "martin") == []
        grants = [create_actor(Role.HELPDESK, town).role_assignments[0] for town in (here, there)]
        both = Actor(head.account_id, "both", tuple(grants))
        work.session.flush()
        with count_statements(runtime.engine) as one:
            service.suggest_pupils(work, both, {here.id}, "martin")
        with count_statements(runtime.engine) as many:
            assert len(service.suggest_pupils(work, both, {here.id, there.id}, "martin eleve")) == 3
        assert len(one) == len(many) == 2


def test_a_hash_of_one_town_is_worth_nothing_in_another(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        for name in ("Ici", "Ailleurs"):
            world.create_pupil(world.create_class(world.create_school(world.create_town(name))), last="MARTIN", first="Zoé")
        hashes = work.session.scalars(select(PupilNamePrefix.prefix_hash)).all()
        assert len(hashes) == len(set(hashes)) > 10


def test_the_index_follows_an_import_its_undo_and_an_erasure(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        school = SchoolScenario(work)
        school.import_file(text_file(ONDE, onde_line("MARTIN", "Zoé", ine="1234567890A", label="CE2 A", number="7", grade="CE2")))
        pupil = school.get_pupil("MARTIN Zoé")
        school.import_file(
            text_file(ONDE, onde_line("BERNARD", "Zoé", ine="1234567890A", label="CE2 A", number="7", grade="CE2"))
        )
        assert search(work, school.admin, school.town, "martin") == []
        assert search(work, school.admin, school.town, "bernard zoe") == ["Zoé BERNARD"]
        erase_identities(work, school.town.id, [pupil])
        assert search(work, school.admin, school.town, "bernard") == []
        assert count_rows(work, pupil) == 0


def test_whom_the_index_lacks_the_job_adds_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        school = SchoolScenario(work)
        pupil = school.world.create_pupil(school.world.create_class(school.school), last="MARTIN")
        add_staff_member(work, school.admin, school.school.id, last_name="Durand", first_name="Ana")
        before = count_rows(work, pupil)
        work.session.execute(delete(PupilNamePrefix))
        work.session.execute(delete(StaffNamePrefix))
        assert search(work, school.admin, school.town, "martin") == []
        assert name_index.index_missing_names(work) == 2
        assert (count_rows(work, pupil), name_index.index_missing_names(work)) == (before, 0)
        assert len(search(work, school.admin, school.town, "martin")) == 1


def test_a_deleted_adult_leaves_no_hash(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        school = SchoolScenario(work)
        member = add_staff_member(work, school.admin, school.school.id, last_name="Durand", first_name="Ana")
        assert work.session.scalar(select(func.count()).select_from(StaffNamePrefix))
        work.session.execute(delete(StaffMember).where(StaffMember.id == member.id))
        assert work.session.scalar(select(func.count()).select_from(StaffNamePrefix)) == 0
