"""Roster files: what is read, what is dropped, what is guarded."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from enrollment.places.rules import check_uai
from enrollment.rosters import demo
from enrollment.rosters.errors import ImportNeedsSecondPerson
from enrollment.rosters.imports import previewing, service
from enrollment.rosters.reading import read_roster
from mdm.tables import metadata
from tests.support.world import TownFactory, create_actor

HEADER = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1; Cycle;Niveau;Libellé classe;Identifiant classe"
)


def _file(count: int) -> bytes:
    rows = [f"NOM{n};;Prénom;01/02/2018;M;{n:010d}A;CANARY-STREET;CYCLE II;CE1;CP B;5" for n in range(count)]
    return "\r\n".join([HEADER, *rows, "", "Total;12"]).encode("cp1252")


@pytest.mark.parametrize(
    ("uai", "wrong"),
    [
        ("0951099D", None),
        (" 0951099d", None),
        ("0951099E", "uai_check_letter"),
        ("951099D", "uai_length"),
        ("0951O99D", "uai_format"),
    ],
)
def test_school_codes(uai: str, wrong: str | None) -> None:
    assert check_uai(uai)[1] == wrong


def test_the_grade_comes_from_its_column_and_the_footer_is_skipped() -> None:
    roster = read_roster(_file(3))
    assert [row.grade for row in roster.rows] == [Grade.CE1] * 3
    assert roster.skipped == 2
    assert "Adresse1" in roster.ignored


def test_forbidden_columns_are_nowhere(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        actor = create_actor(Role.TOWN_ADMIN, town, name="admin")
        made = previewing.preview_import(work, actor, town.id, _file(4), school.uai)
        assert "CANARY" not in (made.plan or "")
        service.confirm_import(work, actor, made.id)
    with runtime.engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert "CANARY" not in str(connection.execute(text(f'SELECT * FROM "{table.name}"')).all())


def test_a_partial_file_needs_a_second_person(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        first, second = (create_actor(Role.TOWN_ADMIN, town, name=name) for name in ("first", "second"))
        service.confirm_import(work, first, previewing.preview_import(work, first, town.id, _file(40), school.uai).id)
        partial = previewing.preview_import(work, first, town.id, _file(10), school.uai)
        assert (partial.counts["left_file"], partial.counts["unchanged"], partial.needs_second_person) == (30, 10, True)
        with pytest.raises(ImportNeedsSecondPerson):
            service.confirm_import(work, first, partial.id)
        service.confirm_import(work, second, partial.id)


def test_the_demo_files_are_always_the_same_and_readable() -> None:
    files = demo.generate_files()
    assert files == demo.generate_files()
    rosters = [read_roster(file.content) for file in files]
    assert 3500 < sum(len(roster.rows) for roster in rosters) < 4500
    assert not any(row.problems for roster in rosters for row in roster.rows)
