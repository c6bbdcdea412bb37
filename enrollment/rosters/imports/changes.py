"""One entry of an import's plan: what a line, or the absence of one, means (schools.md section 7.5). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from cartable.crypto import Keyring
from enrollment.people.models import GroupKind
from enrollment.people.text import compute_name_hash, label_key
from enrollment.places.models import SchoolClass
from enrollment.rosters.files.rows import GuardianRow, PupilRow, StaffRow


class ChangeKind(StrEnum):
    """What one line, or the absence of one, means."""

    NEW = "new"
    UNCHANGED = "unchanged"
    RENAMED = "renamed"  # a name, or a detail other than class and grade
    MOVED_CLASS = "moved_class"
    CHANGED_GRADE = "changed_grade"
    LEFT_FILE = "left_file"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    INVALID = "invalid"


#: Kinds that are written at confirmation.
WRITTEN_KINDS = frozenset({ChangeKind.NEW, ChangeKind.RENAMED, ChangeKind.MOVED_CLASS, ChangeKind.CHANGED_GRADE})
#: Kinds of lines that are read for what they tell, changed or not.
MATCHED_KINDS = WRITTEN_KINDS | {ChangeKind.UNCHANGED}
#: Kinds about which a person may decide.
UNDECIDED_KINDS = frozenset({ChangeKind.AMBIGUOUS, ChangeKind.DUPLICATE})


class Subject(StrEnum):
    """Of whom a line speaks."""

    PUPIL = "pupil"
    GUARDIAN = "guardian"
    STAFF = "staff"


class MatchHashes(NamedTuple):
    """The keyed hashes by which a pupil's line is matched; per town, so that two towns cannot be joined."""

    name: str
    usage: str | None = None
    ine: str | None = None
    birth: str | None = None


@dataclass(frozen=True, slots=True)
class RosterChange:
    """One entry. `line` is 0 for somebody who left the file. `row` holds the kept columns and nothing else."""

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
        """As it is sealed into the plan."""
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
            "candidates": [str(each) for each in self.candidates],
        }


def compute_hashes(keyring: Keyring, town_id: UUID, row: PupilRow) -> MatchHashes:
    """Hash what a pupil's line is matched by."""
    usage = compute_name_hash(keyring, town_id, row.usage_name, row.first_name) if row.usage_name else None
    return MatchHashes(
        compute_name_hash(keyring, town_id, row.last_name, row.first_name),
        usage,
        keyring.keyed_hash(row.ine, f"pupil.ine:{town_id}") if row.ine else None,
        keyring.keyed_hash(row.birth_date, f"pupil.birth:{town_id}") if row.birth_date else None,
    )


def build_class_key(label: str, onde_class_id: str | None) -> str:
    """What a class is matched by within its school and year: ONDE's number, else its label."""
    return f"#{onde_class_id}" if onde_class_id else label_key(label)


#: The fields of a pupil's line that name groups, and of which kind.
GROUP_FIELDS = {"groups": GroupKind.GROUP, "units": GroupKind.UNIT}


def build_group_key(kind: GroupKind, label: str) -> str:
    """What a group is matched by within its school and year."""
    return f"{kind.value}:{label_key(label)}"


class ClassIndex:
    """The keys of the classes of some schools in one year, and which of them a file means; and who is in which group.

    One file names a class by ONDE's number, another by its label: both mean the class that is there, as long as the label is
    of one class alone.
    """

    def __init__(self, classes: Sequence[SchoolClass], groups: Mapping[UUID, frozenset[str]] | None = None) -> None:
        self._groups = groups or {}
        self.key_by_class = {each.id: build_class_key(each.label, each.onde_id) for each in classes}
        labels = Counter((each.school_id, label_key(each.label)) for each in classes)
        self._known = {(each.school_id, self.key_by_class[each.id]) for each in classes}
        self._by_label = {
            (each.school_id, label_key(each.label)): each
            for each in classes
            if labels[each.school_id, label_key(each.label)] == 1
        }

    def resolve_key(self, school_id: UUID, label: str, onde_class_id: str) -> str:
        """The key of the class that a line means; that of a new one when none is there."""
        key = build_class_key(label, onde_class_id)
        if not key or (school_id, key) in self._known:
            return key
        named = self._by_label.get((school_id, label_key(label)))
        if named is None or (onde_class_id and named.onde_id):
            return key
        return self.key_by_class[named.id]

    def groups_differ(self, pupil_id: UUID, row: Mapping[str, Any]) -> bool:
        """Whether a line tells other groups of a pupil than those that are known. What it does not tell is not compared."""
        held = self._groups.get(pupil_id, frozenset())
        return any(
            {build_group_key(kind, label) for label in row[name]} != {key for key in held if key.startswith(f"{kind.value}:")}
            for name, kind in GROUP_FIELDS.items()
            if row.get(name) is not None
        )

    def get_key(self, class_id: UUID | None) -> str:
        """The key of a class of this year, empty for none and for one of a former year."""
        return self.key_by_class.get(class_id, "") if class_id else ""


def dump_pupil(row: PupilRow) -> dict[str, Any]:
    """The columns of a pupil that are kept: no INE, no birth date, of a decision of passage the word."""
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
    """The columns of a guardian that are kept. Contacts are empty unless the portal needs them."""
    return {"last_name": row.last_name, "first_name": row.first_name, "email": row.email, "mobile": row.mobile}


def dump_staff(rows: Sequence[StaffRow]) -> dict[str, Any]:
    """The columns of an adult that are kept."""
    email = next((row.email for row in rows if row.email), "")
    return {"last_name": rows[0].last_name, "first_name": rows[0].first_name, "email": email}
