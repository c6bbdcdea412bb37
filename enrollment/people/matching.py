"""Roster rows against the pupils that are known: what is new, moved, gone (schools.md section 7.5). Pure; writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from uuid import UUID

from enrollment.people.models import Pupil, PupilState
from enrollment.people.reading import RosterRow, label_key
from mdm.kit.crypto import Keyring


class Diff(StrEnum):
    """What one line, or the absence of one, means."""

    NEW = "new"
    UNCHANGED = "unchanged"
    RENAMED = "renamed"
    MOVED_CLASS = "moved_class"
    CHANGED_LEVEL = "changed_level"
    LEFT_FILE = "left_file"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    INVALID = "invalid"


#: Kinds that are written at confirmation.
WRITTEN = frozenset({Diff.NEW, Diff.UNCHANGED, Diff.RENAMED, Diff.MOVED_CLASS, Diff.CHANGED_LEVEL})


@dataclass(frozen=True, slots=True)
class Hashes:
    """The keyed hashes by which a line is matched; per town, so that two towns cannot be joined."""

    name: str
    usage: str | None
    ine: str | None
    birth: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the plan. `row` is None for pupils that left the file."""

    line: int
    kind: Diff
    school_id: UUID
    pupil_id: UUID | None
    class_key: str
    row: RosterRow | None
    hashes: Hashes | None
    why: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As it is sealed into the plan."""
        row = asdict(self.row) if self.row else None
        return {
            "line": self.line, "kind": self.kind.value, "school_id": str(self.school_id),
            "pupil_id": str(self.pupil_id) if self.pupil_id else None, "class_key": self.class_key, "row": row,
            "hashes": asdict(self.hashes) if self.hashes else None, "why": list(self.why),
        }  # fmt: skip


def hashes_of(keyring: Keyring, town_id: UUID, row: RosterRow) -> Hashes:
    """Hash what a line is matched by."""

    def keyed(kind: str, value: str) -> str | None:
        return keyring.keyed_hash(value, f"pupil.{kind}:{town_id}") if value else None

    first = label_key(row.first_name)
    name = keyring.keyed_hash(f"{label_key(row.last_name)}|{first}", f"pupil.name:{town_id}")
    usage = keyed("name", f"{label_key(row.usage_name)}|{first}") if row.usage_name else None
    return Hashes(name, usage, keyed("ine", row.ine), keyed("birth", row.birth_date))


class Matcher:
    """Matches the lines of one school. Order: INE, name with birth date, usage name with birth date,
    and the name alone where one side knows no birth date.
    """

    def __init__(self, school_id: UUID, pupils: Sequence[Pupil], class_keys: dict[UUID, str]) -> None:
        self.school_id = school_id
        self.class_keys = class_keys
        self.pupils = {pupil.id: pupil for pupil in pupils}
        self.by: dict[tuple[str, ...], list[Pupil]] = defaultdict(list)
        for pupil in pupils:
            keys = _keys(pupil.ine_hash, pupil.name_hash, pupil.usage_name_hash, pupil.birth_hash)
            for key in {*keys, ("name", pupil.name_hash), *([("no birth", pupil.name_hash)] if not pupil.birth_hash else [])}:
                self.by[key].append(pupil)
        self.taken: set[UUID] = set()

    def match(self, rows: Sequence[tuple[RosterRow, Hashes]]) -> list[Change]:
        """The change that each line means, then those who left the file."""
        seen = Counter(_identity(hashes, row) for row, hashes in rows)
        changes = [self._one(row, hashes, seen) for row, hashes in rows]
        gone = [p for p in self.pupils.values() if p.id not in self.taken and p.state is PupilState.ACTIVE]
        for pupil in sorted(gone, key=lambda each: str(each.id)):
            key = self.class_keys.get(pupil.class_id, "") if pupil.class_id else ""
            changes.append(Change(0, Diff.LEFT_FILE, self.school_id, pupil.id, key, None, None))
        return changes

    def _one(self, row: RosterRow, hashes: Hashes, seen: Counter[tuple[str, ...]]) -> Change:
        key = class_key(row)
        if row.problems:
            self._keep(hashes)
            return Change(row.line, Diff.INVALID, self.school_id, None, key, row, hashes, row.problems)
        if seen[_identity(hashes, row)] > 1:
            self._keep(hashes)
            return Change(row.line, Diff.DUPLICATE, self.school_id, None, key, row, hashes)
        found = self._candidates(hashes)
        if len(found) > 1:
            self._keep(hashes)
            return Change(row.line, Diff.AMBIGUOUS, self.school_id, None, key, row, hashes)
        if not found:
            return Change(row.line, Diff.NEW, self.school_id, None, key, row, hashes)
        pupil = found[0]
        self.taken.add(pupil.id)
        return Change(row.line, self._kind(pupil, row, hashes, key), self.school_id, pupil.id, key, row, hashes)

    def _keep(self, hashes: Hashes) -> None:
        """A line that is not imported still speaks of somebody: they have not left."""
        self.taken.update(pupil.id for pupil in self._candidates(hashes))

    def _candidates(self, hashes: Hashes) -> list[Pupil]:
        for key in _keys(hashes.ine, hashes.name, hashes.usage, hashes.birth):
            found = [pupil for pupil in self.by.get(key, []) if pupil.id not in self.taken]
            if found:
                return found
        return []

    def _kind(self, pupil: Pupil, row: RosterRow, hashes: Hashes, key: str) -> Diff:
        if pupil.level is not row.level:
            return Diff.CHANGED_LEVEL
        if pupil.class_id is None or self.class_keys.get(pupil.class_id) != key:
            return Diff.MOVED_CLASS
        renamed = (pupil.last_name, pupil.first_name, pupil.usage_name or "") != (row.last_name, row.first_name, row.usage_name)
        if renamed or pupil.state is not PupilState.ACTIVE or pupil.take_home != row.take_home:
            return Diff.RENAMED
        return Diff.UNCHANGED


def class_key(row: RosterRow) -> str:
    """What a class is matched by within its school and year: ONDE's number, else its label."""
    return f"#{row.onde_class_id}" if row.onde_class_id else label_key(row.class_label)


def _identity(hashes: Hashes, row: RosterRow) -> tuple[str, ...]:
    return (hashes.ine,) if hashes.ine else (hashes.name, hashes.birth or "", class_key(row))


def _keys(ine: str | None, name: str, usage: str | None, birth: str | None) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = []
    if ine:
        keys.append(("ine", ine))
    if birth:
        keys.append(("name+birth", name, birth))
        if usage:
            keys.append(("name+birth", usage, birth))
    keys.append(("no birth", name) if ine or birth else ("name", name))
    return keys
