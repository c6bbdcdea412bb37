"""A bulk set of OneRoster 1.2 CSV files (schools.md section 7.6): identifiers are our own random ones, `demographics.csv` is never
made, pupils have no e-mail. Pure.
"""

from __future__ import annotations

from enrollment.people.exports.archives import csv_text
from enrollment.people.exports.snapshot import Snapshot
from enrollment.people.models import AssignmentKind

_BASE = ("sourcedId", "status", "dateLastModified")
HEADERS = {
    "orgs": (*_BASE, "name", "type", "identifier", "parentSourcedId"),
    "academicSessions": (*_BASE, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    "courses": (*_BASE, "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes"),
    "classes": (*_BASE, "title", "grades", "courseSourcedId", "classCode", "classType", "location", "schoolSourcedId",
                "termSourcedIds", "subjects", "subjectCodes", "periods"),
    "users": (*_BASE, "enabledUser", "username", "userIds", "givenName", "familyName", "middleName", "identifier", "email", "sms",
              "phone", "agentSourcedIds", "grades", "password", "userMasterIdentifier", "resourceSourcedIds",
              "preferredGivenName", "preferredMiddleName", "preferredFamilyName", "primaryOrgSourcedId", "pronouns"),
    "roles": (*_BASE, "userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId"),
    "enrollments": (*_BASE, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate"),
}  # fmt: skip
_ABSENT = (
    "categories", "classResources", "courseResources", "demographics", "lineItemLearningObjectiveIds", "lineItems",
    "lineItemScoreScales", "resources", "resultLearningObjectiveIds", "results", "resultScoreScales", "scoreScales",
    "userProfiles", "userResources",
)  # fmt: skip
Record = dict[str, str]


def files(found: Snapshot) -> dict[str, bytes]:
    """The files of a town, by name."""
    records = {
        "orgs": _orgs(found),
        "academicSessions": [_year(found)],
        "courses": _courses(found),
        "classes": _classes(found),
        "users": _users(found),
        "roles": _roles(found),
        "enrollments": _enrollments(found),
    }
    made = {"manifest.csv": _manifest()}
    for name, listed in records.items():
        rows = [[record.get(column, "") for column in HEADERS[name]] for record in listed]
        made[f"{name}.csv"] = csv_text(HEADERS[name], rows, end="\r\n")
    return made


def _manifest() -> bytes:
    modes = {**dict.fromkeys(HEADERS, "bulk"), **dict.fromkeys(_ABSENT, "absent")}
    rows = [
        ["manifest.version", "1.0"],
        ["oneroster.version", "1.2"],
        *([f"file.{name}", mode] for name, mode in sorted(modes.items())),
        ["source.systemName", "Cartable"],
        ["source.systemCode", "cartable"],
    ]
    return csv_text(["propertyName", "value"], rows, end="\r\n")


def _orgs(found: Snapshot) -> list[Record]:
    town = {"sourcedId": str(found.town.id), "name": found.town.name, "type": "district"}
    return [
        town,
        *(
            {"sourcedId": str(s.id), "name": s.name, "type": "school", "identifier": s.uai, "parentSourcedId": town["sourcedId"]}
            for s in found.schools
        ),
    ]


def _year(found: Snapshot) -> Record:
    first, last = found.year.split("-")
    return {
        "sourcedId": found.year,
        "title": found.year,
        "type": "schoolYear",
        "startDate": f"{first}-09-01",
        "endDate": f"{last}-08-31",
        "schoolYear": last,
    }


def _courses(found: Snapshot) -> list[Record]:
    """One course for each class: a primary school teaches all subjects in one."""
    return [
        {
            "sourcedId": f"course-{each.id}",
            "schoolYearSourcedId": found.year,
            "title": each.label,
            "grades": ",".join(found.levels(each.id)),
            "orgSourcedId": str(each.school_id),
        }
        for each in found.classes
    ]


def _classes(found: Snapshot) -> list[Record]:
    return [
        {
            "sourcedId": str(each.id),
            "title": each.label,
            "grades": ",".join(found.levels(each.id)),
            "courseSourcedId": f"course-{each.id}",
            "classCode": each.onde_id or "",
            "classType": "homeroom",
            "schoolSourcedId": str(each.school_id),
            "termSourcedIds": found.year,
        }
        for each in found.classes
    ]


def _users(found: Snapshot) -> list[Record]:
    pupils = [
        {
            **_user(str(each.id), each.first_name, each.last_name),
            "preferredFamilyName": each.usage_name or "",
            "grades": each.level.value,
            "primaryOrgSourcedId": str(each.school_id),
        }
        for each in found.pupils
    ]
    staff = [
        {
            **_user(str(each.id), each.first_name, each.last_name),
            "email": each.email or "",
            "primaryOrgSourcedId": str(found.schools_of(each.id)[0]),
        }
        for each in found.staff.values()
    ]
    return pupils + staff


def _user(sourced_id: str, first: str, last: str) -> Record:
    return {"sourcedId": sourced_id, "enabledUser": "true", "username": sourced_id, "givenName": first, "familyName": last}


def _roles(found: Snapshot) -> list[Record]:
    held = [(str(each.id), str(each.school_id), "student", True) for each in found.pupils]
    for staff_id in found.staff:
        for at, school_id in enumerate(found.schools_of(staff_id)):
            held.append((str(staff_id), str(school_id), _role(found, staff_id, school_id), at == 0))
    return [
        {
            "sourcedId": f"{user}.{org}",
            "userSourcedId": user,
            "roleType": "primary" if first else "secondary",
            "role": role,
            "orgSourcedId": org,
        }
        for user, org, role, first in held
    ]


def _role(found: Snapshot, staff_id: object, school_id: object) -> str:
    kinds = {each.kind for each in found.assignments if each.staff_id == staff_id and each.school_id == school_id}
    return "aide" if kinds == {AssignmentKind.SUPPORT} else "teacher"


def _enrollments(found: Snapshot) -> list[Record]:
    seats = []
    for each in found.classes:
        people = {pupil.id: ("student", "false") for pupil in found.in_class.get(each.id, ())}
        for held in reversed(found.teachers.get(each.id, [])):
            role = "aide" if held.kind is AssignmentKind.SUPPORT else "teacher"
            people[held.staff_id] = (role, "true" if held.kind is AssignmentKind.MAIN else "false")
        for user_id, (role, primary) in people.items():
            seats.append(
                {
                    "sourcedId": f"{each.id}.{user_id}",
                    "classSourcedId": str(each.id),
                    "schoolSourcedId": str(each.school_id),
                    "userSourcedId": str(user_id),
                    "role": role,
                    "primary": primary,
                }
            )
    return seats
