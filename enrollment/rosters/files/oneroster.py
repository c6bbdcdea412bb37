"""Reads the records of a OneRoster set into rows: people with their school and class. Passwords, phone numbers and pupils' e-mail
addresses are not read. The archive is opened in `oneroster_archive`. See docs/domain/rosters.md#oneroster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from enrollment.places.rules import check_uai
from enrollment.rosters.files.cells import MAX_LABEL, has_doubtful_letters, parse_email, parse_ine
from enrollment.rosters.files.oneroster_archive import Record, read_files
from enrollment.rosters.files.pupils import parse_pupil
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, ChildReference, GuardianRow, PupilRow, Roster, StaffRow
from enrollment.rosters.files.staff import parse_staff
from enrollment.rosters.files.terms import select_classes_of_term
from enrollment.rosters.files.validity import ReferenceDay, select_current

_STAFF = {"teacher": "main", "aide": "support", "administrator": "main", "principal": "main", "proctor": "support"}
_GUARDIANS = {"guardian", "parent", "relative"}
#: Roles of people who are in no roster: they run or watch the software.
_WITHOUT_ROW = {"", "counselor", "districtadministrator", "siteadministrator", "sysadmin", "systemadministrator"}
_KNOWN_ROLES = {"student", *_STAFF, *_GUARDIANS} | (_WITHOUT_ROW - {""})


@dataclass(slots=True)
class _OneRosterSet:
    """The records of the files, by file name, and the indexes that link them. Enrollments and roles are those of the reference day."""

    files: dict[str, list[Record]]
    reference: ReferenceDay | None
    uai_by_org: dict[str, str] = field(default_factory=dict)
    classes_by_id: dict[str, Record] = field(default_factory=dict)
    homonymous_classes: set[str] = field(default_factory=set)  # classes that share their title with another of their school
    has_groups: bool = False  # some classes are no homerooms
    roles_by_user: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    users_with_roles: set[str] = field(default_factory=set)
    enrollments_by_user: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def get_school_uai(self, org_id: str) -> str:
        """Return the code of a school; empty when the set does not contain it, so that the caller must name the school."""
        return self.uai_by_org.get(org_id, "")


@dataclass(slots=True)
class _People:
    """The rows of a set. `unknown_roles` counts the users whose role is none of the standard's, by role."""

    pupils: dict[str, PupilRow] = field(default_factory=dict)
    staff: list[StaffRow] = field(default_factory=list)
    guardians: list[GuardianRow] = field(default_factory=list)
    skipped: int = 0
    unknown_roles: Counter[str] = field(default_factory=Counter)


def read_archive(content: bytes, *, reference: ReferenceDay | None, keep_contacts: bool) -> Roster:
    """Return the rows of an archive as they hold on the reference day, or all of them without one. Raises as `read_files` does."""
    files = read_files(content)
    records = _link_records(_OneRosterSet(files.records, reference))
    people = _build_rows(records, keep_contacts=keep_contacts)
    covers = {"pupils"} | ({"staff"} if people.staff else set()) | ({"guardians"} if people.guardians else set())
    return Roster(
        f"oneroster_{files.version}", list(people.pupils.values()), people.guardians, people.staff, [], people.skipped,
        frozenset(covers), guessed_encoding=files.guessed_encoding, unknown_roles=dict(people.unknown_roles),
    )  # fmt: skip


def _link_records(records: _OneRosterSet) -> _OneRosterSet:
    records.uai_by_org = _index_schools(records.files.get("orgs", []))
    sessions = records.files.get("academicSessions", [])
    classes = select_classes_of_term(records.files["classes"], sessions, records.reference)
    records.classes_by_id = {each["sourcedId"]: each for each in classes}
    title_counts = Counter((each.get("schoolSourcedId"), each.get("title")) for each in records.classes_by_id.values())
    records.homonymous_classes = {
        key for key, each in records.classes_by_id.items() if title_counts[each.get("schoolSourcedId"), each.get("title")] > 1
    }
    kinds = {_is_homeroom(each) for each in records.classes_by_id.values()}
    records.has_groups = kinds == {True, False}
    for user_id, roles in _group_by_user(records.files.get("roles", [])).items():
        current = select_current(roles, records.reference)
        records.users_with_roles.add(user_id)
        records.roles_by_user[user_id] = [(role.get("role", "").lower(), role.get("orgSourcedId", "")) for role in current]
    known_enrollments = [each for each in records.files["enrollments"] if each.get("classSourcedId") in records.classes_by_id]
    for user_id, enrollments in _group_by_user(known_enrollments).items():
        records.enrollments_by_user[user_id] = select_current(enrollments, records.reference)
    return records


def _index_schools(orgs: Sequence[Record]) -> dict[str, str]:
    """Return the code (UAI) of each school by its id. It is the identifier, or the id itself, which some programs use for it.

    A single school without a code has an empty one: whoever uploads the file names the school.
    """
    schools = [org for org in orgs if (org.get("type") or "school").lower() == "school"]
    uais: dict[str, str] = {}
    for org in schools:
        codes = [uai for uai, fault in map(check_uai, (org.get("identifier", ""), org["sourcedId"])) if fault is None]
        unknown_code = "" if len(schools) == 1 else org.get("identifier", "")
        uais[org["sourcedId"]] = codes[0] if codes else unknown_code
    return uais


def _group_by_user(records: Sequence[Record]) -> dict[str, list[Record]]:
    by_user: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_user[record.get("userSourcedId", "")].append(record)
    return by_user


def _is_homeroom(class_record: Record) -> bool:
    return class_record.get("classType", "").lower() == "homeroom"


def _build_rows(records: _OneRosterSet, *, keep_contacts: bool) -> _People:
    people = _People()
    pupil_ids_by_agent: dict[str, list[str]] = defaultdict(list)
    guardians: list[tuple[int, Record]] = []
    for line, user in enumerate(records.files["users"], start=2):
        roles = _list_roles(records, user)
        kinds = {role for role, _ in roles}
        orgs = [org for _, org in roles if org in records.uai_by_org]
        if "student" in kinds:
            people.pupils[user["sourcedId"]] = _build_pupil_row(records, line, user, orgs)
            for agent in _split_list(user.get("agentSourcedIds") or user.get("agents", "")):
                pupil_ids_by_agent[agent].append(user["sourcedId"])
        elif kinds & set(_STAFF):
            people.staff += _build_staff_rows(records, line, user, roles)
        elif kinds & _GUARDIANS:
            guardians.append((line, user))
        else:
            people.skipped += 1
            people.unknown_roles.update(role[:40] for role in kinds - _WITHOUT_ROW)
    for _, user in guardians:
        pupil_ids_by_agent[user["sourcedId"]] += _split_list(user.get("agentSourcedIds") or user.get("agents", ""))
    for line, user in guardians:
        children = [people.pupils[pupil_id] for pupil_id in pupil_ids_by_agent[user["sourcedId"]] if pupil_id in people.pupils]
        people.guardians += _build_guardian_rows(line, user, children, keep_contacts=keep_contacts)
    return people


def _list_roles(records: _OneRosterSet, user: Record) -> list[tuple[str, str]]:
    """Return role and organisation pairs of a user. A role that is none of the standard's is replaced by those of the user's classes.

    `enabledUser` is not read: it is about signing in, which young pupils do not do.
    """
    user_id = user["sourcedId"]
    roles = records.roles_by_user[user_id] if user_id in records.users_with_roles else _roles_of_version_1_1(user)
    if user_id in records.users_with_roles and not roles:
        return []  # all roles have ended
    if {role for role, _ in roles} & _KNOWN_ROLES:
        return roles
    in_classes = [
        (each.get("role", "").lower(), each.get("schoolSourcedId", "")) for each in records.enrollments_by_user[user_id]
    ]
    return in_classes if {role for role, _ in in_classes} & _KNOWN_ROLES else roles


def _roles_of_version_1_1(user: Record) -> list[tuple[str, str]]:
    """Return role and organisation pairs as version 1.1 writes them, in the user itself."""
    return [(user.get("role", "").lower(), org) for org in _split_list(user.get("orgSourcedIds", "")) or [""]]


def _split_list(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _build_pupil_row(records: _OneRosterSet, line: int, user: Record, orgs: list[str]) -> PupilRow:
    enrollments = sorted(
        records.enrollments_by_user[user["sourcedId"]],
        key=lambda enrollment: (
            not _is_homeroom(records.classes_by_id[enrollment["classSourcedId"]]),
            enrollment.get("primary", "").lower() != "true",
            enrollment["sourcedId"],
        ),
    )
    class_ids = list(dict.fromkeys(enrollment["classSourcedId"] for enrollment in enrollments))
    class_record, *other_classes = [records.classes_by_id[class_id] for class_id in class_ids] or [{}]
    org = class_record.get("schoolSourcedId") or (orgs[0] if orgs else user.get("primaryOrgSourcedId", ""))
    grades = _split_list(user.get("grades", "")) or _only_grade(_split_list(class_record.get("grades", "")))
    row = parse_pupil(
        line,
        {
            "last_name": user.get("familyName", ""),
            "first_name": user.get("givenName", ""),
            "grade": grades[0] if grades else "",
            "class_label": class_record.get("title", ""),
            "onde_class_id": _class_identifier(records, class_record),
            "ine": next((each for each in _list_identifiers(user) if each and parse_ine(each)), ""),
            "school_uai": records.get_school_uai(org),
            "usage_name": user.get("preferredFamilyName", ""),
        },
    )
    is_doubtful = any(_is_homeroom(each) for each in other_classes) or (bool(other_classes) and not _is_homeroom(class_record))
    notes = (*row.notes, "several_classes") if is_doubtful else row.notes
    groups = tuple(
        dict.fromkeys(title[:MAX_LABEL] for each in other_classes if not _is_homeroom(each) and (title := each.get("title")))
    )
    return replace(
        row,
        source_id=user["sourcedId"],
        usage_name=user.get("preferredFamilyName"),
        groups=groups if records.has_groups else None,
        notes=notes,
    )


def _only_grade(grades: list[str]) -> list[str]:
    return grades if len(grades) == 1 else []


def _list_identifiers(user: Record) -> list[str]:
    """Return the values that may be an INE: `identifier`, `userMasterIdentifier` and those of `userIds` (`{type:value},…`)."""
    user_ids = [part.strip("{} ").rpartition(":")[2] for part in user.get("userIds", "").split(",")]
    return [user.get("identifier", ""), user.get("userMasterIdentifier", ""), *user_ids]


def _class_identifier(records: _OneRosterSet, class_record: Record) -> str:
    """Return the code of a class, or its id when two classes of one school have the same title."""
    class_id = class_record.get("sourcedId", "")
    return (class_record.get("classCode") or (class_id if class_id in records.homonymous_classes else ""))[:36]


def _build_staff_rows(records: _OneRosterSet, line: int, user: Record, roles: list[tuple[str, str]]) -> list[StaffRow]:
    """Return one row for each class of an adult, and one for each school in which the adult has no class."""
    kind = next(_STAFF[role] for role, _ in roles if role in _STAFF)
    cells = {"last_name": user.get("familyName", ""), "first_name": user.get("givenName", ""), "email": user.get("email", "")}
    row = replace(parse_staff(line, cells), source_id=user["sourcedId"], kind=kind, kind_is_known=False)
    row_by_class: dict[tuple[str, str, str], StaffRow] = {}
    for enrollment in records.enrollments_by_user[user["sourcedId"]]:
        class_record = records.classes_by_id[enrollment["classSourcedId"]]
        uai = records.get_school_uai(class_record.get("schoolSourcedId", ""))
        class_row = replace(
            row,
            class_label=class_record.get("title", ""),
            onde_class_id=_class_identifier(records, class_record),
            school_uai=uai,
            kind=kind if enrollment.get("primary", "true").lower() != "false" else "part",
        )
        row_by_class[uai, class_row.class_label, class_row.onde_class_id] = class_row
    schools_with_class = {class_row.school_uai for class_row in row_by_class.values()}
    for _, org in roles:
        uai = records.get_school_uai(org)
        if uai not in schools_with_class:
            row_by_class[uai, "", ""] = replace(row, school_uai=uai)
    return list(row_by_class.values())


def _build_guardian_rows(line: int, user: Record, pupils: list[PupilRow], *, keep_contacts: bool) -> Iterator[GuardianRow]:
    """Yield one row for each school in which the guardian has children."""
    email = parse_email(user.get("email", "")) if keep_contacts else ""
    names = (user.get("familyName", ""), user.get("givenName", ""))
    notes = [*(["bad_email"] if email is None else []), *([DOUBTFUL_LETTERS] if any(map(has_doubtful_letters, names)) else [])]
    problems = [*([] if user.get("familyName") else ["no_last_name"]), *([] if pupils else ["no_child"])]
    for uai in dict.fromkeys(row.school_uai for row in pupils) or [""]:
        children = dict.fromkeys(
            ChildReference(row.last_name, row.first_name, row.usage_name or "", row.class_label, row.source_id)
            for row in pupils
            if row.school_uai == uai
        )
        yield GuardianRow(
            line=line,
            last_name=user.get("familyName", ""),
            first_name=user.get("givenName", ""),
            email=email or "",
            children=tuple(children),
            school_uai=uai,
            problems=tuple(problems),
            notes=tuple(notes),
        )
