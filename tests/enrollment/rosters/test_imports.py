"""Imports of pupils: every kind of difference, what is unknown removes nothing, the guard, undo, two files at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable import audit
from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.outbox import OutboxRow, Topic
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people.models import PupilState
from enrollment.places.models import Grade, SchoolClass
from enrollment.rosters.errors import (
    ImportFinished,
    ImportStale,
    LineAlreadyDecided,
    NotACandidate,
    NotTheLastImport,
    SchoolRequired,
    SecondPersonRequired,
    UndoBlocked,
)
from enrollment.rosters.imports import service
from enrollment.rosters.imports.deciding import decide_line
from enrollment.rosters.models import ImportState, RosterImport
from tests.enrollment.rosters.files import ONDE, OWN, onde_line, build_oneroster, text_file
from tests.enrollment.rosters.school import SchoolScenario

ZOE = onde_line("EL HADJ", "Zoé", ine="1234567890A", label="CE2  A", number="7", grade="CE2")
TWINS = [
    onde_line("MARTIN", first, label="CE2  A", number="7", grade="CE2", born="03/03/2018") for first in ("Martin", "Martine")
]
OTHERS = [onde_line(f"AUTRE{n}", "Léa", ine=f"{n:010d}B", label="CM1", number="8", grade="CM1") for n in range(20)]
FILE = text_file(ONDE, ZOE, *TWINS, *OTHERS)


@pytest.fixture
def one(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def test_the_same_file_twice_changes_nothing(one: SchoolScenario) -> None:
    first = one.import_file(FILE)
    assert (first.counts["new"], first.state) == (23, ImportState.CONFIRMED)
    again = one.import_file(FILE)
    assert (again.counts["unchanged"], again.counts["new"], again.counts["left_file"]) == (23, 0, 0)
    assert len(one.get_pupils()) == 23
    assert sorted(one.get_class_labels().values()) == ["CE2 A", "CM1"]


def test_each_kind_of_difference(one: SchoolScenario) -> None:
    one.import_file(FILE)
    changed = [
        onde_line("EL HADJ", "Zoé", usage="BEN", ine="1234567890A", label="CE2  A", number="7", grade="CE2"),
        onde_line("MARTIN", "Martin", label="CM1", number="8", grade="CE2", born="03/03/2018"),
        onde_line("MARTIN", "Martine", label="CE2  A", number="7", grade="CM1", born="03/03/2018"),
        onde_line("NOUVEAU", "Ana", label="CM2", number="9", grade="CM2"),
        onde_line("SANS NIVEAU", "Ana", label="CM2", number="9", grade=""),
        *[onde_line("DOUBLE", "Ana", label="CM2", number="9", grade="CM2")] * 2,
        *OTHERS[1:],
    ]
    made = one.preview_file(text_file(ONDE, *changed))
    assert {k: v for k, v in made.counts.items() if k not in ("ignored", "by_subject", "skipped", "year", "frozen")} == {
        "new": 1, "unchanged": 19, "renamed": 1, "moved_class": 1, "changed_grade": 1, "left_file": 1, "duplicate": 2, "ambiguous": 0, "invalid": 1,
    }  # fmt: skip
    assert not made.needs_second_person
    assert [line for line in one.list_lines(made) if line[1] not in ("unchanged", "new")] == [
        ("EL HADJ", "renamed", ("usage_name",)), ("MARTIN", "moved_class", ("class",)), ("MARTIN", "changed_grade", ("grade",)),
        ("SANS NIVEAU", "invalid", ("unknown_grade",)), ("DOUBLE", "duplicate", ("twice_in_file",)),
        ("DOUBLE", "duplicate", ("twice_in_file",)), ("AUTRE0", "left_file", ()),
    ]  # fmt: skip
    service.confirm_import(one.work, one.admin, made.id)
    assert one.get_pupil("EL HADJ Zoé").usage_name == "BEN"
    assert one.get_class_labels()[one.get_pupil("MARTIN Martin").class_id or new_id()] == "CM1"
    assert one.get_pupil("MARTIN Martine").grade is Grade.CM1
    gone = one.get_pupil("AUTRE0 Léa")
    assert (gone.state, gone.absent_since) == (PupilState.ABSENT_FROM_ROSTER, one.work.now.date())
    back = one.import_file(FILE)
    assert one.get_pupil("AUTRE0 Léa").state is PupilState.ACTIVE
    assert back.counts["renamed"] == 2, "one came back, one lost the usage name"


def test_what_a_file_does_not_tell_changes_nothing(one: SchoolScenario) -> None:
    one.import_file(FILE)
    pupil = one.get_pupil("EL HADJ Zoé")
    pupil.take_home, pupil.usage_name = False, "BEN"
    one.work.session.flush()
    before = (pupil.ine_hash, pupil.birth_hash)
    lines = [
        f";{one.school.uai};CE2 A;CE2;EL HADJ;Zoé;;"[1:],
        *(f"{one.school.uai};CE2 A;CE2;MARTIN;{first};;" for first in ("Martin", "Martine")),
    ]
    own = one.import_file(text_file(OWN, *lines, *(f"{one.school.uai};CM1;CM1;AUTRE{n};Léa;;" for n in range(20))))
    assert (own.counts["left_file"], own.counts["new"]) == (0, 0)
    after = one.get_pupil("EL HADJ Zoé")
    assert (after.take_home, after.usage_name, after.ine_hash, after.birth_hash) == (False, "BEN", *before)
    said = one.import_file(text_file(OWN, f"{one.school.uai};CE2 A;CE2;EL HADJ;Zoé;oui;"), only_classes=True)
    assert said.counts["left_file"] == 2, "of the class that the file names"
    assert one.get_pupil("EL HADJ Zoé").take_home is True


def test_an_identifier_is_learnt_once(one: SchoolScenario) -> None:
    one.import_file(text_file(OWN, f"{one.school.uai};CE2 A;CE2;EL HADJ;Zoé;;"))
    learnt = one.import_file(text_file(ONDE, ZOE))
    assert one.list_lines(learnt) == [("EL HADJ", "renamed", ("identifier",))]
    assert list(one.get_class_labels().values()) == ["CE2 A"], "the class takes ONDE's number, it is not made again"
    assert one.import_file(text_file(ONDE, ZOE)).counts["unchanged"] == 1
    assert len(one.get_pupils()) == 1


def test_homonyms_are_told_apart_by_class_and_else_left_to_a_person(one: SchoolScenario) -> None:
    lines = [f"{one.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP A", "CP B")]
    one.import_file(text_file(OWN, *lines))
    assert len(one.work.session.scalars(select(SchoolClass)).all()) == 2
    again = one.preview_file(text_file(OWN, *lines))
    assert again.counts["unchanged"] == 2
    moved = one.preview_file(text_file(OWN, f"{one.school.uai};CP C;CP;MARTIN;Zoé;;", lines[0]))
    assert one.list_lines(moved)[1][1] == "unchanged"
    assert one.list_lines(moved)[0][1] == "moved_class", "the only one left of that name"
    both = one.preview_file(text_file(OWN, *(f"{one.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP C", "CP D"))))
    assert [line[1] for line in one.list_lines(both)] == ["ambiguous", "ambiguous"], "nobody has left, nobody is guessed"


def test_a_person_decides_about_an_ambiguous_line(one: SchoolScenario) -> None:
    lines = [f"{one.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP A", "CP B")]
    one.import_file(text_file(OWN, *lines))
    made = one.preview_file(text_file(OWN, *(f"{one.school.uai};{label};CP;MARTIN;Zoé;;" for label in ("CP C", "CP D"))))
    told = service.list_lines(one.work, one.admin, made.id)
    candidates = [UUID(each) for each in told[0]["candidates"]]
    assert len(candidates) == 2
    with pytest.raises(NotACandidate):
        decide_line(one.work, one.admin, made.id, 0, new_id())
    with pytest.raises(NotFound):
        decide_line(one.work, one.admin, made.id, 9, None)
    decide_line(one.work, one.admin, made.id, 0, candidates[0])
    with pytest.raises(LineAlreadyDecided):
        decide_line(one.work, one.admin, made.id, 0, None)
    with pytest.raises(LineAlreadyDecided):
        decide_line(one.work, one.admin, made.id, 1, candidates[0])
    decided = decide_line(one.work, one.admin, made.id, 1, None)
    assert (decided.counts["moved_class"], decided.counts["new"], decided.counts["ambiguous"]) == (1, 1, 0)
    service.confirm_import(one.work, one.admin, made.id)
    assert len(one.work.session.scalars(select(SchoolClass)).all()) == 4


def test_one_class_does_not_remove_the_others(one: SchoolScenario) -> None:
    one.import_file(FILE)
    made = one.preview_file(text_file(ONDE, ZOE, TWINS[0]))
    assert (made.counts["left_file"], made.counts["unchanged"], made.needs_second_person) == (1, 2, False)
    assert one.list_lines(made)[-1][0] == "MARTIN"


def test_above_the_guard_another_person_confirms(one: SchoolScenario) -> None:
    one.import_file(FILE)
    made = one.preview_file(text_file(ONDE, *OTHERS[:5], ZOE))
    assert (made.counts["left_file"], made.needs_second_person) == (17, True)
    with pytest.raises(SecondPersonRequired):
        service.confirm_import(one.work, one.admin, made.id)
    assert service.confirm_import(one.work, one.second, made.id).state is ImportState.CONFIRMED
    empty = one.preview_file(text_file(ONDE))
    assert (empty.counts["left_file"], empty.needs_second_person) == (6, True)


def test_a_pupil_who_moves_to_another_school_keeps_the_tablet(one: SchoolScenario) -> None:
    one.import_file(FILE)
    other = one.world.create_school(one.town, "École Simone-Veil")
    pupil = one.get_pupil("EL HADJ Zoé")
    tablet = one.world.create_tablet(one.town)
    one.world.lend_tablet(tablet, pupil)
    arriving = text_file(ONDE, onde_line("EL HADJ", "Zoé", ine="1234567890A", label="CE2 Z", number="70", grade="CE2"))
    still_there = one.preview_file(arriving, school=other)
    assert one.list_lines(still_there)[0][1:] == ("ambiguous", ("active_in_other_school",)), "at two schools: a person decides"
    one.import_file(text_file(ONDE, *TWINS, *OTHERS))
    made = one.preview_file(arriving, school=other)
    assert one.list_lines(made)[0][1:] == ("moved_class", ("other_school",))
    service.confirm_import(one.work, one.admin, made.id)
    one.work.session.expire_all()
    assert (one.get_pupil("EL HADJ Zoé").school_id, tablet.school_id) == (other.id, other.id)
    assert len(one.get_pupils()) == 23
    due = one.work.session.scalars(select(OutboxRow.key).where(OutboxRow.topic == Topic.RECONCILE)).all()
    assert list(due) == [str(tablet.id)]
    service.undo_import(one.work, one.admin, made.id)
    one.work.session.expire_all()
    assert (one.get_pupil("EL HADJ Zoé").school_id, tablet.school_id) == (one.school.id, one.school.id)


def test_two_schools_in_one_file_and_a_school_of_elsewhere(one: SchoolScenario) -> None:
    other = one.world.create_school(one.town, "École Simone-Veil")
    elsewhere = one.world.create_school(one.world.create_town("Autre-Ville"))
    file = text_file(
        OWN, *(f"{school.uai};CP A;CP;MARTIN;Zoé;;" for school in (one.school, other, elsewhere)), "0951099E;CP A;CP;A;B;;"
    )
    made = one.preview_file(file, named=False)
    assert (made.counts["new"], made.counts["invalid"], made.school_id) == (2, 2, None)
    assert [line[1:] for line in one.list_lines(made)][-2:] == [("invalid", ("unknown_school",))] * 2
    named = one.preview_file(file)
    assert [line[1:] for line in one.list_lines(named)][1:] == [("invalid", ("other_school_than_named",))] * 3
    service.confirm_import(one.work, one.admin, made.id)
    swapped = text_file(OWN, f"{other.uai};CP A;CP;MARTIN;Zoé;;", f"{one.school.uai};CP A;CP;PETIT;Léo;;")
    assert one.preview_file(swapped, named=False).counts["left_file"] == 1
    with pytest.raises(SchoolRequired):
        one.preview_file(FILE, named=False)
    with pytest.raises(NotFound):
        one.preview_file(FILE, school=elsewhere)


def test_an_exchange_between_two_schools_of_one_file(one: SchoolScenario) -> None:
    other = one.world.create_school(one.town, "École Simone-Veil")
    one.import_file(text_file(ONDE, ZOE, *OTHERS))
    one.import_file(text_file(ONDE, *TWINS), school=other)
    here = one.get_pupil("EL HADJ Zoé")
    assert here.ine_hash
    users = build_oneroster(other.uai)  # names Zoé by her INE, and a second pupil
    made = one.preview_file(users, named=False)
    assert one.list_lines(made)[0][1:] == ("ambiguous", ("active_in_other_school",))


def test_undo_puts_back_what_was_there(one: SchoolScenario, runtime: Runtime) -> None:
    one.import_file(FILE)
    before = {name: (p.grade, p.class_id, p.state, p.usage_name, p.school_id) for name, p in one.get_pupils().items()}
    classes = one.get_class_labels()
    wrong = one.import_file(
        text_file(ONDE, *(onde_line(f"FAUX{n}", "X", label="CP", number=str(n % 2), grade="CP") for n in range(30)))
    )
    one.get_pupil("EL HADJ Zoé").take_home = False  # somebody's own change, after the import
    assert wrong.counts["left_file"] == 23
    assert service.undo_import(one.work, one.admin, wrong.id).state is ImportState.UNDONE
    assert {name: (p.grade, p.class_id, p.state, p.usage_name, p.school_id) for name, p in one.get_pupils().items()} == before
    assert one.get_pupil("EL HADJ Zoé").take_home is False
    assert one.get_class_labels() == classes
    with pytest.raises(ImportFinished):
        service.undo_import(one.work, one.admin, wrong.id)
    assert audit.verify_chain(one.work, one.town.id) is None
    assert one.import_file(FILE).counts["unchanged"] == 23


def test_undo_is_refused_when_it_would_pull_a_tablet_out_of_a_childs_hands(one: SchoolScenario) -> None:
    made = one.import_file(FILE)
    one.world.lend_tablet(one.world.create_tablet(one.town), one.get_pupil("EL HADJ Zoé"))
    with pytest.raises(UndoBlocked) as caught:
        service.undo_import(one.work, one.admin, made.id)
    assert caught.value.details == {"pupils": 1}
    assert len(one.get_pupils()) == 23


def test_only_the_last_import_is_undone_and_only_within_a_day(one: SchoolScenario) -> None:
    first = one.import_file(FILE)
    one.work.now += timedelta(minutes=1)
    second = one.import_file(text_file(ONDE, ZOE, *TWINS, *OTHERS[1:]))
    with pytest.raises(NotTheLastImport):
        service.undo_import(one.work, one.admin, first.id)
    one.work.now += timedelta(hours=25)
    assert service.purge_expired_plans(one.work) == 2
    one.work.session.expire_all()
    with pytest.raises(ImportFinished):
        service.undo_import(one.work, one.admin, second.id)
    with pytest.raises(ImportFinished):
        service.list_lines(one.work, one.admin, second.id)


def test_two_previews_of_one_file_make_no_child_twice(one: SchoolScenario) -> None:
    first, second = one.preview_file(FILE), one.preview_file(FILE)
    one.work.now += timedelta(minutes=1)
    service.confirm_import(one.work, one.admin, first.id)
    with pytest.raises(ImportStale):
        service.confirm_import(one.work, one.admin, second.id)
    with pytest.raises(ImportFinished):
        service.confirm_import(one.work, one.admin, first.id)
    assert len(one.get_pupils()) == 23


def test_a_preview_is_a_day_old_at_most(one: SchoolScenario) -> None:
    made = one.preview_file(FILE)
    one.work.now += timedelta(hours=24, seconds=1)
    with pytest.raises(ImportFinished):
        service.confirm_import(one.work, one.admin, made.id)
    service.purge_expired_plans(one.work)
    one.work.session.expire_all()
    assert one.work.session.get_one(RosterImport, made.id).state is ImportState.DISCARDED
    assert one.get_pupils() == {}


def test_a_new_school_year_makes_new_classes(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        one = SchoolScenario(work)
        one.import_file(FILE)
        old = set(one.get_class_labels())
    clock.advance(timedelta(days=300))
    with runtime.open_unit_of_work() as work:
        one.work = work
        made = one.import_file(FILE)
        assert made.counts["moved_class"] == 23
        assert old < set(one.get_class_labels())
        assert len(one.get_class_labels()) == 4


def test_walls(one: SchoolScenario) -> None:
    stranger = Actor(new_id(), "stranger", (RoleAssignment(Role.TOWN_ADMIN, one.world.create_town("Autre-Ville").id),))
    helpdesk = Actor(new_id(), "helpdesk", (RoleAssignment(Role.HELPDESK, one.town.id),))
    for actor in (stranger, helpdesk):
        with pytest.raises(Forbidden):
            service.preview_import(one.work, actor, one.town.id, FILE, one.school.uai)
    made = one.preview_file(FILE)
    for act in (service.get_import, service.list_lines, service.confirm_import, service.undo_import, service.discard_import):
        for actor in (stranger, helpdesk):
            with pytest.raises(NotFound):
                act(one.work, actor, made.id)
    assert service.list_imports(one.work, stranger, one.town.id).items == []


def test_a_head_brings_the_own_school_and_a_technician_a_named_one(one: SchoolScenario) -> None:
    other = one.world.create_school(one.town)
    head = Actor(new_id(), "head", (RoleAssignment(Role.HEAD, one.town.id, one.school.id),))
    technician = Actor(new_id(), "technician", (RoleAssignment(Role.TECHNICIAN, one.town.id),))
    for actor in (head, technician):
        assert service.preview_import(one.work, actor, one.town.id, FILE, one.school.uai).counts["new"] == 23
    of_both = text_file(OWN, f"{one.school.uai};CP A;CP;A;B;;", f"{other.uai};CP A;CP;C;D;;")
    with pytest.raises(Forbidden):
        service.preview_import(one.work, head, one.town.id, FILE, other.uai)
    with pytest.raises(Forbidden):
        service.preview_import(one.work, head, one.town.id, of_both)
    with pytest.raises(SchoolRequired):
        service.preview_import(one.work, technician, one.town.id, of_both)
    assert service.preview_import(one.work, one.admin, one.town.id, of_both).counts["new"] == 2
    theirs = one.preview_file(FILE, school=other)
    with pytest.raises(NotFound):
        service.confirm_import(one.work, head, theirs.id)
