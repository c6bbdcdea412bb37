"""Several people at once: two confirmations, an import during another, a file in the wrong school, an adult in two schools, an undo after
a handover; and what is said of columns for a whole town.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from cartable.errors import DomainError, Forbidden
from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime
from enrollment.people.models import PupilState
from enrollment.rosters.errors import ImportFinished, ImportStale, UndoBlocked, UnknownField
from enrollment.rosters.files.columns import FileKind
from enrollment.rosters.imports import mapping, service
from enrollment.rosters.models import ImportState
from enrollment.tablets.models import Loan
from tests.enrollment.rosters.files import ONDE, OWN, STAFF, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.world import create_actor

FILE = text_file(ONDE, *(onde_line(f"NOM{n}", "Zoé", ine=f"{n:010d}A") for n in range(30)))


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def test_two_administrators_confirm_at_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        made = scenario.preview_file(FILE)
        people, import_id = (scenario.admin, scenario.second), made.id
    together = Barrier(2)

    def confirm(actor: Actor) -> str:
        together.wait()
        try:
            with runtime.open_unit_of_work() as work:
                return service.confirm_import(work, actor, import_id).state.value
        except DomainError as refused:
            return refused.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(confirm, people))
    assert outcomes == ["confirmed", "import_finished"]
    with runtime.open_unit_of_work() as work:
        scenario.work = work
        assert len(scenario.get_pupils()) == 30


def test_an_import_that_was_previewed_while_another_was_confirmed_is_stale(runtime: Runtime) -> None:
    """Its clock says that it came later; it saw the school as it was before."""
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        first = scenario.preview_file(FILE)
        second = scenario.preview_file(FILE)
        second.uploaded_at += timedelta(minutes=5)
        ids = first.id, second.id
    with runtime.open_unit_of_work() as work:
        service.confirm_import(work, scenario.admin, ids[0])
    with runtime.open_unit_of_work() as work, pytest.raises(ImportStale):
        service.confirm_import(work, scenario.admin, ids[1])
    with runtime.open_unit_of_work() as work:
        scenario.work = work
        assert len(scenario.get_pupils()) == 30


def test_a_preview_of_a_day_ago_and_one_of_another_school_do_not_hinder(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town)
    made, theirs = scenario.preview_file(FILE), scenario.preview_file(text_file(ONDE, onde_line("AUTRE", "Léa")), school=other)
    service.confirm_import(scenario.work, scenario.admin, theirs.id)
    service.confirm_import(scenario.work, scenario.admin, made.id)
    late = scenario.preview_file(FILE)
    scenario.work.now += timedelta(hours=24, seconds=1)
    with pytest.raises(ImportFinished):
        service.confirm_import(scenario.work, scenario.admin, late.id)


def test_the_file_of_another_school_moves_nobody_unasked(scenario: SchoolScenario) -> None:
    """An ONDE file does not say its school: somebody names the wrong one."""
    other = scenario.world.create_school(scenario.town)
    scenario.import_file(FILE)
    into_an_empty_one = scenario.preview_file(FILE, school=other)
    assert into_an_empty_one.counts["ambiguous"] == 30
    assert into_an_empty_one.counts["new"] == 0
    assert {why for _, _, why in scenario.list_lines(into_an_empty_one)} == {("active_in_other_school",)}
    theirs = text_file(ONDE, *(onde_line(f"AUTRE{n}", "Léa", ine=f"{n:010d}B") for n in range(30)))
    scenario.import_file(theirs, school=other)
    swapped = scenario.preview_file(theirs)
    assert (swapped.counts["left_file"], swapped.needs_second_person, swapped.counts["ambiguous"]) == (30, True, 30)
    service.confirm_import(scenario.work, scenario.second, swapped.id)
    assert len(scenario.get_pupils()) == 60
    assert all(pupil.school_id == other.id for name, pupil in scenario.get_pupils().items() if name.startswith("AUTRE"))


def test_an_adult_with_a_fraction_in_two_schools_is_one_person(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town)
    both = text_file(OWN, f"{scenario.school.uai};CE1 A;CE1;A;B;;", f"{other.uai};CP A;CP;C;D;;")
    scenario.import_file(both, named=False)
    here = text_file(STAFF, f"{scenario.school.uai};DURAND;Paul;paul@ecole.example;CE1 A;part")
    there = text_file(STAFF, f"{other.uai};DURAND;Paul;paul@ecole.example;CP A;part")
    scenario.import_file(here)
    assert scenario.import_file(there, school=other).counts["new"] == 0
    assert scenario.get_staff()["Paul"][1] == [("CE1 A", "part", True), ("CP A", "part", True)]
    for file, school in ((here, scenario.school), (there, other)):
        assert scenario.import_file(file, school=school).counts["unchanged"] == 1
    scenario.import_file(text_file(STAFF, f"{other.uai};PETIT;Ana;;CP A;main"), school=other)
    member, places = scenario.get_staff()["Paul"]
    assert (member.state.value, places) == ("active", [("CE1 A", "part", True), ("CP A", "part", False)])


def test_undo_after_a_handover(scenario: SchoolScenario) -> None:
    """A pupil whom the import brought holds a tablet: refused. One who was there before: the tablet stays, and follows."""
    other = scenario.world.create_school(scenario.town)
    scenario.import_file(FILE)
    scenario.work.now += timedelta(minutes=1)
    gone = text_file(ONDE, *(onde_line(f"NOM{n}", "Zoé", ine=f"{n:010d}A") for n in range(1, 30)))
    scenario.import_file(gone)
    scenario.work.now += timedelta(minutes=1)
    arrived = scenario.import_file(
        text_file(ONDE, onde_line("NOM0", "Zoé", ine="0000000000A"), onde_line("NEUF", "Ana")), school=other
    )
    pupil, tablet = scenario.get_pupil("NOM0 Zoé"), scenario.world.create_tablet(scenario.town)
    scenario.world.lend_tablet(tablet, pupil)
    assert tablet.school_id == other.id
    loan = scenario.world.lend_tablet(scenario.world.create_tablet(scenario.town), scenario.get_pupil("NEUF Ana"))
    with pytest.raises(UndoBlocked):
        service.undo_import(scenario.work, scenario.admin, arrived.id)
    scenario.work.session.delete(loan)
    scenario.work.session.flush()
    assert service.undo_import(scenario.work, scenario.admin, arrived.id).state is ImportState.UNDONE
    scenario.work.session.expire_all()
    assert (scenario.get_pupil("NOM0 Zoé").school_id, scenario.get_pupil("NOM0 Zoé").state) == (
        scenario.school.id,
        PupilState.ABSENT_FROM_ROSTER,
    )
    assert tablet.school_id == scenario.school.id
    open_loans = scenario.work.session.scalars(select(Loan).where(Loan.pupil_id == pupil.id, Loan.closed_at.is_(None))).all()
    assert len(open_loans) == 1
    assert "NEUF Ana" not in scenario.get_pupils()


def test_a_town_maps_new_column_names_once(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town)
    file = text_file("Patronyme;Petit nom;Degré;Groupe de classe", "MARTIN;Zoé;CE1;CE1 A")
    named = {"Patronyme": "last_name", "Petit nom": "first_name", "Degré": "grade", "Groupe de classe": "class_label"}
    mapping.set_mapping(scenario.work, scenario.admin, scenario.town.id, None, FileKind.PUPILS, named)
    for school in (scenario.school, other):
        assert scenario.preview_file(file, school=school).counts["new"] == 1
    own = {"Groupe de classe": "-"}
    mapping.set_mapping(scenario.work, scenario.admin, scenario.town.id, other.id, FileKind.PUPILS, own)
    labels = [
        service.list_lines(scenario.work, scenario.admin, scenario.preview_file(file, school=each).id)[0]["row"]["class_label"]
        for each in (scenario.school, other)
    ]
    assert labels == ["CE1 A", ""], "what a school said of its own counts more"
    head = create_actor(Role.HEAD, scenario.town, other, name="head")
    mapping.set_mapping(scenario.work, head, scenario.town.id, other.id, FileKind.PUPILS, {})
    for school_id, wrong in ((None, Forbidden), (scenario.school.id, DomainError)):
        with pytest.raises(wrong):
            mapping.set_mapping(scenario.work, head, scenario.town.id, school_id, FileKind.PUPILS, {})
    with pytest.raises(UnknownField):
        mapping.set_mapping(scenario.work, scenario.admin, scenario.town.id, None, FileKind.PUPILS, {"Sexe": "sex"})
    assert mapping.get_mapping(scenario.work, scenario.admin, scenario.town.id, None)[FileKind.PUPILS]["petitnom"] == "first_name"
