"""Imports of pupils: every kind of difference, what is unknown removes nothing, the guard, undo, two files at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.outbox import OutboxRow, Topic
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.people.models import PupilState
from enrollment.places.models import Grade, SchoolClass
from enrollment.rosters.errors import (
    ImportFinished,
    ImportNeedsSecondPerson,
    ImportStale,
    LineAlreadyDecided,
    NotACandidate,
    NotTheLastImport,
    SchoolRequired,
    UndoBlocked,
)
from enrollment.rosters.imports import previewing, service
from enrollment.rosters.imports.deciding import decide_line
from enrollment.rosters.models import ImportState, RosterImport
from tests.enrollment.rosters.files import ONDE, OWN, build_oneroster, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.audit_trail import find_fault
from tests.support.world import create_actor

ZOE = onde_line("EL HADJ", "Zoé", ine="1234567890A", label="CE2  A", number="7", grade="CE2")
TWINS = [
    onde_line("MARTIN", first, label="CE2  A", number="7", grade="CE2", born="03/03/2018") for first in ("Martin", "Martine")
]
OTHERS = [onde_line(f"AUTRE{n}", "Léa", ine=f"{n:010d}B", label="CM1", number="8", grade="CM1") for n in range(20)]
FILE = text_file(ONDE, ZOE, *TWINS, *OTHERS)


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def test_the_same_file_twice_changes_nothing(scenario: SchoolScenario) -> None:
    first = scenario.import_file(FILE)
    assert (first.counts["new"], first.state) == (23, ImportState.CONFIRMED)
    again = scenario.import_file(FILE)
    assert (again.counts["unchanged"], again.counts["new"], again.counts["left_file"]) == (23, 0, 0)
    assert len(scenario.get_pupils()) == 23
    assert sorted(scenario.get_class_labels().values()) == ["CE2 A", "CM1"]


def test_each_kind_of_difference(scenario: SchoolScenario) -> None:
    scenario.import_file(FILE)
    changed = [
        onde_line("EL HADJ", "Zoé", usage="BEN", ine="1234567890A", label="CE2  A", number="7", grade="CE2"),
        onde_line("MARTIN", "Martin", label="CM1", number="8", grade="CE2", born="03/03/2018"),
        onde_line("MARTIN", "Martine", label="CE2  A", number="7", grade="CM1", born="03/03/2018"),
        onde_line("NOUVEAU", "Ana", label="CM2", number="9", grade="CM2"),
        onde_line("SANS NIVEAU", "Ana", label="CM2", number="9", grade=""),
        *[onde_line("DOUBLE", "Ana", label="CM2", number="9", grade="CM2")] * 2,
        *OTHERS[1:],
    ]
    made = scenario.preview_file(text_file(ONDE, *changed))
    assert {k: v for k, v in made.counts.items() if k not in ("ignored", "by_subject", "skipped", "year", "frozen")} == {
        "new": 1, "unchanged": 19, "renamed": 1, "moved_class": 1, "changed_grade": 1, "left_file": 1, "duplicate": 2, "ambiguous": 0, "invalid": 1,
    }  # fmt: skip
    assert not made.needs_second_person
    assert [line for line in scenario.list_lines(made) if line[1] not in ("unchanged", "new")] == [
        ("EL HADJ", "renamed", ("usage_name",)), ("MARTIN", "moved_class", ("class",)), ("MARTIN", "changed_grade", ("grade",)),
        ("SANS NIVEAU", "invalid", ("unknown_grade",)), ("DOUBLE", "duplicate", ("twice_in_file",)),
        ("DOUBLE", "duplicate", ("twice_in_file",)), ("AUTRE0", "left_file", ()),
    ]  # fmt: skip
    service.confirm_import(scenario.work, scenario.admin, made.id)
    assert scenario.get_pupil("EL HADJ Zoé").usage_name == "BEN"
    assert scenario.get_class_labels()[scenario.get_pupil("MARTIN Martin").class_id or new_id()] == "CM1"
    assert scenario.get_pupil("MARTIN Martine").grade is Grade.CM1
    gone = scenario.get_pupil("AUTRE0 Léa")
    assert (gone.state, gone.absent_since) == (PupilState.ABSENT_FROM_ROSTER, scenario.work.now.date())
    back = scenario.import_file(FILE)
    assert scenario.get_pupil("AUTRE0 Léa").state is PupilState.ACTIVE
    assert back.counts["renamed"] == 2, "one came back, one lost the usage name"


def test_what_a_file_does_not_contain_changes_nothing(scenario: SchoolScenario) -> None:
    scenario.import_file(FILE)
    pupil = scenario.get_pupil("EL HADJ Zoé")
    pupil.take_home, pupil.usage_name = False, "BEN"
    scenario.work.session.flush()
    before = (pupil.ine_hash, pupil.birth_hash)
    lines = [
        f";{scenario.school.uai};CE2 A;CE2;EL HADJ;Zoé;;"[1:],
        *(f"{scenario.school.uai};CE2 A;CE2;MARTIN;{first};;" for first in ("Martin", "Martine")),
    ]
    own = scenario.import_file(text_file(OWN, *lines, *(f"{scenario.school.uai};CM1;CM1;AUTRE{n};Léa;;" for n in range(20))))
    assert (own.counts["left_file"], own.counts["new"]) == (0, 0)
    after = scenario.get_pupil("EL HADJ Zoé")
    assert (after.take_home, after.usage_name, after.ine_hash, after.birth_hash) == (False, "BEN", *before)
    partial = scenario.import_file(text_file(OWN, f"{scenario.school.uai};CE2 A;CE2;EL HADJ;Zoé;oui;"), only_classes=True)
    assert partial.counts["left_file"] == 2, "of the class that the file names"
    assert scenario.get_pupil("EL HADJ Zoé").take_home is True


def test_an_identifier_is_learnt_once(scenario: SchoolScenario) -> None:
    scenario.import_file(text_file(OWN, f"{scenario.school.uai};CE2 A;CE2;EL HADJ;Zoé;;"))
    learnt = scenario.import_file(text_file(ONDE, ZOE))
    assert scenario.list_lines(learnt) == [("EL HADJ", "renamed", ("identifier",))]
    assert list(scenario.get_class_labels().values()) == ["CE2 A"], "the class takes ONDE's number, it is not made again"
    assert scenario.import_file(text_file(ONDE, ZOE)).counts["unchanged"] == 1
    assert len(scenario.get_pupils()) == 1


def test_homonyms_are_distinguished_by_class_and_else_left_to_a_person(scenario: SchoolScenario) -> None:
    lines = [f"{scenario.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP A", "CP B")]
    scenario.import_file(text_file(OWN, *lines))
    assert len(scenario.work.session.scalars(select(SchoolClass)).all()) == 2
    again = scenario.preview_file(text_file(OWN, *lines))
    assert again.counts["unchanged"] == 2
    moved = scenario.preview_file(text_file(OWN, f"{scenario.school.uai};CP C;CP;MARTIN;Zoé;;", lines[0]))
    assert scenario.list_lines(moved)[1][1] == "unchanged"
    assert scenario.list_lines(moved)[0][1] == "moved_class", "the only one left of that name"
    both = scenario.preview_file(
        text_file(OWN, *(f"{scenario.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP C", "CP D")))
    )
    assert [line[1] for line in scenario.list_lines(both)] == ["ambiguous", "ambiguous"], "nobody has left, nobody is guessed"


def test_a_person_decides_about_an_ambiguous_line(scenario: SchoolScenario) -> None:
    rows = [f"{scenario.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP A", "CP B")]
    scenario.import_file(text_file(OWN, *rows))
    made = scenario.preview_file(
        text_file(OWN, *(f"{scenario.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP C", "CP D")))
    )
    lines = service.list_lines(scenario.work, scenario.admin, made.id)
    candidates = [UUID(each) for each in lines[0]["candidates"]]
    assert len(candidates) == 2
    with pytest.raises(NotACandidate):
        decide_line(scenario.work, scenario.admin, made.id, 0, new_id())
    with pytest.raises(NotFound):
        decide_line(scenario.work, scenario.admin, made.id, 9, None)
    decide_line(scenario.work, scenario.admin, made.id, 0, candidates[0])
    with pytest.raises(LineAlreadyDecided):
        decide_line(scenario.work, scenario.admin, made.id, 0, None)
    with pytest.raises(LineAlreadyDecided):
        decide_line(scenario.work, scenario.admin, made.id, 1, candidates[0])
    decided = decide_line(scenario.work, scenario.admin, made.id, 1, None)
    assert (decided.counts["moved_class"], decided.counts["new"], decided.counts["ambiguous"]) == (1, 1, 0)
    service.confirm_import(scenario.work, scenario.admin, made.id)
    assert len(scenario.work.session.scalars(select(SchoolClass)).all()) == 4


def test_one_class_does_not_remove_the_others(scenario: SchoolScenario) -> None:
    scenario.import_file(FILE)
    made = scenario.preview_file(text_file(ONDE, ZOE, TWINS[0]))
    assert (made.counts["left_file"], made.counts["unchanged"], made.needs_second_person) == (1, 2, False)
    assert scenario.list_lines(made)[-1][0] == "MARTIN"


def test_above_the_guard_another_person_confirms(scenario: SchoolScenario) -> None:
    scenario.import_file(FILE)
    made = scenario.preview_file(text_file(ONDE, *OTHERS[:5], ZOE))
    assert (made.counts["left_file"], made.needs_second_person) == (17, True)
    with pytest.raises(ImportNeedsSecondPerson):
        service.confirm_import(scenario.work, scenario.admin, made.id)
    assert service.confirm_import(scenario.work, scenario.second, made.id).state is ImportState.CONFIRMED
    empty = scenario.preview_file(text_file(ONDE))
    assert (empty.counts["left_file"], empty.needs_second_person) == (6, True)


def test_a_pupil_who_moves_to_another_school_keeps_the_tablet(scenario: SchoolScenario) -> None:
    scenario.import_file(FILE)
    other = scenario.world.create_school(scenario.town, "École Simone-Veil")
    pupil = scenario.get_pupil("EL HADJ Zoé")
    tablet = scenario.world.create_tablet(scenario.town)
    scenario.world.lend_tablet(tablet, pupil)
    arriving = text_file(ONDE, onde_line("EL HADJ", "Zoé", ine="1234567890A", label="CE2 Z", number="70", grade="CE2"))
    still_there = scenario.preview_file(arriving, school=other)
    assert scenario.list_lines(still_there)[0][1:] == ("ambiguous", ("active_in_other_school",)), (
        "at two schools: a person decides"
    )
    scenario.import_file(text_file(ONDE, *TWINS, *OTHERS))
    made = scenario.preview_file(arriving, school=other)
    assert scenario.list_lines(made)[0][1:] == ("moved_class", ("other_school",))
    service.confirm_import(scenario.work, scenario.admin, made.id)
    scenario.work.session.expire_all()
    assert (scenario.get_pupil("EL HADJ Zoé").school_id, tablet.school_id) == (other.id, other.id)
    assert len(scenario.get_pupils()) == 23
    due = scenario.work.session.scalars(select(OutboxRow.key).where(OutboxRow.topic == Topic.RECONCILE)).all()
    assert list(due) == [str(tablet.id)]
    service.undo_import(scenario.work, scenario.admin, made.id)
    scenario.work.session.expire_all()
    assert (scenario.get_pupil("EL HADJ Zoé").school_id, tablet.school_id) == (scenario.school.id, scenario.school.id)


def test_two_schools_in_one_file_and_a_school_of_elsewhere(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town, "École Simone-Veil")
    elsewhere = scenario.world.create_school(scenario.world.create_town("Autre-Ville"))
    file = text_file(
        OWN, *(f"{school.uai};CP A;CP;MARTIN;Zoé;;" for school in (scenario.school, other, elsewhere)), "0951099E;CP A;CP;A;B;;"
    )
    made = scenario.preview_file(file, named=False)
    assert (made.counts["new"], made.counts["invalid"], made.school_id) == (2, 2, None)
    assert [line[1:] for line in scenario.list_lines(made)][-2:] == [("invalid", ("unknown_school",))] * 2
    named = scenario.preview_file(file)
    assert [line[1:] for line in scenario.list_lines(named)][1:] == [("invalid", ("other_school_than_named",))] * 3
    service.confirm_import(scenario.work, scenario.admin, made.id)
    swapped = text_file(OWN, f"{other.uai};CP A;CP;MARTIN;Zoé;;", f"{scenario.school.uai};CP A;CP;PETIT;Léo;;")
    assert scenario.preview_file(swapped, named=False).counts["left_file"] == 1
    with pytest.raises(SchoolRequired):
        scenario.preview_file(FILE, named=False)
    with pytest.raises(NotFound):
        scenario.preview_file(FILE, school=elsewhere)


def test_an_exchange_between_two_schools_of_one_file(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town, "École Simone-Veil")
    scenario.import_file(text_file(ONDE, ZOE, *OTHERS))
    scenario.import_file(text_file(ONDE, *TWINS), school=other)
    here = scenario.get_pupil("EL HADJ Zoé")
    assert here.ine_hash
    users = build_oneroster(other.uai)  # names Zoé by her INE, and a second pupil
    made = scenario.preview_file(users, named=False)
    assert scenario.list_lines(made)[0][1:] == ("ambiguous", ("active_in_other_school",))


def test_undo_puts_back_what_was_there(scenario: SchoolScenario, runtime: Runtime) -> None:
    scenario.import_file(FILE)
    before = {name: (p.grade, p.class_id, p.state, p.usage_name, p.school_id) for name, p in scenario.get_pupils().items()}
    classes = scenario.get_class_labels()
    wrong = scenario.import_file(
        text_file(ONDE, *(onde_line(f"FAUX{n}", "X", label="CP", number=str(n % 2), grade="CP") for n in range(30)))
    )
    scenario.get_pupil("EL HADJ Zoé").take_home = False  # somebody's own change, after the import
    assert wrong.counts["left_file"] == 23
    assert service.undo_import(scenario.work, scenario.admin, wrong.id).state is ImportState.UNDONE
    assert {
        name: (p.grade, p.class_id, p.state, p.usage_name, p.school_id) for name, p in scenario.get_pupils().items()
    } == before
    assert scenario.get_pupil("EL HADJ Zoé").take_home is False
    assert scenario.get_class_labels() == classes
    with pytest.raises(ImportFinished):
        service.undo_import(scenario.work, scenario.admin, wrong.id)
    assert find_fault(scenario.work, scenario.town.id) is None
    assert scenario.import_file(FILE).counts["unchanged"] == 23


def test_undo_is_refused_when_it_would_pull_a_tablet_out_of_a_childs_hands(scenario: SchoolScenario) -> None:
    made = scenario.import_file(FILE)
    scenario.world.lend_tablet(scenario.world.create_tablet(scenario.town), scenario.get_pupil("EL HADJ Zoé"))
    with pytest.raises(UndoBlocked) as caught:
        service.undo_import(scenario.work, scenario.admin, made.id)
    assert caught.value.details == {"pupils": 1}
    assert len(scenario.get_pupils()) == 23


def test_only_the_last_import_is_undone_and_only_within_a_day(scenario: SchoolScenario) -> None:
    first = scenario.import_file(FILE)
    scenario.work.now += timedelta(minutes=1)
    second = scenario.import_file(text_file(ONDE, ZOE, *TWINS, *OTHERS[1:]))
    with pytest.raises(NotTheLastImport):
        service.undo_import(scenario.work, scenario.admin, first.id)
    scenario.work.now += timedelta(hours=25)
    assert service.purge_expired_plans(scenario.work) == 2
    scenario.work.session.expire_all()
    with pytest.raises(ImportFinished):
        service.undo_import(scenario.work, scenario.admin, second.id)
    with pytest.raises(ImportFinished):
        service.list_lines(scenario.work, scenario.admin, second.id)


def test_two_previews_of_one_file_make_no_child_twice(scenario: SchoolScenario) -> None:
    first, second = scenario.preview_file(FILE), scenario.preview_file(FILE)
    scenario.work.now += timedelta(minutes=1)
    service.confirm_import(scenario.work, scenario.admin, first.id)
    with pytest.raises(ImportStale):
        service.confirm_import(scenario.work, scenario.admin, second.id)
    with pytest.raises(ImportFinished):
        service.confirm_import(scenario.work, scenario.admin, first.id)
    assert len(scenario.get_pupils()) == 23


def test_a_preview_is_a_day_old_at_most(scenario: SchoolScenario) -> None:
    made = scenario.preview_file(FILE)
    scenario.work.now += timedelta(hours=24, seconds=1)
    with pytest.raises(ImportFinished):
        service.confirm_import(scenario.work, scenario.admin, made.id)
    service.purge_expired_plans(scenario.work)
    scenario.work.session.expire_all()
    assert scenario.work.session.get_one(RosterImport, made.id).state is ImportState.DISCARDED
    assert scenario.get_pupils() == {}


def test_a_new_school_year_makes_new_classes(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        scenario.import_file(FILE)
        old = set(scenario.get_class_labels())
    clock.advance(timedelta(days=300))
    with runtime.open_unit_of_work() as work:
        scenario.work = work
        made = scenario.import_file(FILE)
        assert made.counts["moved_class"] == 23
        assert old < set(scenario.get_class_labels())
        assert len(scenario.get_class_labels()) == 4


def test_tenant_isolation(scenario: SchoolScenario) -> None:
    stranger = create_actor(Role.TOWN_ADMIN, scenario.world.create_town("Autre-Ville"), name="stranger")
    helpdesk = create_actor(Role.HELPDESK, scenario.town, name="helpdesk")
    for actor in (stranger, helpdesk):
        with pytest.raises(Forbidden):
            previewing.preview_import(scenario.work, actor, scenario.town.id, FILE, scenario.school.uai)
    made = scenario.preview_file(FILE)
    for act in (service.get_import, service.list_lines, service.confirm_import, service.undo_import, service.discard_import):
        for actor in (stranger, helpdesk):
            with pytest.raises(NotFound):
                act(scenario.work, actor, made.id)
    assert service.list_imports(scenario.work, stranger, scenario.town.id).items == []


def test_a_head_brings_the_own_school_and_a_technician_a_named_one(scenario: SchoolScenario) -> None:
    other = scenario.world.create_school(scenario.town)
    head = create_actor(Role.HEAD, scenario.town, scenario.school, name="head")
    technician = create_actor(Role.TECHNICIAN, scenario.town, name="technician")
    for actor in (head, technician):
        assert previewing.preview_import(scenario.work, actor, scenario.town.id, FILE, scenario.school.uai).counts["new"] == 23
    of_both = text_file(OWN, f"{scenario.school.uai};CP A;CP;A;B;;", f"{other.uai};CP A;CP;C;D;;")
    with pytest.raises(Forbidden):
        previewing.preview_import(scenario.work, head, scenario.town.id, FILE, other.uai)
    with pytest.raises(Forbidden):
        previewing.preview_import(scenario.work, head, scenario.town.id, of_both)
    with pytest.raises(SchoolRequired):
        previewing.preview_import(scenario.work, technician, scenario.town.id, of_both)
    assert previewing.preview_import(scenario.work, scenario.admin, scenario.town.id, of_both).counts["new"] == 2
    theirs = scenario.preview_file(FILE, school=other)
    with pytest.raises(NotFound):
        service.confirm_import(scenario.work, head, theirs.id)
