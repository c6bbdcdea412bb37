"""Matches lines of pupils with the known pupils, and finds who is new, has moved or has left. Pure.

See docs/domain/rosters.md#matching.
"""

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
#: A row, its hashes, and the key of its class.
Line = tuple[PupilRow, MatchHashes, str]


@dataclass(slots=True)
class SchoolLines:
    """The lines of one school and its known pupils. `matched_ids`: the pupils whom some line is, or may be, about.

    `is_partial`: the file covers only a part of the school, so pupils of classes that it does not name have not left.
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
    """Return the change of each line, school by school, then the pupils who left the file.

    A pupil unknown in the school is searched in the town's other schools with `find_elsewhere`, by INE or birth date only.
    """
    changes = [change for school in schools for change in _SchoolMatcher(school).match()]
    changes = _find_school_moves(schools, changes, find_elsewhere)
    return changes + [change for school in schools for change in _list_leavers(school)]


class _SchoolMatcher:
    """Matches the lines of one school, by the strongest keys first: the pupil's own id, INE, name with birth date, usage name with birth
    date, then the name alone where no identifier contradicts it.
    """

    def __init__(self, school: SchoolLines) -> None:
        self.school = school
        self.pupils_by_key: dict[Key, list[Pupil]] = defaultdict(list)
        for pupil in school.pupils:
            for key in _pupil_keys(pupil):
                self.pupils_by_key[key].append(pupil)
        self.changes: dict[int, RosterChange] = {}

    def match(self) -> list[RosterChange]:
        """Return the change of each line, in the order of the lines."""
        lines = self.school.lines
        counts = Counter(_line_identity(*line) for line in lines)
        for index, (row, hashes, key) in enumerate(lines):
            if row.problems:
                self._set_line_aside(index, ChangeKind.INVALID, row.problems)
            elif counts[_line_identity(row, hashes, key)] > 1:
                self._set_line_aside(index, ChangeKind.DUPLICATE, ("twice_in_file",))
        for get_keys in (_id_key, _ine_key, _birth_keys):
            for index, (row, hashes, _) in enumerate(lines):
                if index not in self.changes:
                    self._match_by_keys(index, get_keys(row, hashes))
        self._match_by_name()
        return [self.changes[index] for index in range(len(lines))]

    def _match_by_keys(self, index: int, keys: Iterable[Key]) -> None:
        for key in keys:
            unmatched = [pupil for pupil in self.pupils_by_key.get(key, ()) if pupil.id not in self.school.matched_ids]
            if len(unmatched) == 1:
                self._match_line(index, unmatched[0])
                return
            if unmatched:
                self._set_line_aside(index, ChangeKind.AMBIGUOUS, ("several_pupils",))
                return

    def _match_by_name(self) -> None:
        """Match the remaining lines by name: within the same class first, then where one line and one pupil have the name."""
        unmatched_by_name: dict[str, list[int]] = defaultdict(list)
        for index, (_, hashes, _) in enumerate(self.school.lines):
            if index not in self.changes:
                unmatched_by_name[hashes.name].append(index)
        for indexes in unmatched_by_name.values():
            for index in indexes:
                self._match_classmate(index)
            remaining = [index for index in indexes if index not in self.changes]
            for index in remaining:
                namesakes = self._list_unmatched_namesakes(index)
                if not namesakes:
                    self._record_change(index, ChangeKind.NEW)
                elif len(namesakes) == 1 and len(remaining) == 1:
                    self._match_line(index, namesakes[0])
                else:
                    candidates = tuple(pupil.id for pupil in namesakes)
                    self._record_change(index, ChangeKind.AMBIGUOUS, why=("several_pupils",), candidates=candidates)
            for index in remaining:
                self.school.matched_ids.update(self.changes[index].candidates)

    def _match_classmate(self, index: int) -> None:
        key = self.school.lines[index][2]
        get_key = self.school.class_index.get_key
        classmates = [pupil for pupil in self._list_unmatched_namesakes(index) if key and get_key(pupil.class_id) == key]
        if len(classmates) == 1:
            self._match_line(index, classmates[0])

    def _list_unmatched_namesakes(self, index: int) -> list[Pupil]:
        """Return the unmatched pupils with the line's name whose identifiers do not contradict the line."""
        hashes = self.school.lines[index][1]
        namesakes = {pupil.id: pupil for key in _name_keys(hashes) for pupil in self.pupils_by_key.get(key, ())}
        return [p for p in namesakes.values() if p.id not in self.school.matched_ids and not _contradicts(p, hashes)]

    def _match_line(self, index: int, pupil: Pupil) -> None:
        self.school.matched_ids.add(pupil.id)
        row, hashes, key = self.school.lines[index]
        self._record_change(index, *compare_pupil(pupil, dump_pupil(row), hashes, key, self.school.class_index), target=pupil)

    def _set_line_aside(self, index: int, kind: ChangeKind, why: tuple[str, ...]) -> None:
        """Record a line that is not imported. The pupils whom it may be about count as matched, so they have not left."""
        row, hashes, _ = self.school.lines[index]
        keys = (*_id_key(row, hashes), *_ine_key(row, hashes), *_birth_keys(row, hashes), *_name_keys(hashes))
        possible = {pupil.id for key in keys for pupil in self.pupils_by_key.get(key, ()) if not _contradicts(pupil, hashes)}
        self.school.matched_ids |= possible
        candidates = tuple(sorted(possible, key=str)) if kind is not ChangeKind.INVALID else ()
        self._record_change(index, kind, why=why, candidates=candidates)

    def _record_change(
        self,
        index: int,
        kind: ChangeKind,
        why: tuple[str, ...] = (),
        *,
        target: Pupil | None = None,
        candidates: tuple[UUID, ...] = (),
    ) -> None:
        row, hashes, key = self.school.lines[index]
        self.changes[index] = RosterChange(
            row.line, kind, Subject.PUPIL, self.school.school_id, target.id if target else None, key, dump_pupil(row),
            hashes, tuple(dict.fromkeys((*why, *row.notes))), candidates,
        )  # fmt: skip


def compare_pupil(
    pupil: Pupil, row: dict[str, Any], hashes: MatchHashes, key: str, class_index: ClassIndex
) -> tuple[ChangeKind, tuple[str, ...]]:
    """Return what a line changes of its pupil, with the reasons. Fields that the file does not contain change nothing."""
    differences = {
        "grade": pupil.grade.value != row["grade"],
        "class": bool(key) and class_index.get_key(pupil.class_id) != key,
        "name": (pupil.last_name, pupil.first_name) != (row["last_name"], row["first_name"]),
        "usage_name": row["usage_name"] is not None and (pupil.usage_name or "") != row["usage_name"],
        "take_home": row["take_home"] is not None and pupil.take_home != row["take_home"],
        "groups": class_index.groups_differ(pupil.id, row),
        "returned": pupil.state is not PupilState.ACTIVE,
        "identifier": (hashes.ine or pupil.ine_hash, hashes.birth or pupil.birth_hash) != (pupil.ine_hash, pupil.birth_hash),
    }
    why = tuple(name for name, differs in differences.items() if differs)
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
    """Return the changes, where a new pupil who left another school becomes a move. A pupil still active in another school makes the
    line ambiguous, for a person to decide.
    """
    searched = [c.hashes for c in changes if c.kind is ChangeKind.NEW and c.hashes and (c.hashes.ine or c.hashes.birth)]
    if not searched:
        return changes
    pupils_by_key: dict[Key, list[Pupil]] = defaultdict(list)
    for pupil in find_elsewhere(searched):
        for key in _pupil_keys(pupil):
            pupils_by_key[key].append(pupil)
    leaving = {p.id for school in schools for p in school.pupils if p.id not in school.matched_ids and not school.is_partial}
    moved_ids: set[UUID] = set()
    result = []
    for change in changes:
        candidates = _list_candidates_elsewhere(change, pupils_by_key, moved_ids)
        if len(candidates) == 1 and (candidates[0].state is not PupilState.ACTIVE or candidates[0].id in leaving):
            pupil_id = candidates[0].id
            moved_ids.add(pupil_id)
            result.append(replace(change, kind=ChangeKind.MOVED_CLASS, target_id=pupil_id, why=("other_school", *change.why)))
        elif candidates:
            ids = tuple(pupil.id for pupil in candidates)
            result.append(replace(change, kind=ChangeKind.AMBIGUOUS, candidates=ids, why=("active_in_other_school", *change.why)))
        else:
            result.append(change)
    for school in schools:
        school.matched_ids |= moved_ids
    return result


def _list_candidates_elsewhere(change: RosterChange, pupils_by_key: dict[Key, list[Pupil]], moved_ids: set[UUID]) -> list[Pupil]:
    if change.kind is not ChangeKind.NEW or change.hashes is None:
        return []
    for key in (*_ine_key(None, change.hashes), *_birth_keys(None, change.hashes)):
        candidates = [p for p in pupils_by_key.get(key, ()) if p.id not in moved_ids and p.school_id != change.school_id]
        if candidates:
            return candidates
    return []


def _list_leavers(school: SchoolLines) -> list[RosterChange]:
    """Return a change for each active pupil whom no line is about; of a partial file, only in the classes that it names."""
    named_classes = {key for _, _, key in school.lines}
    leavers = [p for p in school.pupils if p.id not in school.matched_ids and p.state is PupilState.ACTIVE]
    changes = []
    for pupil in sorted(leavers, key=lambda leaver: str(leaver.id)):
        key = school.class_index.get_key(pupil.class_id)
        if school.is_partial and key not in named_classes:
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
    """Return whether an identifier that both sides have differs."""
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
