"""The changes of an import's plan, one for each line and for each person who left the file, and the keys by which lines are matched. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from cartable.crypto import Keyring
from enrollment.people.models import GroupKind
from enrollment.people.text import compute_name_hash, make_label_key
from enrollment.places.models import SchoolClass
from enrollment.rosters.files.rows import GuardianRow, PupilRow, StaffRow


class ChangeKind(StrEnum):
    """What a line, or the absence of one, changes."""

    NEW = "new"
    UNCHANGED = "unchanged"
    RENAMED = "renamed"  # the name, or any detail other than class and grade
    MOVED_CLASS = "moved_class"
    CHANGED_GRADE = "changed_grade"
    LEFT_FILE = "left_file"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    INVALID = "invalid"


#: Kinds that are written when the import is confirmed.
WRITTEN_KINDS = frozenset({ChangeKind.NEW, ChangeKind.RENAMED, ChangeKind.MOVED_CLASS, ChangeKind.CHANGED_GRADE})
#: Kinds of lines for which it is known whom they are about, changed or not.
MATCHED_KINDS = WRITTEN_KINDS | {ChangeKind.UNCHANGED}
#: Kinds of lines about which a person may decide.
UNDECIDED_KINDS = frozenset({ChangeKind.AMBIGUOUS, ChangeKind.DUPLICATE})


class Subject(StrEnum):
    """What kind of person a line is about."""

    PUPIL = "pupil"
    GUARDIAN = "guardian"
    STAFF = "staff"


class MatchHashes(NamedTuple):
    """The keyed hashes by which a pupil's line is matched. Each town has its own, so that pupils of two towns cannot be linked."""

    name: str
    usage: str | None = None
    ine: str | None = None
    birth: str | None = None


@dataclass(frozen=True, slots=True)
class RosterChange:
    """One change of a plan. `line` is 0 for a person who left the file. `row` contains the kept fields and nothing else.

    `why`: stable codes of the reasons. `candidates`: the people whom an undecided line may be about.
    """

    line: int
    kind: ChangeKind
    subject: Subject
    school_id: UUID | None
    target_id: UUID | None = None
    class_key: str = ""
    row: dict[str, Any] | None = None
    hashes: MatchHashes | None = None
    why: tuple[str, ...] = ()
    candidates: tuple[UUID, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the change as it is stored, encrypted, in the plan."""
        return {
            "line": self.line,
            "kind": self.kind.value,
            "subject": self.subject.value,
            "school_id": str(self.school_id) if self.school_id else None,
            "target_id": str(self.target_id) if self.target_id else None,
            "class_key": self.class_key,
            "row": self.row,
            "hashes": self.hashes._asdict() if self.hashes else None,
            "why": list(self.why),
            "candidates": [str(candidate_id) for candidate_id in self.candidates],
        }


def compute_hashes(keyring: Keyring, town_id: UUID, row: PupilRow) -> MatchHashes:
    """Return the hashes by which a pupil's line is matched."""
    usage = compute_name_hash(keyring, town_id, row.usage_name, row.first_name) if row.usage_name else None
    return MatchHashes(
        compute_name_hash(keyring, town_id, row.last_name, row.first_name),
        usage,
        keyring.keyed_hash(row.ine, f"pupil.ine:{town_id}") if row.ine else None,
        keyring.keyed_hash(row.birth_date, f"pupil.birth:{town_id}") if row.birth_date else None,
    )


def build_class_key(label: str, onde_class_id: str | None) -> str:
    """Return the key of a class within its school and year: ONDE's number, else the label."""
    return f"#{onde_class_id}" if onde_class_id else make_label_key(label)


#: The fields of a pupil's line that name groups, with the kind of these groups.
GROUP_FIELDS = {"groups": GroupKind.GROUP, "units": GroupKind.UNIT}


def build_group_key(kind: GroupKind, label: str) -> str:
    """Return the key of a group within its school and year."""
    return f"{kind.value}:{make_label_key(label)}"


class ClassIndex:
    """The classes of some schools in one year by key, and the groups of their pupils.

    One file names a class by ONDE's number, another by its label: both are resolved to the existing class, provided that only one class
    has this label.
    """

    def __init__(self, classes: Sequence[SchoolClass], groups: Mapping[UUID, frozenset[str]] | None = None) -> None:
        self._groups = groups or {}
        self.key_by_class = {each.id: build_class_key(each.label, each.onde_id) for each in classes}
        label_counts = Counter((each.school_id, make_label_key(each.label)) for each in classes)
        self._known_keys = {(each.school_id, self.key_by_class[each.id]) for each in classes}
        self._class_by_label = {
            (each.school_id, make_label_key(each.label)): each
            for each in classes
            if label_counts[each.school_id, make_label_key(each.label)] == 1
        }

    def resolve_key(self, school_id: UUID, label: str, onde_class_id: str) -> str:
        """Return the key of the class that a line names: of the existing class, else of a new one."""
        key = build_class_key(label, onde_class_id)
        if not key or (school_id, key) in self._known_keys:
            return key
        school_class = self._class_by_label.get((school_id, make_label_key(label)))
        if school_class is None or (onde_class_id and school_class.onde_id):
            return key
        return self.key_by_class[school_class.id]

    def groups_differ(self, pupil_id: UUID, row: Mapping[str, Any]) -> bool:
        """Return whether a line names other groups than those of the pupil. Kinds of groups without a column are not compared."""
        present = self._groups.get(pupil_id, frozenset())
        return any(
            {build_group_key(kind, label) for label in row[name]} != {key for key in present if key.startswith(f"{kind.value}:")}
            for name, kind in GROUP_FIELDS.items()
            if row.get(name) is not None
        )

    def get_key(self, class_id: UUID | None) -> str:
        """Return the key of a class of this year; empty for None and for a class of a former year."""
        return self.key_by_class.get(class_id, "") if class_id else ""


def dump_pupil(row: PupilRow) -> dict[str, Any]:
    """Return the fields of a pupil that are kept: no INE and no birth date."""
    return {
        "last_name": row.last_name,
        "first_name": row.first_name,
        "usage_name": row.usage_name,
        "grade": row.grade.value if row.grade else None,
        "class_label": row.class_label,
        "onde_class_id": row.onde_class_id,
        "take_home": row.take_home,
        "inventory_tag": row.inventory_tag,
        "groups": None if row.groups is None else list(row.groups),
        "units": None if row.units is None else list(row.units),
        "rollover_decision": row.rollover_decision.value if row.rollover_decision else None,
    }


def dump_guardian(row: GuardianRow) -> dict[str, Any]:
    """Return the fields of a guardian that are kept. Contacts are empty unless the guardians' portal needs them."""
    return {"last_name": row.last_name, "first_name": row.first_name, "email": row.email, "mobile": row.mobile}


#: Longer numbers of a roster's system are cut: OneRoster's are at most this long.
MAX_SOURCE_ID = 255


def dump_staff(rows: Sequence[StaffRow]) -> dict[str, Any]:
    """Return the fields of an adult that are kept."""
    email = next((row.email for row in rows if row.email), "")
    return {
        "last_name": rows[0].last_name,
        "first_name": rows[0].first_name,
        "email": email,
        "source_id": rows[0].source_id[:MAX_SOURCE_ID],
    }
