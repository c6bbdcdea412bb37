"""A zip of OneRoster CSV files, version 1.1 or 1.2, as our rows (schools.md section 7.6). `demographics.csv`, results and
whatever else the archive holds are never inflated; passwords, phones and pupils' addresses are not looked at.
"""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO

from enrollment.people.files.archive import unpack
from enrollment.people.files.cells import email_of, ine_of
from enrollment.people.files.errors import UnreadableRoster
from enrollment.people.files.pupils import pupil_row
from enrollment.people.files.rows import Child, GuardianRow, Roster, RosterRow, StaffRow
from enrollment.people.files.staff import staff_row
from enrollment.people.files.tables import csv_table
from enrollment.places.rules import check_uai

MAX_LINES, MAX_CELL = 30_000, 4000
_WANTED = ("manifest", "orgs", "classes", "users", "roles", "enrollments")
_STAFF = {"teacher": "main", "aide": "support", "administrator": "main", "principal": "main", "proctor": "support"}
_GUARDIANS = {"guardian", "parent", "relative"}
Record = dict[str, str]


def is_oneroster(content: bytes) -> bool:
    """Whether a zip is a set of OneRoster files, by the names it lists."""
    try:
        names = {_base(name) for name in zipfile.ZipFile(BytesIO(content)).namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise UnreadableRoster(why="bad_zip") from error
    return "users" in names or "manifest" in names


def _base(name: str) -> str:
    """`orgs` for `orgs.csv`, at the top or in one folder; empty for anything else."""
    folder, _, last = name.rpartition("/")
    return last[:-4] if last.lower().endswith(".csv") and "/" not in folder and not folder.startswith("__") else ""


@dataclass(slots=True)
class _Set:
    """The records of the files, by kind, with what links them."""

    files: dict[str, list[Record]]
    schools: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Record] = field(default_factory=dict)
    doubles: set[str] = field(default_factory=set)  # classes that share their title with another of their school
    roles: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    seats: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))


def read(content: bytes, *, keep_contacts: bool) -> Roster:
    """Read an archive. Raises `UnreadableRoster` with `oneroster_delta` (only whole sets are read), `missing_<file>` or what
    `unpack` refuses.
    """
    archived = unpack(content, lambda name: _base(name) in _WANTED)
    files = {_base(name): data for name, data in archived.items()}
    if len(files) != len(archived):
        raise UnreadableRoster(why="zip_duplicate")
    version = _version(files)
    for name in ("orgs", "users", "enrollments", "classes"):
        if name not in files:
            raise UnreadableRoster(why=f"missing_{name}")
    found = _linked(_Set({name: list(_records(data)) for name, data in files.items() if name != "manifest"}))
    pupils, staff, guardians, skipped = _people(found, keep_contacts=keep_contacts)
    speaks_of = {"pupils"} | ({"staff"} if staff else set()) | ({"guardians"} if guardians else set())
    return Roster(f"oneroster_{version}", pupils, guardians, staff, [], skipped, frozenset(speaks_of))


def _version(files: dict[str, bytes]) -> str:
    told = {line[0]: line[1] for line in csv_table(files["manifest"]) if len(line) > 1} if "manifest" in files else {}
    if "delta" in told.values():
        raise UnreadableRoster(why="oneroster_delta")
    version = told.get("oneroster.version") or ("1.2" if "roles" in files else "1.1")
    if version not in ("1.1", "1.2"):
        raise UnreadableRoster(why="oneroster_version")
    return version


def _records(data: bytes) -> Iterator[Record]:
    """The records that hold, by the exact names of the standard."""
    table = csv_table(data, MAX_LINES, MAX_CELL)
    header = table[0] if table else []
    for line in table[1:]:
        record = dict(zip(header, line, strict=False))
        if record.get("sourcedId") and record.get("status", "").lower() not in ("tobedeleted", "inactive"):
            yield record


def _linked(found: _Set) -> _Set:
    for org in found.files["orgs"]:
        code, wrong = check_uai(org.get("identifier", ""))
        if org.get("type", "school") == "school":
            found.schools[org["sourcedId"]] = org.get("identifier", "") if wrong else code
    found.classes = {each["sourcedId"]: each for each in found.files["classes"]}
    alike = Counter((each.get("schoolSourcedId"), each.get("title")) for each in found.classes.values())
    found.doubles = {key for key, each in found.classes.items() if alike[each.get("schoolSourcedId"), each.get("title")] > 1}
    for role in found.files.get("roles", []):
        found.roles[role.get("userSourcedId", "")].append((role.get("role", "").lower(), role.get("orgSourcedId", "")))
    for seat in found.files["enrollments"]:
        if seat.get("classSourcedId") in found.classes:
            found.seats[seat.get("userSourcedId", "")].append(seat)
    return found


def _people(found: _Set, *, keep_contacts: bool) -> tuple[list[RosterRow], list[StaffRow], list[GuardianRow], int]:
    pupils: dict[str, RosterRow] = {}
    staff: list[StaffRow] = []
    agents: dict[str, list[str]] = defaultdict(list)
    guardians: list[tuple[int, Record]] = []
    skipped = 0
    for line, user in enumerate(found.files["users"], start=2):
        roles = found.roles.get(user["sourcedId"]) or _old_roles(user)
        kinds = {role for role, _ in roles}
        orgs = [org for _, org in roles if org in found.schools]
        if user.get("enabledUser", "").lower() == "false":
            skipped += 1
        elif "student" in kinds:
            pupils[user["sourcedId"]] = _pupil(found, line, user, orgs)
            for agent in _listed(user.get("agentSourcedIds") or user.get("agents", "")):
                agents[agent].append(user["sourcedId"])
        elif kinds & set(_STAFF):
            staff += _adult(found, line, user, roles)
        elif kinds & _GUARDIANS:
            guardians.append((line, user))
        else:
            skipped += 1
    for _, user in guardians:
        agents[user["sourcedId"]] += _listed(user.get("agentSourcedIds") or user.get("agents", ""))
    rows = [
        row
        for line, user in guardians
        for row in _guardian(
            line, user, [pupils[each] for each in agents[user["sourcedId"]] if each in pupils], keep=keep_contacts
        )
    ]
    return list(pupils.values()), staff, rows, skipped


def _old_roles(user: Record) -> list[tuple[str, str]]:
    """Version 1.1 writes role and schools into the user."""
    return [(user.get("role", "").lower(), org) for org in _listed(user.get("orgSourcedIds", "")) or [""]]


def _listed(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _pupil(found: _Set, line: int, user: Record, orgs: list[str]) -> RosterRow:
    seats = sorted(
        found.seats[user["sourcedId"]], key=lambda seat: (seat.get("primary", "").lower() != "true", seat["sourcedId"])
    )
    of_class = found.classes[seats[0]["classSourcedId"]] if seats else {}
    org = of_class.get("schoolSourcedId") or (orgs[0] if orgs else user.get("primaryOrgSourcedId", ""))
    grades = _listed(user.get("grades", "")) or _only(_listed(of_class.get("grades", "")))
    row = pupil_row(
        line,
        {
            "last_name": user.get("familyName", ""),
            "first_name": user.get("givenName", ""),
            "level": grades[0] if grades else "",
            "class_label": of_class.get("title", ""),
            "onde_class_id": _class_key(found, of_class),
            "ine": next((each for each in _identifiers(user) if each and ine_of(each)), ""),
            "school_uai": found.schools.get(org, org),
        },
    )
    usage = user.get("preferredFamilyName")
    notes = (*row.notes, *(("several_classes",) if len({seat["classSourcedId"] for seat in seats}) > 1 else ()))
    return replace(row, source_id=user["sourcedId"], usage_name=usage, notes=notes)


def _only(grades: list[str]) -> list[str]:
    return grades if len(grades) == 1 else []


def _identifiers(user: Record) -> list[str]:
    """What may be an INE: `identifier`, `userMasterIdentifier` and the values of `userIds` (`{type:value},…`)."""
    listed = [part.strip("{} ").rpartition(":")[2] for part in user.get("userIds", "").split(",")]
    return [user.get("identifier", ""), user.get("userMasterIdentifier", ""), *listed]


def _class_key(found: _Set, of_class: Record) -> str:
    """The code of a class, or its id where two classes of one school have the same title."""
    own = of_class.get("sourcedId", "")
    return (of_class.get("classCode") or (own if own in found.doubles else ""))[:36]


def _adult(found: _Set, line: int, user: Record, roles: list[tuple[str, str]]) -> list[StaffRow]:
    """One row for each class of an adult, or one for each school without any."""
    kind = next(_STAFF[role] for role, _ in roles if role in _STAFF)
    cells = {"last_name": user.get("familyName", ""), "first_name": user.get("givenName", ""), "email": user.get("email", "")}
    row = replace(staff_row(line, cells), source_id=user["sourcedId"], kind=kind, kind_told=False)
    places: dict[tuple[str, str, str], StaffRow] = {}
    for seat in found.seats[user["sourcedId"]]:
        of_class = found.classes[seat["classSourcedId"]]
        uai = found.schools.get(of_class.get("schoolSourcedId", ""), "")
        main = kind if seat.get("primary", "true").lower() != "false" else "part"
        made = replace(
            row, class_label=of_class.get("title", ""), onde_class_id=_class_key(found, of_class), school_uai=uai, kind=main
        )
        places[uai, made.class_label, made.onde_class_id] = made
    with_class = {row.school_uai for row in places.values()}
    for _, org in roles:
        uai = found.schools.get(org, "")
        if uai not in with_class:
            places[uai, "", ""] = replace(row, school_uai=uai)
    return list(places.values())


def _guardian(line: int, user: Record, pupils: list[RosterRow], *, keep: bool) -> Iterator[GuardianRow]:
    """One row for each school in which the guardian has children."""
    email = email_of(user.get("email", "")) if keep else ""
    problems = [*([] if user.get("familyName") else ["no_last_name"]), *([] if pupils else ["no_child"])]
    for uai in dict.fromkeys(row.school_uai for row in pupils) or [""]:
        children = dict.fromkeys(
            Child(row.last_name, row.first_name, row.usage_name or "", row.class_label, row.source_id)
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
