"""Lines of pupils against the pupils that are known: what is new, moved, gone (schools.md section 7.5). Pure; writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from enrollment.people.files.rows import RosterRow
from enrollment.people.imports.changes import Change, ClassKeys, Diff, Hashes, Subject, kept_pupil
from enrollment.people.models import Pupil, PupilState

Key = tuple[str, ...]
#: A row, what it is matched by, and the key of the class it means.
Line = tuple[RosterRow, Hashes, str]


@dataclass(slots=True)
class SchoolLines:
    """The lines of one school with the pupils known there. With `only_classes`, pupils of classes that the file does not
    name have not left: the file is only a part of the school.
    """

    school_id: UUID
    lines: Sequence[Line]
    pupils: Sequence[Pupil]
    class_keys: ClassKeys
    only_classes: bool = False
    taken: set[UUID] = field(default_factory=set)


def match_pupils(schools: Sequence[SchoolLines], elsewhere: Callable[[Sequence[Hashes]], Sequence[Pupil]]) -> list[Change]:
    """The change that each line means, school by school, then those who left the file.

    Who is unknown in a school is looked for in the town's other schools by strong keys alone (`elsewhere`).
    """
    found = [_Matcher(school).match() for school in schools]
    changes = [change for each in found for change in each]
    changes = _moved_between_schools(schools, changes, elsewhere)
    return changes + [change for school in schools for change in _left(school)]


class _Matcher:
    """Matches the lines of one school. The strongest keys of all lines go first: our own id, INE, name with birth date, usage
    name with birth date, then the name alone where nothing contradicts it.
    """

    def __init__(self, school: SchoolLines) -> None:
        self.school = school
        self.by: dict[Key, list[Pupil]] = defaultdict(list)
        for pupil in school.pupils:
            for key in _keys_of(pupil):
                self.by[key].append(pupil)
        self.changes: dict[int, Change] = {}

    def match(self) -> list[Change]:
        lines = self.school.lines
        seen = Counter(_identity(*line) for line in lines)
        for at, (row, hashes, key) in enumerate(lines):
            if row.problems:
                self._keep(at, Diff.INVALID, row.problems)
            elif seen[_identity(row, hashes, key)] > 1:
                self._keep(at, Diff.DUPLICATE, ("twice_in_file",))
        for keys in (_id_key, _ine_key, _birth_keys):
            for at, line in enumerate(lines):
                if at not in self.changes:
                    self._by_keys(at, keys(line[0], line[1]))
        self._by_name_alone()
        return [self.changes[at] for at in range(len(lines))]

    def _by_keys(self, at: int, keys: Iterable[Key]) -> None:
        for key in keys:
            free = [pupil for pupil in self.by.get(key, ()) if pupil.id not in self.school.taken]
            if len(free) == 1:
                self._take(at, free[0])
                return
            if free:
                self._keep(at, Diff.AMBIGUOUS, ("several_pupils",))
                return

    def _by_name_alone(self) -> None:
        """Lines of one name against the pupils of that name: those of the same class first, then one against one."""
        waiting: dict[str, list[int]] = defaultdict(list)
        for at, (_, hashes, _) in enumerate(self.school.lines):
            if at not in self.changes:
                waiting[hashes.name].append(at)
        for lines in waiting.values():
            for at in lines:
                key = self.school.lines[at][2]
                same = [p for p in self._free(at) if key and self.school.class_keys.held(p.class_id) == key]
                if len(same) == 1:
                    self._take(at, same[0])
            rest = [at for at in lines if at not in self.changes]
            for at in rest:
                free = self._free(at)
                if not free:
                    self._put(at, Diff.NEW)
                elif len(free) == 1 and len(rest) == 1:
                    self._take(at, free[0])
                else:
                    self._put(at, Diff.AMBIGUOUS, why=("several_pupils",), candidates=tuple(pupil.id for pupil in free))
            for at in rest:
                self.school.taken.update(self.changes[at].candidates)

    def _free(self, at: int) -> list[Pupil]:
        """Pupils of the line's name of whom nothing says that they are somebody else."""
        hashes = self.school.lines[at][1]
        named = {p.id: p for key in _name_keys(hashes) for p in self.by.get(key, ())}
        return [p for p in named.values() if p.id not in self.school.taken and not _contradicts(p, hashes)]

    def _take(self, at: int, pupil: Pupil) -> None:
        self.school.taken.add(pupil.id)
        row, hashes, key = self.school.lines[at]
        self._put(at, *judged(pupil, kept_pupil(row), hashes, key, self.school.class_keys), target=pupil)

    def _keep(self, at: int, kind: Diff, why: tuple[str, ...]) -> None:
        """A line that is not imported still speaks of somebody: they have not left."""
        row, hashes, _ = self.school.lines[at]
        keys = (*_id_key(row, hashes), *_ine_key(row, hashes), *_birth_keys(row, hashes), *_name_keys(hashes))
        about = {pupil.id for key in keys for pupil in self.by.get(key, ()) if not _contradicts(pupil, hashes)}
        self.school.taken |= about
        self._put(at, kind, why=why, candidates=tuple(sorted(about, key=str)) if kind is not Diff.INVALID else ())

    def _put(
        self, at: int, kind: Diff, why: tuple[str, ...] = (), *, target: Pupil | None = None, candidates: tuple[UUID, ...] = ()
    ) -> None:
        row, hashes, key = self.school.lines[at]
        self.changes[at] = Change(
            row.line, kind, Subject.PUPIL, self.school.school_id, target.id if target else None, key, kept_pupil(row),
            hashes, tuple(dict.fromkeys((*why, *row.notes))), candidates,
        )  # fmt: skip


def judged(pupil: Pupil, row: dict[str, Any], hashes: Hashes, key: str, class_keys: ClassKeys) -> tuple[Diff, tuple[str, ...]]:
    """What a line changes of the pupil it speaks of. What the file does not tell changes nothing."""
    told = {
        "level": pupil.level.value != row["level"],
        "class": bool(key) and class_keys.held(pupil.class_id) != key,
        "name": (pupil.last_name, pupil.first_name) != (row["last_name"], row["first_name"]),
        "usage_name": row["usage_name"] is not None and (pupil.usage_name or "") != row["usage_name"],
        "take_home": row["take_home"] is not None and pupil.take_home != row["take_home"],
        "groups": class_keys.other_groups(pupil.id, row),
        "returned": pupil.state is not PupilState.ACTIVE,
        "identifier": (hashes.ine or pupil.ine_hash, hashes.birth or pupil.birth_hash) != (pupil.ine_hash, pupil.birth_hash),
    }
    why = tuple(name for name, changed in told.items() if changed)
    if "level" in why:
        return Diff.CHANGED_LEVEL, why
    if "class" in why:
        return Diff.MOVED_CLASS, why
    return (Diff.RENAMED if why else Diff.UNCHANGED), why


def _moved_between_schools(
    schools: Sequence[SchoolLines], changes: list[Change], elsewhere: Callable[[Sequence[Hashes]], Sequence[Pupil]]
) -> list[Change]:
    """A pupil who is new here and absent there has moved; one who is at both places is for a person to decide."""
    strong = [c.hashes for c in changes if c.kind is Diff.NEW and c.hashes and (c.hashes.ine or c.hashes.birth)]
    if not strong:
        return changes
    by: dict[Key, list[Pupil]] = defaultdict(list)
    for pupil in elsewhere(strong):
        for key in _keys_of(pupil):
            by[key].append(pupil)
    leaving = {p.id for school in schools for p in school.pupils if p.id not in school.taken and not school.only_classes}
    gone: set[UUID] = set()
    moved = []
    for change in changes:
        found = _found_elsewhere(change, by, gone)
        if len(found) == 1 and (found[0].state is not PupilState.ACTIVE or found[0].id in leaving):
            gone.add(found[0].id)
            moved.append(replace(change, kind=Diff.MOVED_CLASS, target_id=found[0].id, why=("other_school", *change.why)))
        elif found:
            ids = tuple(pupil.id for pupil in found)
            moved.append(replace(change, kind=Diff.AMBIGUOUS, candidates=ids, why=("active_in_other_school", *change.why)))
        else:
            moved.append(change)
    for school in schools:
        school.taken |= gone
    return moved


def _found_elsewhere(change: Change, by: dict[Key, list[Pupil]], gone: set[UUID]) -> list[Pupil]:
    if change.kind is not Diff.NEW or change.hashes is None:
        return []
    keys = (*_ine_key(None, change.hashes), *_birth_keys(None, change.hashes))
    for key in keys:
        found = [p for p in by.get(key, ()) if p.id not in gone and p.school_id != change.school_id]
        if found:
            return found
    return []


def _left(school: SchoolLines) -> list[Change]:
    named = {key for _, _, key in school.lines}
    gone = [p for p in school.pupils if p.id not in school.taken and p.state is PupilState.ACTIVE]
    changes = []
    for pupil in sorted(gone, key=lambda each: str(each.id)):
        key = school.class_keys.held(pupil.class_id)
        if school.only_classes and key not in named:
            continue
        row = {
            "last_name": pupil.last_name,
            "first_name": pupil.first_name,
            "usage_name": pupil.usage_name,
            "level": pupil.level.value,
        }
        changes.append(Change(0, Diff.LEFT_FILE, Subject.PUPIL, school.school_id, pupil.id, key, row))
    return changes


def _identity(row: RosterRow, hashes: Hashes, key: str) -> Key:
    if hashes.ine:
        return (hashes.ine,)
    return (hashes.name, hashes.birth) if hashes.birth else (hashes.name, key, row.source_id)


def _contradicts(pupil: Pupil, hashes: Hashes) -> bool:
    """Whether an identifier that both sides know differs."""
    if pupil.ine_hash and hashes.ine:
        return pupil.ine_hash != hashes.ine
    return bool(pupil.birth_hash and hashes.birth and pupil.birth_hash != hashes.birth)


def _keys_of(pupil: Pupil) -> set[Key]:
    names = {name for name in (pupil.name_hash, pupil.usage_name_hash) if name}
    keys: set[Key] = {("id", str(pupil.id)), *(("name", name) for name in names)}
    if pupil.ine_hash:
        keys.add(("ine", pupil.ine_hash))
    if pupil.birth_hash:
        keys |= {("birth", name, pupil.birth_hash) for name in names}
    return keys


def _id_key(row: RosterRow, _hashes: Hashes) -> tuple[Key, ...]:
    return (("id", row.source_id),) if row.source_id else ()


def _ine_key(_row: RosterRow | None, hashes: Hashes) -> tuple[Key, ...]:
    return (("ine", hashes.ine),) if hashes.ine else ()


def _birth_keys(_row: RosterRow | None, hashes: Hashes) -> tuple[Key, ...]:
    names = [name for name in (hashes.name, hashes.usage) if name]
    return tuple(("birth", name, hashes.birth) for name in names) if hashes.birth else ()


def _name_keys(hashes: Hashes) -> tuple[Key, ...]:
    return tuple(("name", name) for name in (hashes.name, hashes.usage) if name)
