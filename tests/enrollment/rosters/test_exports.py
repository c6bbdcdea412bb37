"""Exports: the own template read again changes nothing, OneRoster by its headers, Apple's set whole or refused with reasons."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.rosters.errors import ExportRefused
from enrollment.rosters.exports import apple, service
from enrollment.rosters.exports.service import SheetFormat, TemplatePart
from enrollment.rosters.models import RosterExport
from tests.enrollment.rosters.files import ONDE, STAFF, onde_line, text_file, zip_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.support.audit_trail import find_fault
from tests.support.world import create_actor

PUPILS = [
    onde_line("EL HADJ", "Zoé", usage="BEN", ine="1234567890A", label="CE1-CE2  B", number="7", grade="CE2"),
    onde_line("D'ARTAGNAN-LE GOFF", "Élise-Anaïs", label="CE1-CE2  B", number="7", grade="CE1"),
    onde_line("NGUYEN", "A", label="CP", number="1", grade="CP"),
]


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        made = SchoolScenario(work)
        made.import_file(text_file(ONDE, *PUPILS))
        uai = made.school.uai
        made.import_file(text_file(STAFF, f"{uai};DURAND;Paul;p@ecole.example;CE1-CE2 B;main", f"{uai};NOIR;Anne;;CE1-CE2 B;décharge",
                             f"{uai};NOIR;Anne;;CP;main", f"{uai};VERT;Luc;;;aesh"))  # fmt: skip
        yield made


def archive(content: bytes) -> dict[str, list[dict[str, str]]]:
    found = zipfile.ZipFile(io.BytesIO(content))
    return {name: list(csv.DictReader(io.StringIO(found.read(name).decode(), newline=""))) for name in found.namelist()}


def refused(scenario: SchoolScenario, **options: object) -> dict[str, int]:
    with pytest.raises(ExportRefused) as caught:
        service.export_apple(scenario.work, scenario.admin, scenario.town.id, **options)  # type: ignore[arg-type]
    reasons = caught.value.details["reasons"]
    assert isinstance(reasons, list)
    return {reason["code"]: reason["count"] for reason in reasons}


@pytest.mark.parametrize("form", list(SheetFormat))
def test_the_own_template_read_again_changes_nothing(scenario: SchoolScenario, form: SheetFormat) -> None:
    pupil = scenario.get_pupil("EL HADJ Zoé")
    pupil.take_home = False
    tablet = scenario.world.create_tablet(scenario.town)
    scenario.world.lend_tablet(tablet, pupil)
    evil = scenario.get_pupil("NGUYEN A")
    evil.last_name = "=1+1"
    scenario.work.session.flush()
    content = service.export_own_template(
        scenario.work, scenario.admin, scenario.town.id, scenario.school.id, TemplatePart.PUPILS, form
    )
    if form is SheetFormat.CSV:
        lines = content.decode("utf-8-sig").splitlines()
        assert lines[0] == "school_uai;class;level;last_name;first_name;take_home;inventory_tag"
        assert f"{scenario.school.uai};CE1-CE2 B;CE2;EL HADJ;Zoé;non;{tablet.tag}" in lines
        assert f"{scenario.school.uai};CP;CP;'=1+1;A;oui;" in lines
    evil.name_hash = "0" * 64  # what the test has renamed behind the program's back
    again = scenario.preview_file(content, named=False)
    kinds = {kind: count for kind, count in again.counts.items() if isinstance(count, int) and count}
    assert kinds == {"unchanged": 2, "new": 1, "left_file": 1}
    staff = service.export_own_template(scenario.work, scenario.admin, scenario.town.id, None, TemplatePart.STAFF, form)
    assert scenario.preview_file(staff, named=False).counts["unchanged"] == 3


def test_oneroster_has_the_headers_of_the_standard_and_no_more_of_a_child_than_needed(scenario: SchoolScenario) -> None:
    content = service.export_oneroster(scenario.work, scenario.admin, scenario.town.id)
    found = archive(content)
    assert set(found) == {
        "manifest.csv", "orgs.csv", "academicSessions.csv", "courses.csv", "classes.csv", "users.csv", "roles.csv", "enrollments.csv",
    }  # fmt: skip
    manifest = {row["propertyName"]: row["value"] for row in found["manifest.csv"]}
    assert (manifest["oneroster.version"], manifest["file.users"], manifest["file.demographics"]) == ("1.2", "bulk", "absent")
    assert len([name for name in manifest if name.startswith("file.")]) == 21
    zoe = next(row for row in found["users.csv"] if row["givenName"] == "Zoé")
    assert {key: value for key, value in zoe.items() if value} == {
        "sourcedId": zoe["sourcedId"], "enabledUser": "true", "username": zoe["sourcedId"], "givenName": "Zoé", "familyName": "EL HADJ",
        "preferredFamilyName": "BEN", "grades": "CE2", "primaryOrgSourcedId": str(scenario.school.id),
    }  # fmt: skip
    assert {(row["title"], row["grades"], row["classCode"]) for row in found["classes.csv"]} == {
        ("CE1-CE2 B", "CE1,CE2", "7"),
        ("CP", "CP", "1"),
    }
    assert sorted((row["role"], row["primary"]) for row in found["enrollments.csv"]) == [
        ("student", "false"), ("student", "false"), ("student", "false"), ("teacher", "false"), ("teacher", "true"), ("teacher", "true"),
    ]  # fmt: skip
    assert {row["status"] + row["dateLastModified"] for name in ("users.csv", "classes.csv") for row in found[name]} == {""}
    assert found["academicSessions.csv"][0]["schoolYear"] == "2027"
    assert service.export_oneroster(scenario.work, scenario.admin, scenario.town.id) == content, (
        "the same bytes for the same people"
    )
    again = scenario.preview_file(content, named=False)
    assert {kind: count for kind, count in again.counts.items() if isinstance(count, int) and count} == {"unchanged": 6}


def test_apples_set_is_whole(scenario: SchoolScenario) -> None:
    assert service.check_apple_export(scenario.work, scenario.admin, scenario.town.id) == []
    content = service.export_apple(scenario.work, scenario.admin, scenario.town.id, apple.PasswordPolicy.FOUR)
    raw = zipfile.ZipFile(io.BytesIO(content))
    assert set(raw.namelist()) == {f"{name}.csv" for name in apple.HEADERS}
    assert all(b"\r" not in raw.read(name) and not raw.read(name).startswith(b"\xef") for name in raw.namelist())
    assert raw.read("classes.csv").split(b"\n")[0].decode() == ",".join(apple.HEADERS["classes"])
    found = archive(content)
    students = {row["person_id"]: row for row in found["students.csv"]}
    assert {(row["first_name"], row["last_name"], row["grade_level"], row["password_policy"]) for row in students.values()} == {
        ("Zoé", "BEN", "CE2", "4"), ("Élise-Anaïs", "D'ARTAGNAN-LE GOFF", "CE1", "4"), ("A", "NGUYEN", "CP", "4"),
    }  # fmt: skip
    staff = {row["person_id"]: row["last_name"] for row in found["staff.csv"]}
    assert sorted(staff.values()) == ["DURAND", "NOIR", "VERT"]
    double = next(row for row in found["classes.csv"] if row["instructor_id_2"])
    assert (staff[double["instructor_id"]], staff[double["instructor_id_2"]]) == ("DURAND", "NOIR")
    assert {row["student_id"] for row in found["rosters.csv"]} == set(students)
    assert len({row["roster_id"] for row in found["rosters.csv"]}) == 3
    assert {row["course_id"] for row in found["classes.csv"]} == {row["course_id"] for row in found["courses.csv"]}
    assert find_fault(scenario.work, scenario.town.id) is None


def test_a_smaller_set_than_the_last_is_refused_until_a_person_accepts(scenario: SchoolScenario) -> None:
    service.export_apple(scenario.work, scenario.admin, scenario.town.id)
    scenario.work.now += timedelta(days=1)
    for school_class in scenario.work.session.scalars(select(RosterExport)):
        assert len(school_class.class_ids) == 2
    [last] = scenario.work.session.scalars(select(RosterExport))
    gone = str(new_id())
    last.class_ids = [*last.class_ids, gone]
    scenario.work.session.flush()
    assert refused(scenario) == {"class_missing": 1}
    assert service.check_apple_export(scenario.work, scenario.admin, scenario.town.id)[0].ids == (gone,)
    service.export_apple(scenario.work, scenario.admin, scenario.town.id, accepted=["class_missing"])
    scenario.work.now += timedelta(days=1)
    assert service.check_apple_export(scenario.work, scenario.admin, scenario.town.id) == [], (
        "the accepted set is the new measure"
    )


def test_a_pupil_who_has_just_left_the_file_stays_in_the_class_for_a_month(scenario: SchoolScenario) -> None:
    scenario.import_file(text_file(ONDE, PUPILS[0], PUPILS[2]))
    students = archive(service.export_apple(scenario.work, scenario.admin, scenario.town.id))["students.csv"]
    assert len(students) == 3, "between two schools: their work is not lost"
    scenario.work.now += timedelta(days=31)
    assert len(archive(service.export_apple(scenario.work, scenario.admin, scenario.town.id))["students.csv"]) == 2
    assert len(archive(service.export_oneroster(scenario.work, scenario.admin, scenario.town.id))["users.csv"]) == 5


def test_every_reason_against_a_set(scenario: SchoolScenario) -> None:
    scenario.world.create_school(scenario.town, "École vide")
    scenario.import_file(text_file(ONDE, *PUPILS, onde_line("SANS CLASSE", "Ana", label="", number=""), onde_line("SANS PRENOM", "", label="CP", number="1", grade="CP"),
                        onde_line("=EVIL", "Ana", label="CP", number="1", grade="CP")))  # fmt: skip
    assert refused(scenario) == {"school_without_pupils": 1, "pupil_without_class": 1, "name_missing": 1, "formula_cell": 1}
    every = [*sorted(apple.ACCEPTABLE), "name_missing", "formula_cell"]
    assert refused(scenario, accepted=every) == {"name_missing": 1, "formula_cell": 1}, "some cannot be accepted"
    with pytest.raises(ExportRefused):
        service.export_oneroster(scenario.work, scenario.admin, scenario.town.id)
    assert len(scenario.work.session.scalars(select(RosterExport)).all()) == 0, "nothing was handed out"


def test_nobody_and_nothing_in_summer(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        assert refused(scenario) == {"school_without_pupils": 1, "no_pupils": 0}
        scenario.import_file(text_file(ONDE, *PUPILS))
        scenario.work.now = datetime(2027, 7, 10, 8, tzinfo=UTC)
        assert refused(scenario) == {"summer_freeze": 1}
        assert service.export_apple(scenario.work, scenario.admin, scenario.town.id, accepted=["summer_freeze"])


def test_the_columns_of_apples_own_template_are_followed(scenario: SchoolScenario) -> None:
    headers = {f"{name}.csv": ",".join([*reversed(columns), "new_column"]) + "\n" for name, columns in apple.HEADERS.items()}
    found = zipfile.ZipFile(
        io.BytesIO(
            service.export_apple(
                scenario.work, scenario.admin, scenario.town.id, template=service.read_template(zip_file(headers))
            )
        )
    )
    assert found.read("rosters.csv").split(b"\n")[0] == b"student_id,class_id,roster_id,new_column"
    assert found.read("rosters.csv").split(b"\n")[1].endswith(b",")
    narrow = {**headers, "classes.csv": "class_id,course_id,instructor_id,location_id\n"}
    assert refused(scenario, template=service.read_template(zip_file(narrow))) == {"template_too_narrow": 1}
    lacking = {**headers, "students.csv": "first_name,last_name,location_id\n"}
    del lacking["locations.csv"]
    assert refused(scenario, template=service.read_template(zip_file(lacking))) == {"template_lacks_column": 3}


def test_more_teachers_than_the_documented_columns(scenario: SchoolScenario) -> None:
    uai = scenario.school.uai
    scenario.import_file(text_file(STAFF, *(f"{uai};NOM{n};Ann;n{n}@ecole.example;CP;part" for n in range(15))))
    wide = archive(service.export_apple(scenario.work, scenario.admin, scenario.town.id))["classes.csv"]
    assert "instructor_id_15" in wide[0]
    scenario.import_file(text_file(STAFF, *(f"{uai};NOM{n};Ann;n{n}@ecole.example;CP;part" for n in range(16))))
    assert refused(scenario) == {"too_many_instructors": 1}


def test_tenant_isolation(scenario: SchoolScenario) -> None:
    other = scenario.world.create_town("Autre-Ville")
    stranger = create_actor(Role.TOWN_ADMIN, other, name="stranger")
    helpdesk = create_actor(Role.HELPDESK, scenario.town, name="helpdesk")
    for actor in (stranger, helpdesk):
        for act in (service.export_oneroster, service.export_apple, service.check_apple_export):
            with pytest.raises(Forbidden):
                act(scenario.work, actor, scenario.town.id)
        with pytest.raises(Forbidden):
            service.export_own_template(scenario.work, actor, scenario.town.id, None)
    with pytest.raises(NotFound):
        service.export_own_template(scenario.work, stranger, other.id, scenario.school.id)
