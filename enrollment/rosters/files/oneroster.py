"""A zip of OneRoster CSV files, version 1.1 or 1.2, as our rows (schools.md section 7.6). `demographics.csv`, results and
whatever else the archive holds are never inflated; passwords, phones and pupils' addresses are not looked at.
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
    """Whether a zip is a set of OneRoster files, by the names it lists."""
    try:
        names = {_file_name(name) for name in zipfile.ZipFile(BytesIO(content)).namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise UnreadableRoster(why="bad_zip") from error
    return "users" in names or "manifest" in names


def _file_name(name: str) -> str:
    """`orgs` for `orgs.csv`, at the top or in one folder; empty for anything else."""
    folder, _, last = name.rpartition("/")
    return last[:-4] if last.lower().endswith(".csv") and "/" not in folder and not folder.startswith("__") else ""


@dataclass(slots=True)
class _OneRosterSet:
    """The records of the files, by kind, with what links them."""

    files: dict[str, list[Record]]
    uai_by_org: dict[str, str] = field(default_factory=dict)
    classes_by_id: dict[str, Record] = field(default_factory=dict)
    homonymous_classes: set[str] = field(default_factory=set)  # classes that share their title with another of their school
    roles_by_user: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    enrollments_by_user: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))


def read_archive(content: bytes, *, keep_contacts: bool) -> Roster:
    """Read an archive. Raises `UnreadableRoster` with `oneroster_delta` (only whole sets are read), `missing_<file>` or what
    `unpack` refuses.
    """
    archived = unpack_zip(content, lambda name: _file_name(name) in _READ_FILES)
    files = {_file_name(name): data for name, data in archived.items()}
    if len(files) != len(archived):
        raise UnreadableRoster(why="zip_duplicate")
    version = _detect_version(files)
    for name in ("orgs", "users", "enrollments", "classes"):
        if name not in files:
            raise UnreadableRoster(why=f"missing_{name}")
    found = _link_records(_OneRosterSet({name: list(_read_records(data)) for name, data in files.items() if name != "manifest"}))
    pupils, staff, guardians, skipped = _build_rows(found, keep_contacts=keep_contacts)
    covers = {"pupils"} | ({"staff"} if staff else set()) | ({"guardians"} if guardians else set())
    return Roster(f"oneroster_{version}", pupils, guardians, staff, [], skipped, frozenset(covers))


def _detect_version(files: dict[str, bytes]) -> str:
    told = {line[0]: line[1] for line in read_csv(files["manifest"]) if len(line) > 1} if "manifest" in files else {}
    if "delta" in told.values():
        raise UnreadableRoster(why="oneroster_delta")
    version = told.get("oneroster.version") or ("1.2" if "roles" in files else "1.1")
    if version not in ("1.1", "1.2"):
        raise UnreadableRoster(why="oneroster_version")
    return version


def _read_records(data: bytes) -> Iterator[Record]:
    """The records that hold, by the exact names of the standard."""
    table = read_csv(data, MAX_LINES, MAX_CELL)
    header = table[0] if table else []
    for line in table[1:]:
        record = dict(zip(header, line, strict=False))
        if record.get("sourcedId") and record.get("status", "").lower() not in ("tobedeleted", "inactive"):
            yield record


def _link_records(records: _OneRosterSet) -> _OneRosterSet:
    for org in records.files["orgs"]:
        code, wrong = check_uai(org.get("identifier", ""))
        if org.get("type", "school") == "school":
            records.uai_by_org[org["sourcedId"]] = org.get("identifier", "") if wrong else code
    records.classes_by_id = {each["sourcedId"]: each for each in records.files["classes"]}
    alike = Counter((each.get("schoolSourcedId"), each.get("title")) for each in records.classes_by_id.values())
    records.homonymous_classes = {
        key for key, each in records.classes_by_id.items() if alike[each.get("schoolSourcedId"), each.get("title")] > 1
    }
    for role in records.files.get("roles", []):
        records.roles_by_user[role.get("userSourcedId", "")].append((role.get("role", "").lower(), role.get("orgSourcedId", "")))
    for seat in records.files["enrollments"]:
        if seat.get("classSourcedId") in records.classes_by_id:
            records.enrollments_by_user[seat.get("userSourcedId", "")].append(seat)
    return records


def _build_rows(records: _OneRosterSet, *, keep_contacts: bool) -> tuple[list[PupilRow], list[StaffRow], list[GuardianRow], int]:
    pupils: dict[str, PupilRow] = {}
    staff: list[StaffRow] = []
    agents: dict[str, list[str]] = defaultdict(list)
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
                agents[agent].append(user["sourcedId"])
        elif kinds & set(_STAFF):
            staff += _build_staff_rows(records, line, user, roles)
        elif kinds & _GUARDIANS:
            guardians.append((line, user))
        else:
            skipped += 1
    for _, user in guardians:
        agents[user["sourcedId"]] += _split_list(user.get("agentSourcedIds") or user.get("agents", ""))
    rows = [
        row
        for line, user in guardians
        for row in _build_guardian_rows(
            line, user, [pupils[each] for each in agents[user["sourcedId"]] if each in pupils], keep_contacts=keep_contacts
        )
    ]
    return list(pupils.values()), staff, rows, skipped


def _roles_of_version_1_1(user: Record) -> list[tuple[str, str]]:
    """Version 1.1 writes role and schools into the user."""
    return [(user.get("role", "").lower(), org) for org in _split_list(user.get("orgSourcedIds", "")) or [""]]


def _split_list(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _build_pupil_row(records: _OneRosterSet, line: int, user: Record, orgs: list[str]) -> PupilRow:
    seats = sorted(
        records.enrollments_by_user[user["sourcedId"]],
        key=lambda seat: (seat.get("primary", "").lower() != "true", seat["sourcedId"]),
    )
    of_class = records.classes_by_id[seats[0]["classSourcedId"]] if seats else {}
    org = of_class.get("schoolSourcedId") or (orgs[0] if orgs else user.get("primaryOrgSourcedId", ""))
    grades = _split_list(user.get("grades", "")) or _only_grade(_split_list(of_class.get("grades", "")))
    row = parse_pupil(
        line,
        {
            "last_name": user.get("familyName", ""),
            "first_name": user.get("givenName", ""),
            "grade": grades[0] if grades else "",
            "class_label": of_class.get("title", ""),
            "onde_class_id": _class_identifier(records, of_class),
            "ine": next((each for each in _list_identifiers(user) if each and parse_ine(each)), ""),
            "school_uai": records.uai_by_org.get(org, org),
        },
    )
    usage = user.get("preferredFamilyName")
    notes = (*row.notes, *(("several_classes",) if len({seat["classSourcedId"] for seat in seats}) > 1 else ()))
    return replace(row, source_id=user["sourcedId"], usage_name=usage, notes=notes)


def _only_grade(grades: list[str]) -> list[str]:
    return grades if len(grades) == 1 else []


def _list_identifiers(user: Record) -> list[str]:
    """What may be an INE: `identifier`, `userMasterIdentifier` and the values of `userIds` (`{type:value},…`)."""
    listed = [part.strip("{} ").rpartition(":")[2] for part in user.get("userIds", "").split(",")]
    return [user.get("identifier", ""), user.get("userMasterIdentifier", ""), *listed]


def _class_identifier(records: _OneRosterSet, of_class: Record) -> str:
    """The code of a class, or its id where two classes of one school have the same title."""
    own = of_class.get("sourcedId", "")
    return (of_class.get("classCode") or (own if own in records.homonymous_classes else ""))[:36]


def _build_staff_rows(records: _OneRosterSet, line: int, user: Record, roles: list[tuple[str, str]]) -> list[StaffRow]:
    """One row for each class of an adult, or one for each school without any."""
    kind = next(_STAFF[role] for role, _ in roles if role in _STAFF)
    cells = {"last_name": user.get("familyName", ""), "first_name": user.get("givenName", ""), "email": user.get("email", "")}
    row = replace(parse_staff(line, cells), source_id=user["sourcedId"], kind=kind, kind_is_known=False)
    places: dict[tuple[str, str, str], StaffRow] = {}
    for seat in records.enrollments_by_user[user["sourcedId"]]:
        of_class = records.classes_by_id[seat["classSourcedId"]]
        uai = records.uai_by_org.get(of_class.get("schoolSourcedId", ""), "")
        main = kind if seat.get("primary", "true").lower() != "false" else "part"
        made = replace(
            row,
            class_label=of_class.get("title", ""),
            onde_class_id=_class_identifier(records, of_class),
            school_uai=uai,
            kind=main,
        )
        places[uai, made.class_label, made.onde_class_id] = made
    with_class = {row.school_uai for row in places.values()}
    for _, org in roles:
        uai = records.uai_by_org.get(org, "")
        if uai not in with_class:
            places[uai, "", ""] = replace(row, school_uai=uai)
    return list(places.values())


def _build_guardian_rows(line: int, user: Record, pupils: list[PupilRow], *, keep_contacts: bool) -> Iterator[GuardianRow]:
    """One row for each school in which the guardian has children."""
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
