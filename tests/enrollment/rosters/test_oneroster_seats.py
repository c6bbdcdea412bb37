"""OneRoster sets as schools' software writes them: seats with dates, classes beside the homeroom, accounts switched off, unknown roles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from enrollment.rosters.errors import SchoolRequired
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.rows import PupilRow, Roster
from enrollment.rosters.files.validity import PARIS, ReferenceDay, parse_record_date
from enrollment.rosters.reading import read_roster
from tests.enrollment.rosters.files import zip_file
from tests.enrollment.rosters.school import SchoolScenario

TODAY = ReferenceDay(date(2026, 11, 26))
CLASSES = "A,,,CE1 A,CE1,K,101,homeroom,,S\nB,,,CE1 B,CE1,K,102,homeroom,,S\nG,,,Anglais groupe 2,CE1,K,201,scheduled,,S\n"
CHANGED = "e1,,,A,S,p1,student,,2026-09-01,2026-10-31\ne2,,,B,S,p1,student,,2026-11-02,2027-07-03\n"


def build_set(
    enrollments: str = CHANGED, *, uai: str = "0929001J", users: str = "", classes: str = CLASSES, roles: str | None = None,
    orgs: str | None = None, manifest: str = "oneroster.version,1.1\nfile.users,bulk\n", enabled: str = "true", role: str = "student",
    org: str = "S", sessions: str | None = None,
) -> bytes:  # fmt: skip
    base = "sourcedId,status,dateLastModified,"
    files = {
        "manifest.csv": f"propertyName,value\nmanifest.version,1\n{manifest}",
        "orgs.csv": f"{base}name,type,identifier,parentSourcedId\n" + (f"S,,,École,school,{uai},\n" if orgs is None else orgs),
        "classes.csv": f"{base}title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds\n{classes}",
        "users.csv": f"{base}enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,identifier,email,agentSourcedIds,grades\n"
        + (users or f"p1,,,{enabled},{org},{role},p1,,Zoé,EL HADJ,,,,CE1\n"),
        "enrollments.csv": f"{base}classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n{enrollments}",
    }
    if roles is not None:
        files["roles.csv"] = f"{base}userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\n{roles}"
    if sessions is not None:
        files["academicSessions.csv"] = f"{base}title,type,startDate,endDate,parentSourcedId,schoolYear\n{sessions}"
    return zip_file(files)


def read(content: bytes, day: date = TODAY.day) -> Roster:
    return read_roster(content, reference=ReferenceDay(day))


def read_pupil(content: bytes, day: date = TODAY.day) -> PupilRow:
    [row] = read(content, day).rows
    return row


def test_a_pupil_who_changed_class_is_in_the_class_of_today() -> None:
    row = read_pupil(build_set())
    assert (row.class_label, row.grade, row.notes, row.groups) == ("CE1 B", Grade.CE1, (), ())


@pytest.mark.parametrize(
    ("day", "label"),
    [
        (date(2026, 8, 20), "CE1 A"),  # made before the term: the next seat
        (date(2026, 9, 1), "CE1 A"),
        (date(2026, 10, 30), "CE1 A"),
        (date(2026, 10, 31), "CE1 A"),  # some write the last day, the standard the day after it
        (date(2026, 11, 1), "CE1 B"),  # between two seats
        (date(2026, 11, 2), "CE1 B"),
        (date(2027, 7, 3), "CE1 B"),
        (date(2027, 7, 4), ""),  # every seat has ended: no class, and the pupil stays in the roster
    ],
)
def test_the_seat_of_each_day(day: date, label: str) -> None:
    assert read_pupil(build_set(), day).class_label == label


def test_the_standards_exclusive_end_gives_way_to_the_seat_that_begins_that_day() -> None:
    content = build_set("e1,,,A,S,p1,student,,2026-09-01,2026-11-26\ne2,,,B,S,p1,student,,2026-11-26,\n")
    assert read_pupil(content).class_label == "CE1 B"


def test_two_terms_in_one_class_are_one_class() -> None:
    row = read_pupil(build_set("e1,,,A,S,p1,student,,2026-09-01,2026-12-19\ne2,,,A,S,p1,student,,2026-09-01,2027-07-03\n"))
    assert (row.class_label, row.notes) == ("CE1 A", ())


@pytest.mark.parametrize("order", [("G", "B"), ("B", "G")])
def test_the_homeroom_goes_before_other_classes_which_become_groups(order: tuple[str, str]) -> None:
    seats = "".join(f"e{number},,,{each},S,p1,student,{each == 'G'},,\n".lower().replace(f",{each.lower()},s,", f",{each},S,")
                    for number, each in enumerate(order))  # fmt: skip
    row = read_pupil(build_set(seats))
    assert (row.class_label, row.groups, row.notes) == ("CE1 B", ("Anglais groupe 2",), ())


def test_ended_groups_are_no_groups_and_a_set_of_homerooms_alone_says_nothing_of_groups() -> None:
    ended = "e1,,,B,S,p1,student,,,\ne2,,,G,S,p1,student,,2026-09-01,2026-10-01\n"
    assert read_pupil(build_set(ended)).groups == ()
    assert read_pupil(build_set("e1,,,A,S,p1,student,,,\n", classes=CLASSES.rpartition("G,")[0])).groups is None


def test_two_homerooms_at_once_are_told_and_are_no_groups() -> None:
    row = read_pupil(build_set("e1,,,A,S,p1,student,,,\ne2,,,B,S,p1,student,,,\n"))
    assert (row.class_label, row.notes, row.groups) == ("CE1 A", ("several_classes",), ())


YEARS = "Y1,,,2025-2026,schoolYear,2025-09-01,2026-07-04,,2026\nY2,,,2026-2027,schoolYear,2026-09-01,2027-07-03,,2027\n"
#: The homerooms of two years: the ones of the former come first, and of Zoé's two seats neither has dates.
CLASSES_OF_YEARS = "A,,,CE1 A,CE1,K,,homeroom,,S,Y1\nB,,,CE2 A,CE2,K,,homeroom,,S,Y2\nG,,,Chorale,,K,,scheduled,,S,\n"
SEATS_OF_YEARS = "e1,,,A,S,p1,student,,,\ne2,,,B,S,p1,student,,,\ne3,,,G,S,p1,student,,,\n"


@pytest.mark.parametrize(
    ("day", "label"),
    [
        (date(2026, 3, 2), "CE1 A"),
        (date(2026, 7, 4), "CE1 A"),
        (date(2026, 8, 20), "CE2 A"),  # between the years: the one that begins next
        (date(2026, 11, 26), "CE2 A"),
        (date(2027, 7, 3), "CE2 A"),
    ],
)
def test_a_seat_without_dates_counts_while_the_terms_of_its_class_hold(day: date, label: str) -> None:
    row = read_pupil(build_set(SEATS_OF_YEARS, classes=CLASSES_OF_YEARS, sessions=YEARS), day)
    assert (row.class_label, row.notes, row.groups) == (label, (), ("Chorale",))


def test_a_class_of_a_former_year_is_no_class_of_today() -> None:
    row = read_pupil(build_set("e1,,,A,S,p1,student,,,\n", classes=CLASSES_OF_YEARS, sessions=YEARS))
    assert row.class_label == ""
    same_title = CLASSES_OF_YEARS.replace("CE2 A", "CE1 A")
    row = read_pupil(build_set(SEATS_OF_YEARS, classes=same_title, sessions=YEARS))
    assert (row.class_label, row.onde_class_id) == ("CE1 A", ""), "the class of that title of another year is no second one"


@pytest.mark.parametrize(
    "sessions",
    [
        None,
        "",
        "Y2,,,2026-2027,schoolYear,soon,,,2027\n",
        "Y2,,,2026-2027,schoolYear,2024-09-01,2025-07-05,,2025\n",  # never renewed
        "Y2,active,,T1,term,2026-09-01,2026-11-20,,\nY3,,,T2,term,2026-12-01,2027-03-01,,\n",
    ],
)
def test_terms_that_say_nothing_of_the_day_limit_nothing(sessions: str | None) -> None:
    classes = 'B,,,CE2 A,CE2,K,,homeroom,,S,"Y2,Y3"\n'
    row = read_pupil(build_set("e1,,,B,S,p1,student,,,\n", classes=classes, sessions=sessions))
    assert row.class_label == "CE2 A"


def test_classes_of_each_trimester_follow_one_another() -> None:
    terms = "T1,,,T1,term,2026-09-01,2026-12-18,Y,\nT2,,,T2,term,2027-01-04,2027-04-02,Y,\n"
    classes = "A,,,CE1 A,CE1,K,,homeroom,,S,T1\nB,,,CE1 B,CE1,K,,homeroom,,S,T2\n"
    seats = "e1,,,A,S,p1,student,,,\ne2,,,B,S,p1,student,,,\n"
    content = build_set(seats, classes=classes, sessions=terms)
    assert [read_pupil(content, day).class_label for day in (TODAY.day, date(2026, 12, 24), date(2027, 2, 1))] == [
        "CE1 A",
        "CE1 B",
        "CE1 B",
    ]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("users.csv", "", "missing_sourcedId"),
        ("users.csv", "sourcedID,givenName,familyName,role\np1,Zoé,EL HADJ,student\n", "missing_sourcedId"),
        ("users.csv", "sourcedId,status,givenName,familyName,role\n", "empty"),
        ("users.csv", "sourcedId,status,givenName,familyName,role\np1,tobedeleted,Zoé,EL HADJ,student\n", "empty"),
        ("users.csv", "sourcedId,prenom,familyName,role\np1,Zoé,EL HADJ,student\n", "missing_givenName"),
        ("enrollments.csv", "", "missing_sourcedId"),
        ("enrollments.csv", "sourcedId,class,userSourcedId\ne1,A,p1\n", "missing_classSourcedId"),
        ("classes.csv", "sourcedId,name\nA,CE1 A\n", "missing_title"),
    ],
)
def test_a_set_that_would_be_read_as_a_list_of_nobody_is_refused(name: str, content: str, why: str) -> None:
    """Read as an empty list, it would tell that every pupil of the school has left."""
    with zipfile.ZipFile(io.BytesIO(build_set())) as archive:
        files = {each: archive.read(each).decode() for each in archive.namelist()}
    with pytest.raises(UnreadableRoster) as caught:
        read(zip_file(files | {name: content}))
    assert caught.value.details["why"] == why


def test_names_of_files_are_read_in_any_case() -> None:
    with zipfile.ZipFile(io.BytesIO(build_set())) as archive:
        files = {f"Export/{each.upper()}": archive.read(each).decode() for each in archive.namelist()}
    assert read_pupil(zip_file(files)).class_label == "CE1 B"


@pytest.mark.parametrize("enabled", ["false", "FALSE", "0", "", "true"])
def test_a_pupil_without_an_account_is_in_the_roster(enabled: str) -> None:
    roster = read(build_set(enabled=enabled))
    assert ([row.last_name for row in roster.rows], roster.skipped) == (["EL HADJ"], 0)


def test_records_to_be_deleted_count_nowhere() -> None:
    users = "p1,active,2026-11-01,true,S,student,p1,,Zoé,EL HADJ,,,,CE1\np2,ToBeDeleted,,true,S,student,p2,,Adam,GONE,,,,CE1\n"
    seats = "e1,tobedeleted,,A,S,p1,student,,,\ne2,active,,B,S,p1,student,,,\n"
    roster = read(build_set(seats, users=users))
    assert [(row.last_name, row.class_label) for row in roster.rows] == [("EL HADJ", "CE1 B")]


@pytest.mark.parametrize(
    ("manifest", "refused"),
    [
        ("oneroster.version,1.1\nfile.users,delta\n", True),
        ("oneroster.version,1.1\nfile.enrollments,Delta\nfile.users,bulk\n", True),
        ("oneroster.version,1.1\nfile.results,delta\nfile.users,bulk\n", False),
        ("oneroster.version,1.1\nsource.systemName,delta\n", False),
        ("oneroster.version,v1.1\n", False),
        ("oneroster.version,1.1.0\n", False),
    ],
)
def test_only_sets_whose_read_files_are_partial_are_refused(manifest: str, refused: bool) -> None:
    if not refused:
        assert len(read(build_set(manifest=manifest)).rows) == 1
        return
    with pytest.raises(UnreadableRoster) as caught:
        read(build_set(manifest=manifest))
    assert caught.value.details["why"] == "oneroster_delta"


@pytest.mark.parametrize("role", ["learner", "ext:pupil", "", "Student"])
def test_an_unknown_role_is_replaced_by_that_in_the_class(role: str) -> None:
    assert len(read(build_set(role=role)).rows) == 1


def test_people_whose_role_is_unknown_everywhere_are_counted_and_named_by_role() -> None:
    users = "p1,,,true,S,student,p1,,Zoé,EL HADJ,,,,CE1\nx1,,,true,S,visitor,x1,,A,B,,,,\nx2,,,true,S,sysAdmin,x2,,A,B,,,,\n"
    roster = read(build_set(users=users))
    assert (len(roster.rows), roster.skipped, roster.unknown_roles) == (1, 2, {"visitor": 1})


def test_a_role_counts_while_its_dates_hold() -> None:
    ended = "r1,,,p1,primary,student,2025-09-01,2026-07-04,S,\n"
    version = "oneroster.version,1.2\n"
    assert read(build_set(roles=ended, manifest=version)).rows == []
    moved = ended + "r2,,,p1,primary,student,2026-09-01,,S,\n"
    assert len(read(build_set(roles=moved, manifest=version)).rows) == 1


@pytest.mark.parametrize(
    "orgs",
    ["", "X,,,Other,school,0929002K,\n", "S,,,École,school,,\n", "S,,,École,school,12345,\n", "S,,,École,School,0929001J,\n"],
)
def test_a_school_that_the_set_does_not_name_is_named_by_the_caller(runtime: Runtime, orgs: str) -> None:
    with runtime.open_unit_of_work() as work:
        scenario = SchoolScenario(work)
        if "0929001J" not in orgs:
            assert scenario.preview_file(build_set(orgs=orgs)).counts["new"] == 1
            with pytest.raises(SchoolRequired):
                scenario.preview_file(build_set(orgs=orgs), named=False)
        named_in_id = build_set(orgs=f"{scenario.school.uai},,,École,school,local-7,\n", org=scenario.school.uai,
                                classes=CLASSES.replace(",S\n", f",{scenario.school.uai}\n"))  # fmt: skip
        assert scenario.preview_file(named_in_id, named=False).counts["new"] == 1


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-09-01", date(2026, 9, 1)),
        ("2026-09-01T00:00:00", date(2026, 9, 1)),
        ("2026-08-31T22:00:00Z", date(2026, 9, 1)),
        ("2026-08-31T22:00:00.000Z", date(2026, 9, 1)),
        ("2026-09-01T00:00:00+02:00", date(2026, 9, 1)),
        ("2026-09-01 00:00", date(2026, 9, 1)),
        ("01/09/2026", date(2026, 9, 1)),
        ("1/9/2026 00:00:00", date(2026, 9, 1)),
        ("2026-09-01T25:61", date(2026, 9, 1)),
        ("", None),
        ("31/02/2026", None),
        ("soon", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_dates_with_time_and_zone(cell: str, expected: date | None) -> None:
    assert parse_record_date(cell, PARIS) == expected or (
        cell.startswith("9999") and parse_record_date(cell, PARIS) == date(9999, 12, 31)
    )


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_none(cell: str) -> None:
    assert parse_record_date(cell, ZoneInfo("Pacific/Noumea")) is None or cell


def test_a_seat_with_unreadable_dates_counts() -> None:
    assert read_pupil(build_set("e1,,,A,S,p1,student,,jamais,??\n")).class_label == "CE1 A"


def test_teachers_have_the_classes_of_today() -> None:
    users = "t1,,,true,S,teacher,t1,,Paul,DURAND,,,,\n"
    seats = "e1,,,A,S,t1,teacher,true,2026-09-01,2026-10-31\ne2,,,B,S,t1,teacher,true,2026-11-02,\n"
    assert [row.class_label for row in read(build_set(seats, users=users)).staff] == ["CE1 B"]


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def test_an_import_moves_pupils_when_their_next_seat_begins(scenario: SchoolScenario, clock: ManualClock) -> None:
    content = build_set(CHANGED + "e3,,,G,S,p1,student,,2026-11-02,\n", uai=scenario.school.uai)
    clock.set(datetime(2026, 10, 15, 8, 0, tzinfo=PARIS)) if hasattr(clock, "set") else None
    made = scenario.import_file(content)
    assert made.counts["new"] == 1
    pupil = scenario.get_pupil("EL HADJ Zoé")
    assert pupil.class_id is not None
    assert scenario.get_class_labels()[pupil.class_id] == "CE1 B", "today is 23 November"
    assert scenario.import_file(content).counts["unchanged"] == 1
    switched_off = scenario.preview_file(build_set(uai=scenario.school.uai, enabled="false"))
    assert switched_off.counts["left_file"] == 0, "an account that is switched off does not make anybody leave"


def test_unknown_roles_are_told_in_the_preview(scenario: SchoolScenario) -> None:
    users = "p1,,,true,S,student,p1,,Zoé,EL HADJ,,,,CE1\nx1,,,true,S,visitor,x1,,A,B,,,,\n"
    made = scenario.preview_file(build_set(users=users, uai=scenario.school.uai))
    assert made.warnings == [{"code": "unknown_role", "role": "visitor", "count": 1}]
