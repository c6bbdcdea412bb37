"""Reads a zip of OneRoster CSV files, version 1.1 or 1.2, into rows. `demographics.csv`, results and all other files are never inflated;
passwords, phone numbers and pupils' e-mail addresses are not read. See docs/domain/rosters.md#oneroster.
"""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO

from enrollment.places.rules import check_uai
from enrollment.rosters.files.archive import unpack_zip
from enrollment.rosters.files.cells import parse_email, parse_ine
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.pupils import parse_pupil
from enrollment.rosters.files.rows import ChildReference, GuardianRow, PupilRow, Roster, StaffRow
from enrollment.rosters.files.staff import parse_staff
from enrollment.rosters.files.tables import read_csv

MAX_LINES, MAX_CELL = 30_000, 4000
_READ_FILES = ("manifest", "orgs", "classes", "users", "roles", "enrollments")
_STAFF = {"teacher": "main", "aide": "support", "administrator": "main", "principal": "main", "proctor": "support"}
_GUARDIANS = {"guardian", "parent", "relative"}
Record = dict[str, str]


def is_oneroster(content: bytes) -> bool:
    """Tell whether a zip is a set of OneRoster files, by the names of its entries. Raises `UnreadableRoster`."""
    try:
        names = {_file_name(name) for name in zipfile.ZipFile(BytesIO(content)).namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise UnreadableRoster(why="bad_zip") from error
    return "users" in names or "manifest" in names


def _file_name(name: str) -> str:
    """Return `orgs` for `orgs.csv`, at the top or in one folder; empty for anything else."""
    folder, _, last = name.rpartition("/")
    return last[:-4] if last.lower().endswith(".csv") and "/" not in folder and not folder.startswith("__") else ""


@dataclass(slots=True)
class _OneRosterSet:
    """The records of the files, by file name, and the indexes that link them."""

    files: dict[str, list[Record]]
    uai_by_org: dict[str, str] = field(default_factory=dict)
    classes_by_id: dict[str, Record] = field(default_factory=dict)
    homonymous_classes: set[str] = field(default_factory=set)  # classes that share their title with another of their school
    roles_by_user: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    enrollments_by_user: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))


def read_archive(content: bytes, *, keep_contacts: bool) -> Roster:
    """Return the rows of an archive. Raises `UnreadableRoster` with `oneroster_delta` (only bulk sets are read), `missing_<file>`,
    `oneroster_version`, and as `unpack_zip` does.
    """
    archived = unpack_zip(content, lambda name: _file_name(name) in _READ_FILES)
    files = {_file_name(name): data for name, data in archived.items()}
    if len(files) != len(archived):
        raise UnreadableRoster(why="zip_duplicate")
    version = _detect_version(files)
    for name in ("orgs", "users", "enrollments", "classes"):
        if name not in files:
            raise UnreadableRoster(why=f"missing_{name}")
    records = _link_records(
        _OneRosterSet({name: list(_read_records(data)) for name, data in files.items() if name != "manifest"})
    )
    pupils, staff, guardians, skipped = _build_rows(records, keep_contacts=keep_contacts)
    covers = {"pupils"} | ({"staff"} if staff else set()) | ({"guardians"} if guardians else set())
    return Roster(f"oneroster_{version}", pupils, guardians, staff, [], skipped, frozenset(covers))


def _detect_version(files: dict[str, bytes]) -> str:
    manifest = {line[0]: line[1] for line in read_csv(files["manifest"]) if len(line) > 1} if "manifest" in files else {}
    if "delta" in manifest.values():
        raise UnreadableRoster(why="oneroster_delta")
    version = manifest.get("oneroster.version") or ("1.2" if "roles" in files else "1.1")
    if version not in ("1.1", "1.2"):
        raise UnreadableRoster(why="oneroster_version")
    return version


def _read_records(data: bytes) -> Iterator[Record]:
    """Yield the active records, by the exact column names of the standard."""
    table = read_csv(data, MAX_LINES, MAX_CELL)
    header = table[0] if table else []
    for line in table[1:]:
        record = dict(zip(header, line, strict=False))
        if record.get("sourcedId") and record.get("status", "").lower() not in ("tobedeleted", "inactive"):
            yield record


def _link_records(records: _OneRosterSet) -> _OneRosterSet:
    for org in records.files["orgs"]:
        uai, fault = check_uai(org.get("identifier", ""))
        if org.get("type", "school") == "school":
            records.uai_by_org[org["sourcedId"]] = org.get("identifier", "") if fault else uai
    records.classes_by_id = {each["sourcedId"]: each for each in records.files["classes"]}
    title_counts = Counter((each.get("schoolSourcedId"), each.get("title")) for each in records.classes_by_id.values())
    records.homonymous_classes = {
        key for key, each in records.classes_by_id.items() if title_counts[each.get("schoolSourcedId"), each.get("title")] > 1
    }
    for role in records.files.get("roles", []):
        records.roles_by_user[role.get("userSourcedId", "")].append((role.get("role", "").lower(), role.get("orgSourcedId", "")))
    for enrollment in records.files["enrollments"]:
        if enrollment.get("classSourcedId") in records.classes_by_id:
            records.enrollments_by_user[enrollment.get("userSourcedId", "")].append(enrollment)
    return records


def _build_rows(records: _OneRosterSet, *, keep_contacts: bool) -> tuple[list[PupilRow], list[StaffRow], list[GuardianRow], int]:
    pupils: dict[str, PupilRow] = {}
    staff: list[StaffRow] = []
    pupil_ids_by_agent: dict[str, list[str]] = defaultdict(list)
    guardians: list[tuple[int, Record]] = []
    skipped = 0
    for line, user in enumerate(records.files["users"], start=2):
        roles = records.roles_by_user.get(user["sourcedId"]) or _roles_of_version_1_1(user)
        kinds = {role for role, _ in roles}
        orgs = [org for _, org in roles if org in records.uai_by_org]
        if user.get("enabledUser", "").lower() == "false":
            skipped += 1
        elif "student" in kinds:
            pupils[user["sourcedId"]] = _build_pupil_row(records, line, user, orgs)
            for agent in _split_list(user.get("agentSourcedIds") or user.get("agents", "")):
                pupil_ids_by_agent[agent].append(user["sourcedId"])
        elif kinds & set(_STAFF):
            staff += _build_staff_rows(records, line, user, roles)
        elif kinds & _GUARDIANS:
            guardians.append((line, user))
        else:
            skipped += 1
    for _, user in guardians:
        pupil_ids_by_agent[user["sourcedId"]] += _split_list(user.get("agentSourcedIds") or user.get("agents", ""))
    guardian_rows: list[GuardianRow] = []
    for line, user in guardians:
        children = [pupils[pupil_id] for pupil_id in pupil_ids_by_agent[user["sourcedId"]] if pupil_id in pupils]
        guardian_rows += _build_guardian_rows(line, user, children, keep_contacts=keep_contacts)
    return list(pupils.values()), staff, guardian_rows, skipped


def _roles_of_version_1_1(user: Record) -> list[tuple[str, str]]:
    """Return role and organisation pairs as version 1.1 writes them, in the user itself."""
    return [(user.get("role", "").lower(), org) for org in _split_list(user.get("orgSourcedIds", "")) or [""]]


def _split_list(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _build_pupil_row(records: _OneRosterSet, line: int, user: Record, orgs: list[str]) -> PupilRow:
    enrollments = sorted(
        records.enrollments_by_user[user["sourcedId"]],
        key=lambda enrollment: (enrollment.get("primary", "").lower() != "true", enrollment["sourcedId"]),
    )
    class_record = records.classes_by_id[enrollments[0]["classSourcedId"]] if enrollments else {}
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
            "school_uai": records.uai_by_org.get(org, org),
        },
    )
    has_several_classes = len({enrollment["classSourcedId"] for enrollment in enrollments}) > 1
    notes = (*row.notes, "several_classes") if has_several_classes else row.notes
    return replace(row, source_id=user["sourcedId"], usage_name=user.get("preferredFamilyName"), notes=notes)


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
        uai = records.uai_by_org.get(class_record.get("schoolSourcedId", ""), "")
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
        uai = records.uai_by_org.get(org, "")
        if uai not in schools_with_class:
            row_by_class[uai, "", ""] = replace(row, school_uai=uai)
    return list(row_by_class.values())


def _build_guardian_rows(line: int, user: Record, pupils: list[PupilRow], *, keep_contacts: bool) -> Iterator[GuardianRow]:
    """Yield one row for each school in which the guardian has children."""
    email = parse_email(user.get("email", "")) if keep_contacts else ""
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
            notes=("bad_email",) if email is None else (),
        )
