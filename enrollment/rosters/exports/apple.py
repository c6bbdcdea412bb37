"""The six files that Apple School Manager takes by SFTP (schools.md section 7.7). A set that lacks a class makes its pupils lose
their work there: so it is whole, or there are reasons why not. Pure.
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
#: Columns without which a set says too little.
REQUIRED: dict[str, frozenset[str]] = {
    "locations": frozenset(HEADERS["locations"]),
    "students": frozenset({"person_id", "first_name", "last_name", "location_id"}),
    "staff": frozenset({"person_id", "first_name", "last_name", "location_id"}),
    "courses": frozenset({"course_id", "location_id"}),
    "classes": frozenset({"class_id", "course_id", "instructor_id", "location_id"}),
    "rosters": frozenset(HEADERS["rosters"]),
}
#: Reasons that a person may accept after having looked; the others cannot be handed out at all.
ACCEPTABLE = frozenset({"school_without_pupils", "pupil_without_class", "class_missing", "summer_freeze", "lists_unconfirmed"})
_ROSTER_ID_NAMESPACE = UUID("8c0f5d3e-6f0a-4f0e-9b57-0d2b8f1c7a11")


class PasswordPolicy(StrEnum):
    """How pupils' managed accounts are locked; empty leaves it to Apple's setting."""

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
    """Why the set cannot be handed out as it is; `before` are the classes of this year's last set, `frozen` tells of summer,
    `unconfirmed` are the schools whose head has not said yet that the lists of the new year are right.
    """
    told = snapshot.find_blockers()
    if not snapshot.pupils:
        told.append(ExportBlocker("no_pupils", 0))
    without = [pupil.id for pupil in snapshot.pupils if pupil.class_id not in snapshot.classes_by_id]
    missing = set(previous_class_ids) - {str(each) for each in snapshot.classes_by_id}
    crowded = [
        each for each, held in snapshot.assignments_by_class.items() if len({one.staff_id for one in held}) > MAX_INSTRUCTORS
    ]
    for code, ids in (("pupil_without_class", without), ("class_missing", sorted(missing)), ("too_many_instructors", crowded)):
        if ids:
            told.append(ExportBlocker.from_ids(code, ids))
    if frozen:
        told.append(ExportBlocker("summer_freeze", 1))
    if waiting := sorted(unconfirmed_schools, key=str):
        told.append(ExportBlocker.from_ids("lists_unconfirmed", waiting))
    return told + _find_template_blockers(snapshot, template)


def _find_template_blockers(snapshot: RosterSnapshot, template: Template) -> list[ExportBlocker]:
    lacking = {f"{name}.{column}" for name, needed in REQUIRED.items() for column in needed - set(template.get(name, ()))}
    used = {
        f"{name}.{column}"
        for name, records in _build_records(snapshot, PasswordPolicy.DEFAULT).items()
        for r in records
        for column in r
    }
    narrow = {each for each in used if each.split(".")[1] not in template.get(each.split(".")[0], ()) and "_id_" in each}
    told = (("template_lacks_column", lacking), ("template_too_narrow", narrow - lacking))
    return [ExportBlocker.from_ids(code, names) for code, names in told if names]


def build_default_template(snapshot: RosterSnapshot) -> Template:
    """The columns as Apple documents them, as wide as this town needs."""
    used: dict[str, set[str]] = {
        name: {column for record in records for column in record}
        for name, records in _build_records(snapshot, PasswordPolicy.DEFAULT).items()
    }
    wide = {name: [*header] for name, header in HEADERS.items()}
    for name, column in (("classes", "instructor_id"), ("staff", "location_id")):
        more = [each for number in range(2, 100) if (each := f"{column}_{number}") in used[name] and each not in wide[name]]
        at = max(index for index, each in enumerate(wide[name]) if each.startswith(column)) + 1
        wide[name][at:at] = more
    return wide


def build_files(snapshot: RosterSnapshot, policy: PasswordPolicy, template: Template) -> dict[str, bytes]:
    """The files, with the columns of the template in its order. Only called when there are no reasons against it."""
    records = _build_records(snapshot, policy)
    return {
        f"{name}.csv": write_csv(
            template[name], [[r.get(column, "") for column in template[name]] for r in records[name]], line_end="\n"
        )
        for name in HEADERS
    }


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
        # A course for each class: one that several classes share would have to change when one of them does.
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
                    "instructor_id", dict.fromkeys(str(held.staff_id) for held in snapshot.assignments_by_class.get(each.id, ()))
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
    """A column for each value: `instructor_id`, `instructor_id_2` and so on."""
    return {column if at == 1 else f"{column}_{at}": value for at, value in enumerate(values, start=1)}
