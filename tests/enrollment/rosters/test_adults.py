"""Imports of guardians and staff: who is one person, who is two, what ends, what is never joined by a name alone."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.unit_of_work import Runtime
from enrollment.people.models import Guardian, Pupil, RosterState
from enrollment.rosters.imports import service
from enrollment.rosters.imports.deciding import decide_line
from tests.enrollment.rosters.files import CHILD, GUARDIANS, ONDE, STAFF, build_oneroster, onde_line, text_file, zip_file
from tests.enrollment.rosters.school import SchoolScenario

PUPILS = text_file(
    ONDE,
    onde_line("EL HADJ", "Zoé", usage="BEN", label="CE2  A", number="7", grade="CE2"),
    onde_line("EL HADJ", "Adam", label="CP", number="1", grade="CP"),
    onde_line("MARTIN", "Léa", label="CP", number="1", grade="CP"),
    onde_line("MARTIN", "Léa", label="CE2  A", number="7", grade="CE2", born="09/09/2017"),
)
HEADER = GUARDIANS.format(desk="") + ";".join([CHILD] * 2)


def guardian(last: str, first: str, *children: tuple[str, str, str], mail: str = "", mobile: str = "") -> str:
    child_cells = ";".join(f";{child_last};{child_first};{label}" for child_last, child_first, label in children)
    return f"MME;;{last};{first};1 rue;92;V;F;{mail};;;{mobile};{child_cells}"


NADIA = guardian("EL HADJ", "Nadia", ("EL HADJ", "Zoé", "CE2 A"), ("EL HADJ", "Adam", "CP"), mail="n@home.example")


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        made = SchoolScenario(work)
        made.import_file(PUPILS)
        yield made


def test_guardians_are_linked_to_their_children_and_the_second_time_nothing_changes(scenario: SchoolScenario) -> None:
    file = text_file(HEADER, NADIA, guardian("PETIT", "Jean", ("BEN", "Zoé", "CE2 A")), "Total;2")
    first = scenario.import_file(file, keep_contacts=True)
    assert first.counts["by_subject"]["guardian"]["new"] == 2
    zoe, adam = scenario.get_pupil("EL HADJ Zoé").id, scenario.get_pupil("EL HADJ Adam").id
    found = scenario.get_guardians()
    assert (found["Nadia"][1], found["Jean"][1]) == ({zoe, adam}, {zoe}), "found by family name and by usage name"
    assert found["Nadia"][0].email == "n@home.example"
    assert scenario.import_file(file, keep_contacts=True).counts["unchanged"] == 2
    without = scenario.import_file(file)
    assert without.counts["unchanged"] == 2
    assert scenario.get_guardians()["Nadia"][0].email == "n@home.example", "what is not told removes nothing"


def test_contacts_are_kept_only_for_the_portal(scenario: SchoolScenario) -> None:
    scenario.import_file(text_file(HEADER, NADIA))
    assert scenario.get_guardians()["Nadia"][0].email is None


def test_a_child_who_is_not_sure_is_left_to_a_person(scenario: SchoolScenario) -> None:
    made = scenario.preview_file(
        text_file(
            HEADER,
            guardian("A", "One", ("MARTIN", "Léa", "CE2 A")),
            guardian("B", "Two", ("MARTIN", "Léa", "")),
            guardian("C", "Three", ("INCONNU", "Léa", "CP")),
            guardian("D", "Four", ("INCONNU", "Léa", "CP"), ("EL HADJ", "Adam", "CP")),
            guardian("", "Five", ("EL HADJ", "Adam", "CP")),
            *[guardian("F", "Six", ("EL HADJ", "Adam", "CP"))] * 2,
        )
    )
    assert scenario.list_lines(made) == [
        ("A", "new", ()), ("B", "ambiguous", ("child_ambiguous",)), ("C", "invalid", ("child_not_found",)),
        ("D", "new", ("child_not_found",)), ("", "invalid", ("no_last_name",)), ("F", "duplicate", ("twice_in_file",)),
        ("F", "duplicate", ("twice_in_file",)),
    ]  # fmt: skip


def test_two_guardians_of_one_name_are_two_people(scenario: SchoolScenario) -> None:
    jeans = [
        guardian("MARTIN", "Jean", ("EL HADJ", "Zoé", "CE2 A"), mail="a@home.example"),
        guardian("MARTIN", "Jean", ("EL HADJ", "Adam", "CP"), mail="b@home.example"),
    ]
    scenario.import_file(text_file(HEADER, *jeans), keep_contacts=True)
    rows = scenario.work.session.scalars(select(Guardian)).all()
    assert len(rows) == 2
    again = scenario.import_file(text_file(HEADER, *jeans[::-1]), keep_contacts=True)
    assert again.counts["unchanged"] == 2
    third = scenario.preview_file(
        text_file(HEADER, *jeans, guardian("MARTIN", "Jean", ("MARTIN", "Léa", "CP"), mail="c@home.example")), keep_contacts=True
    )
    assert (third.counts["new"], third.counts["unchanged"]) == (1, 2), "a shared name is not enough"


def test_a_child_is_added_and_taken_away_and_a_guardian_leaves_and_returns(scenario: SchoolScenario) -> None:
    scenario.import_file(text_file(HEADER, NADIA, guardian("PETIT", "Jean", ("EL HADJ", "Zoé", "CE2 A"))))
    zoe, adam = scenario.get_pupil("EL HADJ Zoé").id, scenario.get_pupil("EL HADJ Adam").id
    changed = scenario.import_file(text_file(HEADER, guardian("EL HADJ", "Nadia", ("EL HADJ", "Adam", "CP"))))
    assert (changed.counts["renamed"], changed.counts["left_file"]) == (1, 1)
    assert scenario.get_guardians()["Nadia"][1] == {adam}
    assert scenario.get_guardians()["Jean"][0].state is RosterState.ABSENT_FROM_ROSTER
    service.undo_import(scenario.work, scenario.admin, changed.id)
    assert scenario.get_guardians()["Nadia"][1] == {zoe, adam}
    assert scenario.get_guardians()["Jean"][0].state is RosterState.ACTIVE
    unsure = scenario.import_file(
        text_file(HEADER, guardian("EL HADJ", "Nadia", ("EL HADJ", "Adam", "CP"), ("MARTIN", "Léa", "")))
    )
    assert scenario.get_guardians()["Nadia"][1] == {zoe, adam}, "while a child is unsure, none is taken away"
    assert scenario.list_lines(unsure)[0] == ("EL HADJ", "unchanged", ("child_ambiguous",))


def test_a_person_joins_two_guardians(scenario: SchoolScenario) -> None:
    both = [guardian("MARTIN", "Jean", ("EL HADJ", "Zoé", "CE2 A"), mail=f"{n}@home.example") for n in "ab"]
    scenario.import_file(text_file(HEADER, *both), keep_contacts=True)
    made = scenario.preview_file(text_file(HEADER, guardian("MARTIN", "Jean", ("EL HADJ", "Zoé", "CE2 A"))))
    [line] = service.list_lines(scenario.work, scenario.admin, made.id)
    assert (line["kind"], len(line["candidates"])) == ("ambiguous", 2)
    decide_line(scenario.work, scenario.admin, made.id, 0, UUID(line["candidates"][0]))
    assert service.confirm_import(scenario.work, scenario.admin, made.id).counts["renamed"] == 1
    assert len(scenario.work.session.scalars(select(Guardian)).all()) == 2


def test_staff_with_several_classes_and_kinds(scenario: SchoolScenario) -> None:
    uai = scenario.school.uai
    file = text_file(
        STAFF,
        f"{uai};DURAND;Paul;p@ecole.example;CE2 A;main",
        f"{uai};DURAND;Paul;p@ecole.example;CP;décharge",
        f"{uai};NOIR;Anne;;CM9;main",
        f"{uai};VERT;Luc;;;aesh",
    )
    first = scenario.import_file(file)
    assert (first.counts["new"], first.format) == (3, "staff")
    found = scenario.get_staff()
    assert found["Paul"][1] == [("CE2 A", "main", True), ("CP", "relief", True)]
    assert (found["Anne"][1], found["Luc"][1]) == ([(None, "main", True)], [(None, "support", True)])
    assert ("NOIR", "new", ("unknown_class",)) in scenario.list_lines(first)
    assert scenario.import_file(file).counts["unchanged"] == 3


def test_an_adult_leaves_a_class_then_the_school(scenario: SchoolScenario) -> None:
    uai = scenario.school.uai
    scenario.import_file(text_file(STAFF, f"{uai};DURAND;Paul;p@ecole.example;CE2 A;main", f"{uai};NOIR;Anne;;CP;main"))
    other = scenario.world.create_school(scenario.town, "École Simone-Veil")
    scenario.import_file(text_file(STAFF, f"{other.uai};DUPUIS;Paul;P@ecole.example;;main"), named=False)
    assert {(m.last_name, len(places)) for m, places in scenario.get_staff().values()} == {("DUPUIS", 2), ("NOIR", 1)}, (
        "known by the e-mail"
    )
    scenario.work.now += timedelta(days=1)
    moved = scenario.import_file(text_file(STAFF, f"{uai};DUPUIS;Paul;p@ecole.example;CP;main"), named=False)
    assert (moved.counts["moved_class"], moved.counts["left_file"], moved.needs_second_person) == (1, 1, False)
    found = scenario.get_staff()
    assert [place for place in found["Paul"][1] if place[2]] == [("CP", "main", True), (None, "main", True)]
    assert (found["Anne"][0].state, found["Anne"][1]) == (RosterState.ABSENT_FROM_ROSTER, [("CP", "main", False)])
    service.undo_import(scenario.work, scenario.admin, moved.id)
    found = scenario.get_staff()
    assert [place for place in found["Paul"][1] if place[2]] == [("CE2 A", "main", True), (None, "main", True)]
    assert (found["Anne"][0].state, found["Anne"][1]) == (RosterState.ACTIVE, [("CP", "main", True)])


def test_many_adults_leaving_need_a_second_person(scenario: SchoolScenario) -> None:
    uai = scenario.school.uai
    scenario.import_file(text_file(STAFF, *(f"{uai};NOM{n};Ann;n{n}@ecole.example;;main" for n in range(9))))
    few = scenario.preview_file(text_file(STAFF, *(f"{uai};NOM{n};Ann;n{n}@ecole.example;;main" for n in range(7))))
    many = scenario.preview_file(text_file(STAFF, *(f"{uai};NOM{n};Ann;n{n}@ecole.example;;main" for n in range(5))))
    assert (few.needs_second_person, many.needs_second_person) == (False, True)


def test_a_teacher_with_a_new_name_and_address_is_the_same_by_the_number_of_the_roster(scenario: SchoolScenario) -> None:
    school = scenario.world.create_school(scenario.town, "École Rosa-Parks")
    file = build_oneroster(school.uai)
    scenario.import_file(file, named=False)
    paul = scenario.get_staff()["Paul"][0].id
    married = replace_in_zip(file, "users.csv", "Paul,DURAND", "Paul,MOREAU", "paul.durand@", "paul.moreau@")
    made = scenario.import_file(married, named=False)
    assert (made.counts["by_subject"]["staff"].get("new", 0), made.counts["left_file"]) == (0, 0)
    member, places = scenario.get_staff()["Paul"]
    assert (member.id, member.last_name, member.email) == (paul, "MOREAU", "paul.moreau@ecole.example")
    assert places == [("CE1 A", "main", True)], "the assignment goes on"
    service.undo_import(scenario.work, scenario.admin, made.id)
    assert scenario.get_staff()["Paul"][0].last_name == "DURAND"
    somebody = replace_in_zip(file, "users.csv", "Paul,DURAND", "Inès,PETIT", "paul.durand@", "ines.petit@")
    preview = scenario.preview_file(somebody, named=False)
    assert ("PETIT", "ambiguous", ("several_adults",)) in scenario.list_lines(preview), "a number alone proves nobody"
    assert preview.counts["left_file"] == 0


def test_a_known_teacher_gets_the_number_of_the_roster_although_nothing_else_changes(scenario: SchoolScenario) -> None:
    school = scenario.world.create_school(scenario.town, "École Rosa-Parks")
    file = build_oneroster(school.uai)
    scenario.import_file(file, named=False)
    paul = scenario.get_staff()["Paul"][0]
    paul.source_id = None
    scenario.work.session.flush()
    made = scenario.import_file(file, named=False)
    assert made.counts["unchanged"] == 4
    assert scenario.get_staff()["Paul"][0].source_id == "u3"
    service.undo_import(scenario.work, scenario.admin, made.id)
    assert scenario.get_staff()["Paul"][0].source_id is None


def replace_in_zip(content: bytes, name: str, *words: str) -> bytes:
    """Return an archive in one file of which words are replaced: each by the one that follows it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {each: archive.read(each).decode() for each in archive.namelist()}
    for before, after in zip(words[::2], words[1::2], strict=True):
        assert before in files[name]
        files[name] = files[name].replace(before, after)
    return zip_file(files)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_oneroster_brings_everybody_at_once_and_twice_is_nothing(scenario: SchoolScenario, version: str) -> None:
    school = scenario.world.create_school(scenario.town, "École Rosa-Parks")
    file = build_oneroster(school.uai, version=version)
    made = scenario.import_file(file, named=False)
    assert made.counts["by_subject"]["pupil"]["new"] == 2
    assert (made.counts["by_subject"]["staff"]["new"], made.counts["by_subject"]["guardian"]["new"]) == (1, 1)
    pupils = scenario.work.session.scalars(select(Pupil).where(Pupil.school_id == school.id))
    assert scenario.get_guardians()["Nadia"][1] == {pupil.id for pupil in pupils if pupil.first_name == "Zoé"}, (
        "not her namesake's"
    )
    assert scenario.get_staff()["Paul"][1] == [("CE1 A", "main", True)]
    again = scenario.import_file(file, named=False)
    assert (again.counts["unchanged"], again.counts["new"], again.counts["left_file"]) == (4, 0, 0)
    service.undo_import(scenario.work, scenario.admin, again.id)
    service.undo_import(scenario.work, scenario.admin, made.id)
    assert (scenario.get_guardians(), scenario.get_staff()) == ({}, {})
    assert all(pupil.school_id == scenario.school.id for pupil in scenario.get_pupils().values())
