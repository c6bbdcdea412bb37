"""Builds a bulk set of OneRoster 1.2 CSV files. Identifiers are our own random ones; `demographics.csv` is never written and pupils have
no e-mail address. Pure.
"""

from __future__ import annotations

from enrollment.people.models import AssignmentKind
from enrollment.rosters.exports.archives import write_csv
from enrollment.rosters.exports.snapshot import RosterSnapshot

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
_ABSENT_FILES = (
    "categories", "classResources", "courseResources", "demographics", "lineItemLearningObjectiveIds", "lineItems",
    "lineItemScoreScales", "resources", "resultLearningObjectiveIds", "results", "resultScoreScales", "scoreScales",
    "userProfiles", "userResources",
)  # fmt: skip
Record = dict[str, str]


def build_files(snapshot: RosterSnapshot) -> dict[str, bytes]:
    """Return the files of a town, by name."""
    records_by_file = {
        "orgs": _build_orgs(snapshot),
        "academicSessions": [_build_academic_session(snapshot)],
        "courses": _build_courses(snapshot),
        "classes": _build_classes(snapshot),
        "users": _build_users(snapshot),
        "roles": _build_roles(snapshot),
        "enrollments": _build_enrollments(snapshot),
    }
    files = {"manifest.csv": _build_manifest()}
    for name, records in records_by_file.items():
        rows = [[record.get(column, "") for column in HEADERS[name]] for record in records]
        files[f"{name}.csv"] = write_csv(HEADERS[name], rows, line_end="\r\n")
    return files


def _build_manifest() -> bytes:
    modes = {**dict.fromkeys(HEADERS, "bulk"), **dict.fromkeys(_ABSENT_FILES, "absent")}
    rows = [
        ["manifest.version", "1.0"],
        ["oneroster.version", "1.2"],
        *([f"file.{name}", mode] for name, mode in sorted(modes.items())),
        ["source.systemName", "Cartable"],
        ["source.systemCode", "cartable"],
    ]
    return write_csv(["propertyName", "value"], rows, line_end="\r\n")


def _build_orgs(snapshot: RosterSnapshot) -> list[Record]:
    town = {"sourcedId": str(snapshot.town.id), "name": snapshot.town.name, "type": "district"}
    return [
        town,
        *(
            {"sourcedId": str(s.id), "name": s.name, "type": "school", "identifier": s.uai, "parentSourcedId": town["sourcedId"]}
            for s in snapshot.schools
        ),
    ]


def _build_academic_session(snapshot: RosterSnapshot) -> Record:
    first, last = snapshot.year.split("-")
    return {
        "sourcedId": snapshot.year,
        "title": snapshot.year,
        "type": "schoolYear",
        "startDate": f"{first}-09-01",
        "endDate": f"{last}-08-31",
        "schoolYear": last,
    }


def _build_courses(snapshot: RosterSnapshot) -> list[Record]:
    """Return one course for each class: a primary school teaches all subjects in one."""
    return [
        {
            "sourcedId": f"course-{each.id}",
            "schoolYearSourcedId": snapshot.year,
            "title": each.label,
            "grades": ",".join(snapshot.list_grades(each.id)),
            "orgSourcedId": str(each.school_id),
        }
        for each in snapshot.classes
    ]


def _build_classes(snapshot: RosterSnapshot) -> list[Record]:
    return [
        {
            "sourcedId": str(each.id),
            "title": each.label,
            "grades": ",".join(snapshot.list_grades(each.id)),
            "courseSourcedId": f"course-{each.id}",
            "classCode": each.onde_id or "",
            "classType": "homeroom",
            "schoolSourcedId": str(each.school_id),
            "termSourcedIds": snapshot.year,
        }
        for each in snapshot.classes
    ]


def _build_users(snapshot: RosterSnapshot) -> list[Record]:
    pupils = [
        {
            **_build_user(str(each.id), each.first_name, each.last_name),
            "preferredFamilyName": each.usage_name or "",
            "grades": each.grade.value,
            "primaryOrgSourcedId": str(each.school_id),
        }
        for each in snapshot.pupils
    ]
    staff = [
        {
            **_build_user(str(each.id), each.first_name, each.last_name),
            "email": each.email or "",
            "primaryOrgSourcedId": str(snapshot.list_schools_of_staff(each.id)[0]),
        }
        for each in snapshot.staff_by_id.values()
    ]
    return pupils + staff


def _build_user(sourced_id: str, first: str, last: str) -> Record:
    return {"sourcedId": sourced_id, "enabledUser": "true", "username": sourced_id, "givenName": first, "familyName": last}


def _build_roles(snapshot: RosterSnapshot) -> list[Record]:
    roles = [(str(each.id), str(each.school_id), "student", True) for each in snapshot.pupils]
    for staff_id in snapshot.staff_by_id:
        for index, school_id in enumerate(snapshot.list_schools_of_staff(staff_id)):
            roles.append((str(staff_id), str(school_id), _role_at_school(snapshot, staff_id, school_id), index == 0))
    return [
        {
            "sourcedId": f"{user}.{org}",
            "userSourcedId": user,
            "roleType": "primary" if is_primary else "secondary",
            "role": role,
            "orgSourcedId": org,
        }
        for user, org, role, is_primary in roles
    ]


def _role_at_school(snapshot: RosterSnapshot, staff_id: object, school_id: object) -> str:
    kinds = {each.kind for each in snapshot.assignments if each.staff_id == staff_id and each.school_id == school_id}
    return "aide" if kinds == {AssignmentKind.SUPPORT} else "teacher"


def _build_enrollments(snapshot: RosterSnapshot) -> list[Record]:
    enrollments = []
    for each in snapshot.classes:
        people = {pupil.id: ("student", "false") for pupil in snapshot.pupils_by_class.get(each.id, ())}
        for assignment in reversed(snapshot.assignments_by_class.get(each.id, [])):
            role = "aide" if assignment.kind is AssignmentKind.SUPPORT else "teacher"
            people[assignment.staff_id] = (role, "true" if assignment.kind is AssignmentKind.MAIN else "false")
        for user_id, (role, primary) in people.items():
            enrollments.append(
                {
                    "sourcedId": f"{each.id}.{user_id}",
                    "classSourcedId": str(each.id),
                    "schoolSourcedId": str(each.school_id),
                    "userSourcedId": str(user_id),
                    "role": role,
                    "primary": primary,
                }
            )
    return enrollments
