"""Lines of pupils against the pupils that are known: what is new, moved, gone (schools.md section 7.5). Pure; writes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from enrollment.people.models import Pupil, PupilState
from enrollment.rosters.files.rows import PupilRow
from enrollment.rosters.imports.changes import ChangeKind, ClassIndex, MatchHashes, RosterChange, Subject, dump_pupil

Key = tuple[str, ...]
#: A row, what it is matched by, and the key of the class it means.
Line = tuple[PupilRow, MatchHashes, str]


@dataclass(slots=True)
class SchoolLines:
    """The lines of one school with the pupils known there. With `only_classes`, pupils of classes that the file does not
    name have not left: the file is only a part of the school.
    """

    school_id: UUID
    lines: Sequence[Line]
    pupils: Sequence[Pupil]
    class_index: ClassIndex
    is_partial: bool = False
    matched_ids: set[UUID] = field(default_factory=set)


def match_pupils(
    schools: Sequence[SchoolLines], find_elsewhere: Callable[[Sequence[MatchHashes]], Sequence[Pupil]]
) -> list[RosterChange]:
    """The change that each line means, school by school, then those who left the file.

    Who is unknown in a school is looked for in the town's other schools by strong keys alone (`elsewhere`).
    """
    found = [_SchoolMatcher(school).match() for school in schools]
    changes = [change for each in found for change in each]
    changes = _find_school_moves(schools, changes, find_elsewhere)
    return changes + [change for school in schools for change in _list_leavers(school)]


class _SchoolMatcher:
    """Matches the lines of one school. The strongest keys of all lines go first: our own id, INE, name with birth date, usage
    name with birth date, then the name alone where nothing contradicts it.
    """

    def __init__(self, school: SchoolLines) -> None:
        self.school = school
        self.pupils_by_key: dict[Key, list[Pupil]] = defaultdict(list)
        for pupil in school.pupils:
            for key in _pupil_keys(pupil):
                self.pupils_by_key[key].append(pupil)
        self.changes: dict[int, RosterChange] = {}

    def match(self) -> list[RosterChange]:
        lines = self.school.lines
        seen = Counter(_line_identity(*line) for line in lines)
        for at, (row, hashes, key) in enumerate(lines):
            if row.problems:
                self._set_line_aside(at, ChangeKind.INVALID, row.problems)
            elif seen[_line_identity(row, hashes, key)] > 1:
                self._set_line_aside(at, ChangeKind.DUPLICATE, ("twice_in_file",))
        for keys in (_id_key, _ine_key, _birth_keys):
            for at, line in enumerate(lines):
                if at not in self.changes:
                    self._match_by_keys(at, keys(line[0], line[1]))
        self._match_by_name()
        return [self.changes[at] for at in range(len(lines))]

    def _match_by_keys(self, at: int, keys: Iterable[Key]) -> None:
        for key in keys:
            free = [pupil for pupil in self.pupils_by_key.get(key, ()) if pupil.id not in self.school.matched_ids]
            if len(free) == 1:
                self._match_line(at, free[0])
                return
            if free:
                self._set_line_aside(at, ChangeKind.AMBIGUOUS, ("several_pupils",))
                return

    def _match_by_name(self) -> None:
        """Lines of one name against the pupils of that name: those of the same class first, then one against one."""
        waiting: dict[str, list[int]] = defaultdict(list)
        for at, (_, hashes, _) in enumerate(self.school.lines):
            if at not in self.changes:
                waiting[hashes.name].append(at)
        for lines in waiting.values():
            for at in lines:
                key = self.school.lines[at][2]
                same = [
                    p for p in self._list_unmatched_namesakes(at) if key and self.school.class_index.get_key(p.class_id) == key
                ]
                if len(same) == 1:
                    self._match_line(at, same[0])
            rest = [at for at in lines if at not in self.changes]
            for at in rest:
                free = self._list_unmatched_namesakes(at)
                if not free:
                    self._record_change(at, ChangeKind.NEW)
                elif len(free) == 1 and len(rest) == 1:
                    self._match_line(at, free[0])
                else:
                    self._record_change(
                        at, ChangeKind.AMBIGUOUS, why=("several_pupils",), candidates=tuple(pupil.id for pupil in free)
                    )
            for at in rest:
                self.school.matched_ids.update(self.changes[at].candidates)

    def _list_unmatched_namesakes(self, at: int) -> list[Pupil]:
        """Pupils of the line's name of whom nothing says that they are somebody else."""
        hashes = self.school.lines[at][1]
        named = {p.id: p for key in _name_keys(hashes) for p in self.pupils_by_key.get(key, ())}
        return [p for p in named.values() if p.id not in self.school.matched_ids and not _contradicts(p, hashes)]

    def _match_line(self, at: int, pupil: Pupil) -> None:
        self.school.matched_ids.add(pupil.id)
        row, hashes, key = self.school.lines[at]
        self._record_change(at, *compare_pupil(pupil, dump_pupil(row), hashes, key, self.school.class_index), target=pupil)

    def _set_line_aside(self, at: int, kind: ChangeKind, why: tuple[str, ...]) -> None:
        """A line that is not imported still speaks of somebody: they have not left."""
        row, hashes, _ = self.school.lines[at]
        keys = (*_id_key(row, hashes), *_ine_key(row, hashes), *_birth_keys(row, hashes), *_name_keys(hashes))
        about = {pupil.id for key in keys for pupil in self.pupils_by_key.get(key, ()) if not _contradicts(pupil, hashes)}
        self.school.matched_ids |= about
        self._record_change(at, kind, why=why, candidates=tuple(sorted(about, key=str)) if kind is not ChangeKind.INVALID else ())

    def _record_change(
        self,
        at: int,
        kind: ChangeKind,
        why: tuple[str, ...] = (),
        *,
        target: Pupil | None = None,
        candidates: tuple[UUID, ...] = (),
    ) -> None:
        row, hashes, key = self.school.lines[at]
        self.changes[at] = RosterChange(
            row.line, kind, Subject.PUPIL, self.school.school_id, target.id if target else None, key, dump_pupil(row),
            hashes, tuple(dict.fromkeys((*why, *row.notes))), candidates,
        )  # fmt: skip


def compare_pupil(
    pupil: Pupil, row: dict[str, Any], hashes: MatchHashes, key: str, class_index: ClassIndex
) -> tuple[ChangeKind, tuple[str, ...]]:
    """What a line changes of the pupil it speaks of. What the file does not tell changes nothing."""
    told = {
        "grade": pupil.grade.value != row["grade"],
        "class": bool(key) and class_index.get_key(pupil.class_id) != key,
        "name": (pupil.last_name, pupil.first_name) != (row["last_name"], row["first_name"]),
        "usage_name": row["usage_name"] is not None and (pupil.usage_name or "") != row["usage_name"],
        "take_home": row["take_home"] is not None and pupil.take_home != row["take_home"],
        "groups": class_index.groups_differ(pupil.id, row),
        "returned": pupil.state is not PupilState.ACTIVE,
        "identifier": (hashes.ine or pupil.ine_hash, hashes.birth or pupil.birth_hash) != (pupil.ine_hash, pupil.birth_hash),
    }
    why = tuple(name for name, changed in told.items() if changed)
    if "grade" in why:
        return ChangeKind.CHANGED_GRADE, why
    if "class" in why:
        return ChangeKind.MOVED_CLASS, why
    return (ChangeKind.RENAMED if why else ChangeKind.UNCHANGED), why


def _find_school_moves(
    schools: Sequence[SchoolLines],
    changes: list[RosterChange],
    find_elsewhere: Callable[[Sequence[MatchHashes]], Sequence[Pupil]],
) -> list[RosterChange]:
    """A pupil who is new here and absent there has moved; one who is at both places is for a person to decide."""
    strong = [c.hashes for c in changes if c.kind is ChangeKind.NEW and c.hashes and (c.hashes.ine or c.hashes.birth)]
    if not strong:
        return changes
    by: dict[Key, list[Pupil]] = defaultdict(list)
    for pupil in find_elsewhere(strong):
        for key in _pupil_keys(pupil):
            by[key].append(pupil)
    leaving = {p.id for school in schools for p in school.pupils if p.id not in school.matched_ids and not school.is_partial}
    gone: set[UUID] = set()
    moved = []
    for change in changes:
        found = _list_candidates_elsewhere(change, by, gone)
        if len(found) == 1 and (found[0].state is not PupilState.ACTIVE or found[0].id in leaving):
            gone.add(found[0].id)
            moved.append(replace(change, kind=ChangeKind.MOVED_CLASS, target_id=found[0].id, why=("other_school", *change.why)))
        elif found:
            ids = tuple(pupil.id for pupil in found)
            moved.append(replace(change, kind=ChangeKind.AMBIGUOUS, candidates=ids, why=("active_in_other_school", *change.why)))
        else:
            moved.append(change)
    for school in schools:
        school.matched_ids |= gone
    return moved


def _list_candidates_elsewhere(change: RosterChange, by: dict[Key, list[Pupil]], gone: set[UUID]) -> list[Pupil]:
    if change.kind is not ChangeKind.NEW or change.hashes is None:
        return []
    keys = (*_ine_key(None, change.hashes), *_birth_keys(None, change.hashes))
    for key in keys:
        found = [p for p in by.get(key, ()) if p.id not in gone and p.school_id != change.school_id]
        if found:
            return found
    return []


def _list_leavers(school: SchoolLines) -> list[RosterChange]:
    named = {key for _, _, key in school.lines}
    gone = [p for p in school.pupils if p.id not in school.matched_ids and p.state is PupilState.ACTIVE]
    changes = []
    for pupil in sorted(gone, key=lambda each: str(each.id)):
        key = school.class_index.get_key(pupil.class_id)
        if school.is_partial and key not in named:
            continue
        row = {
            "last_name": pupil.last_name,
            "first_name": pupil.first_name,
            "usage_name": pupil.usage_name,
            "grade": pupil.grade.value,
        }
        changes.append(RosterChange(0, ChangeKind.LEFT_FILE, Subject.PUPIL, school.school_id, pupil.id, key, row))
    return changes


def _line_identity(row: PupilRow, hashes: MatchHashes, key: str) -> Key:
    if hashes.ine:
        return (hashes.ine,)
    return (hashes.name, hashes.birth) if hashes.birth else (hashes.name, key, row.source_id)


def _contradicts(pupil: Pupil, hashes: MatchHashes) -> bool:
    """Whether an identifier that both sides know differs."""
    if pupil.ine_hash and hashes.ine:
        return pupil.ine_hash != hashes.ine
    return bool(pupil.birth_hash and hashes.birth and pupil.birth_hash != hashes.birth)


def _pupil_keys(pupil: Pupil) -> set[Key]:
    names = {name for name in (pupil.name_hash, pupil.usage_name_hash) if name}
    keys: set[Key] = {("id", str(pupil.id)), *(("name", name) for name in names)}
    if pupil.ine_hash:
        keys.add(("ine", pupil.ine_hash))
    if pupil.birth_hash:
        keys |= {("birth", name, pupil.birth_hash) for name in names}
    return keys


def _id_key(row: PupilRow, _hashes: MatchHashes) -> tuple[Key, ...]:
    return (("id", row.source_id),) if row.source_id else ()


def _ine_key(_row: PupilRow | None, hashes: MatchHashes) -> tuple[Key, ...]:
    return (("ine", hashes.ine),) if hashes.ine else ()


def _birth_keys(_row: PupilRow | None, hashes: MatchHashes) -> tuple[Key, ...]:
    names = [name for name in (hashes.name, hashes.usage) if name]
    return tuple(("birth", name, hashes.birth) for name in names) if hashes.birth else ()


def _name_keys(hashes: MatchHashes) -> tuple[Key, ...]:
    return tuple(("name", name) for name in (hashes.name, hashes.usage) if name)
