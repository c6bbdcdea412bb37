"""Builds the six files that Apple School Manager accepts by SFTP, and finds what blocks the export. Pure.

The pupils of a class that is missing from the files lose their work at Apple, so an export is complete or it is refused.
See docs/domain/rosters.md#apple-school-manager-files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from uuid import UUID, uuid5

from enrollment.rosters.exports.archives import write_csv
from enrollment.rosters.exports.snapshot import ExportBlocker, RosterSnapshot

MAX_INSTRUCTORS = 15
HEADERS: dict[str, tuple[str, ...]] = {
    "locations": ("location_id", "location_name"),
    "students": ("person_id", "person_number", "first_name", "middle_name", "last_name", "grade_level", "email_address",
                 "sis_username", "password_policy", "location_id"),
    "staff": ("person_id", "person_number", "first_name", "middle_name", "last_name", "email_address", "sis_username",
              "location_id"),
    "courses": ("course_id", "course_number", "course_name", "location_id"),
    "classes": ("class_id", "class_number", "course_id", "instructor_id", "instructor_id_2", "instructor_id_3", "location_id"),
    "rosters": ("roster_id", "class_id", "student_id"),
}  # fmt: skip
#: Columns that a template must have.
REQUIRED: dict[str, frozenset[str]] = {
    "locations": frozenset(HEADERS["locations"]),
    "students": frozenset({"person_id", "first_name", "last_name", "location_id"}),
    "staff": frozenset({"person_id", "first_name", "last_name", "location_id"}),
    "courses": frozenset({"course_id", "location_id"}),
    "classes": frozenset({"class_id", "course_id", "instructor_id", "location_id"}),
    "rosters": frozenset(HEADERS["rosters"]),
}
#: Blockers that a person may accept after checking; the others always prevent the export.
ACCEPTABLE = frozenset({"school_without_pupils", "pupil_without_class", "class_missing", "summer_freeze", "lists_unconfirmed"})
_ROSTER_ID_NAMESPACE = UUID("8c0f5d3e-6f0a-4f0e-9b57-0d2b8f1c7a11")


class PasswordPolicy(StrEnum):
    """The password policy of pupils' managed accounts; empty leaves it to the setting at Apple."""

    FOUR = "4"
    SIX = "6"
    EIGHT = "8"
    DEFAULT = ""


Template = Mapping[str, Sequence[str]]
Record = dict[str, str]


def find_blockers(
    snapshot: RosterSnapshot,
    previous_class_ids: Iterable[str],
    template: Template,
    *,
    frozen: bool = False,
    unconfirmed_schools: Iterable[UUID] = (),
) -> list[ExportBlocker]:
    """Return what blocks the export.

    `previous_class_ids`: the classes of this year's last export. `frozen`: the summer freeze is active. `unconfirmed_schools`: the schools
    whose head has not confirmed the class lists of the new year.
    """
    blockers = snapshot.find_blockers()
    if not snapshot.pupils:
        blockers.append(ExportBlocker("no_pupils", 0))
    without_class = [pupil.id for pupil in snapshot.pupils if pupil.class_id not in snapshot.classes_by_id]
    missing = set(previous_class_ids) - {str(class_id) for class_id in snapshot.classes_by_id}
    crowded = [
        class_id
        for class_id, assignments in snapshot.assignments_by_class.items()
        if len({assignment.staff_id for assignment in assignments}) > MAX_INSTRUCTORS
    ]
    for code, ids in (
        ("pupil_without_class", without_class), ("class_missing", sorted(missing)), ("too_many_instructors", crowded),
    ):  # fmt: skip
        if ids:
            blockers.append(ExportBlocker.from_ids(code, ids))
    if frozen:
        blockers.append(ExportBlocker("summer_freeze", 1))
    if school_ids := sorted(unconfirmed_schools, key=str):
        blockers.append(ExportBlocker.from_ids("lists_unconfirmed", school_ids))
    return blockers + _find_template_blockers(snapshot, template)


def _find_template_blockers(snapshot: RosterSnapshot, template: Template) -> list[ExportBlocker]:
    missing = {f"{name}.{column}" for name, required in REQUIRED.items() for column in required - set(template.get(name, ()))}
    beyond_template = {
        f"{name}.{column}"
        for name, columns in _list_used_columns(snapshot).items()
        for column in columns
        if "_id_" in column and column not in template.get(name, ())
    }
    columns_by_code = {"template_lacks_column": missing, "template_too_narrow": beyond_template - missing}
    return [ExportBlocker.from_ids(code, columns) for code, columns in columns_by_code.items() if columns]


def _list_used_columns(snapshot: RosterSnapshot) -> dict[str, set[str]]:
    records_by_file = _build_records(snapshot, PasswordPolicy.DEFAULT)
    return {name: {column for record in records for column in record} for name, records in records_by_file.items()}


def build_default_template(snapshot: RosterSnapshot) -> Template:
    """Return the columns as Apple documents them, with as many numbered columns as this town needs."""
    used = _list_used_columns(snapshot)
    template = {name: [*header] for name, header in HEADERS.items()}
    for name, column in (("classes", "instructor_id"), ("staff", "location_id")):
        numbered = [f"{column}_{number}" for number in range(2, 100)]
        added = [each for each in numbered if each in used[name] and each not in template[name]]
        position = max(index for index, each in enumerate(template[name]) if each.startswith(column)) + 1
        template[name][position:position] = added
    return template


def build_files(snapshot: RosterSnapshot, policy: PasswordPolicy, template: Template) -> dict[str, bytes]:
    """Return the files by name, with the columns of the template in its order. The caller has checked that nothing blocks the export."""
    records_by_file = _build_records(snapshot, policy)
    files = {}
    for name in HEADERS:
        rows = [[record.get(column, "") for column in template[name]] for record in records_by_file[name]]
        files[f"{name}.csv"] = write_csv(template[name], rows, line_end="\n")
    return files


def _build_records(snapshot: RosterSnapshot, policy: PasswordPolicy) -> dict[str, list[Record]]:
    uai = snapshot.uai_by_school
    return {
        "locations": [{"location_id": school.uai, "location_name": school.name} for school in snapshot.schools],
        "students": [
            {
                "person_id": str(each.id),
                "first_name": each.first_name,
                "last_name": each.usage_name or each.last_name,
                "grade_level": each.grade.value,
                "password_policy": policy.value,
                "location_id": uai[each.school_id],
            }
            for each in snapshot.pupils
        ],
        "staff": [
            {
                "person_id": str(each.id),
                "first_name": each.first_name,
                "last_name": each.last_name,
                "email_address": each.email or "",
                **_number_columns("location_id", [uai[school] for school in snapshot.list_schools_of_staff(each.id)]),
            }
            for each in snapshot.staff_by_id.values()
        ],
        # One course for each class: a course shared by classes would have to change whenever one of them does.
        "courses": [
            {"course_id": f"c-{each.id}", "course_name": each.label, "location_id": uai[each.school_id]}
            for each in snapshot.classes
        ],
        "classes": [
            {
                "class_id": str(each.id),
                "course_id": f"c-{each.id}",
                "location_id": uai[each.school_id],
                **_number_columns(
                    "instructor_id",
                    dict.fromkeys(str(assignment.staff_id) for assignment in snapshot.assignments_by_class.get(each.id, ())),
                ),
            }
            for each in snapshot.classes
        ],
        "rosters": [
            {
                "roster_id": str(uuid5(_ROSTER_ID_NAMESPACE, f"{class_id}/{pupil.id}")),
                "class_id": str(class_id),
                "student_id": str(pupil.id),
            }
            for class_id, pupils in sorted(snapshot.pupils_by_class.items(), key=lambda item: str(item[0]))
            for pupil in pupils
        ],
    }


def _number_columns(column: str, values: Iterable[str]) -> Record:
    """Return one column for each value: `instructor_id`, `instructor_id_2` and so on."""
    return {column if number == 1 else f"{column}_{number}": value for number, value in enumerate(values, start=1)}
