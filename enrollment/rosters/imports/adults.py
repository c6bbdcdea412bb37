"""Lines of guardians and of staff against those who are known (schools.md sections 7.2 and 7.10). Pure; writes nothing.

What decides is chosen for what a mistake would cost: a guardian taken for another would see another's child, so guardians are
joined by a shared child or a contact, never by a name alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from enrollment.people.models import Guardian, RosterState, StaffMember
from enrollment.people.text import label_key
from enrollment.rosters.files.rows import ChildReference, GuardianRow, StaffRow
from enrollment.rosters.imports.changes import ChangeKind, ClassIndex, RosterChange, Subject, dump_guardian, dump_staff

#: (last name, first name) → keyed hash.
NameHasher = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class KnownChild:
    """A pupil to whom a guardian's line may point. `reference` is the pupil's id, or `line:<n>` for one of the same plan."""

    reference: str
    names: frozenset[str]
    class_label: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class KnownGuardian:
    """A guardian with the ids of their children."""

    guardian: Guardian
    children: frozenset[str]


def match_guardians(
    school_id: UUID,
    rows: Sequence[GuardianRow],
    children: Sequence[KnownChild],
    known: Sequence[KnownGuardian],
    hash_name: NameHasher,
) -> list[RosterChange]:
    """The change that each line of one school means, then the guardians who left the file."""
    by_name: dict[str, list[KnownChild]] = defaultdict(list)
    for child in children:
        for name in child.names:
            by_name[name].append(child)
    seen = Counter(_guardian_identity(row) for row in rows)
    taken: set[UUID] = set()
    changes = []
    for row in rows:
        name = hash_name(row.last_name, row.first_name)
        found, faults = _find_children(row, by_name, children, hash_name)
        same = [each for each in known if each.guardian.name_hash == name and each.guardian.id not in taken]
        change = _match_guardian(school_id, row, found, faults, same, twice=seen[_guardian_identity(row)] > 1)
        taken |= {change.target_id} if change.target_id else set()
        if change.kind in (ChangeKind.AMBIGUOUS, ChangeKind.DUPLICATE, ChangeKind.INVALID):
            taken |= {each.guardian.id for each in same}
        changes.append(change)
    for each in known:
        if each.guardian.id not in taken and each.guardian.state is RosterState.ACTIVE:
            gone = {"last_name": each.guardian.last_name, "first_name": each.guardian.first_name}
            changes.append(RosterChange(0, ChangeKind.LEFT_FILE, Subject.GUARDIAN, school_id, each.guardian.id, row=gone))
    return changes


def _guardian_identity(row: GuardianRow) -> tuple[str, ...]:
    children = sorted(label_key(f"{child.last_name} {child.first_name}") for child in row.children)
    return (label_key(row.last_name), label_key(row.first_name), row.email, row.mobile, *children)


def _find_children(
    row: GuardianRow, by_name: dict[str, list[KnownChild]], children: Sequence[KnownChild], hash_name: NameHasher
) -> tuple[list[str], list[str]]:
    """References of the children that are known for sure, and why others are not."""
    found, faults = [], []
    for child in row.children:
        fits = _find_candidates(child, by_name, children, hash_name)
        if len(fits) == 1:
            found.append(fits[0].reference)
        else:
            faults.append("child_ambiguous" if fits else "child_not_found")
    return list(dict.fromkeys(found)), list(dict.fromkeys(faults))


def _find_candidates(
    child: ChildReference, by_name: dict[str, list[KnownChild]], children: Sequence[KnownChild], hash_name: NameHasher
) -> list[KnownChild]:
    if child.source_id:
        return [each for each in children if each.source_id == child.source_id]
    names = {hash_name(last, child.first_name) for last in (child.last_name, child.usage_name) if last}
    fits = list({each.reference: each for name in names for each in by_name.get(name, ())}.values())
    label = label_key(child.class_label)
    same_class = [each for each in fits if label and label_key(each.class_label) == label]
    return same_class if len(fits) > 1 and same_class else fits


def _match_guardian(
    school_id: UUID, row: GuardianRow, found: list[str], faults: list[str], same: Sequence[KnownGuardian], *, twice: bool
) -> RosterChange:
    kept = {**dump_guardian(row), "children": found, "whole": not faults}

    def told(kind: ChangeKind, why: Sequence[str], target: UUID | None = None, candidates: Sequence[UUID] = ()) -> RosterChange:
        reasons = tuple(dict.fromkeys((*why, *faults, *row.notes)))
        return RosterChange(
            row.line, kind, Subject.GUARDIAN, school_id, target, row=kept, why=reasons, candidates=tuple(candidates)
        )

    if row.problems:
        return told(ChangeKind.INVALID, row.problems)
    if twice:
        return told(ChangeKind.DUPLICATE, ["twice_in_file"])
    if not found:
        return told(ChangeKind.AMBIGUOUS if "child_ambiguous" in faults else ChangeKind.INVALID, [])
    fits = [each for each in same if each.children & set(found)] or [each for each in same if _shares_contact(each.guardian, row)]
    if len(fits) > 1:
        fits = [each for each in fits if _shares_contact(each.guardian, row)] or fits
    if len(fits) > 1:
        return told(ChangeKind.AMBIGUOUS, ["several_guardians"], candidates=[each.guardian.id for each in fits])
    if not fits:
        return told(ChangeKind.NEW, [])
    guardian, children = fits[0].guardian, fits[0].children
    differs = {
        "name": (guardian.last_name, guardian.first_name) != (row.last_name, row.first_name),
        "contact": any(new and new != old for new, old in ((row.email, guardian.email), (row.mobile, guardian.mobile))),
        "children": set(found) != children if not faults else not set(found) <= children,
        "returned": guardian.state is not RosterState.ACTIVE,
    }
    why = [name for name, changed in differs.items() if changed]
    return told(ChangeKind.RENAMED if why else ChangeKind.UNCHANGED, why, guardian.id)


def _shares_contact(guardian: Guardian, row: GuardianRow) -> bool:
    return bool((row.email and row.email == guardian.email) or (row.mobile and row.mobile == guardian.mobile))


@dataclass(frozen=True, slots=True)
class KnownStaff:
    """An adult with their open places in one school: (class key, kind)."""

    member: StaffMember
    assignments: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def match_staff(
    school_id: UUID,
    rows: Sequence[StaffRow],
    here: Sequence[KnownStaff],
    by_email: dict[str, StaffMember],
    class_keys: ClassIndex,
    planned_keys: set[str],
    hash_name: NameHasher,
) -> list[RosterChange]:
    """The change that each adult of one school means, then those who left the file. One entry for all lines of one adult."""
    people: dict[tuple[str, str], list[StaffRow]] = defaultdict(list)
    for row in rows:
        people[_staff_identity(row)].append(row)
    known = {each.member.id: each for each in here}
    taken: set[UUID] = set()
    changes = []
    for person in people.values():
        change = _match_staff_member(
            school_id, person, known, by_email, _find_assignments(school_id, person, class_keys, planned_keys), taken, hash_name
        )
        taken |= {change.target_id} if change.target_id else set(change.candidates)
        changes.append(change)
    for each in here:
        if each.member.id not in taken and each.assignments:
            gone = {"last_name": each.member.last_name, "first_name": each.member.first_name}
            changes.append(RosterChange(0, ChangeKind.LEFT_FILE, Subject.STAFF, school_id, each.member.id, row=gone))
    return changes


def _staff_identity(row: StaffRow) -> tuple[str, str]:
    """What makes two lines one adult, in two parts."""
    if row.source_id or row.email:
        return "id", row.source_id or row.email
    return label_key(row.last_name), label_key(row.first_name)


def _find_assignments(
    school_id: UUID, rows: list[StaffRow], class_keys: ClassIndex, planned_keys: set[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """The classes of an adult, (key, kind); the school alone where the class is not known."""
    named = [(class_keys.resolve_key(school_id, row.class_label, row.onde_class_id), row.kind) for row in rows]
    known = {"", *planned_keys, *class_keys.key_by_class.values()}
    good = dict.fromkeys(place for place in named if place[0] in known)
    return list(good) or [("", rows[0].kind)], ["unknown_class"] if len(good) < len(set(named)) else []


def _match_staff_member(
    school_id: UUID,
    rows: list[StaffRow],
    known: dict[UUID, KnownStaff],
    by_email: dict[str, StaffMember],
    placed: tuple[list[tuple[str, str]], list[str]],
    taken: set[UUID],
    hash_name: NameHasher,
) -> RosterChange:
    row, (places, faults) = rows[0], placed
    kept = {**dump_staff(rows), "places": [list(place) for place in places], "person": hash_name(*_staff_identity(row))}
    notes = [*faults, *(note for each in rows for note in each.notes)]
    problems = [problem for each in rows for problem in each.problems]
    name = hash_name(row.last_name, row.first_name)
    named = [each.member for each in known.values() if each.member.name_hash == name and each.member.id not in taken]
    owner = by_email.get(kept["email"]) if kept["email"] else None
    fits = [owner] if owner is not None and owner.id not in taken else named

    def told(kind: ChangeKind, why: Sequence[str], target: UUID | None = None, candidates: Sequence[UUID] = ()) -> RosterChange:
        reasons = tuple(dict.fromkeys((*why, *notes)))
        return RosterChange(row.line, kind, Subject.STAFF, school_id, target, row=kept, why=reasons, candidates=tuple(candidates))

    if problems:
        return told(ChangeKind.INVALID, problems, candidates=[member.id for member in fits])
    if len(fits) > 1:
        return told(ChangeKind.AMBIGUOUS, ["several_adults"], candidates=[member.id for member in fits])
    if not fits:
        return told(ChangeKind.NEW, [])
    member = fits[0]
    present = known[member.id].assignments if member.id in known else frozenset()
    if not row.kind_is_known:
        held = dict(present)
        places = [(key, held.get(key, kind)) for key, kind in places]
        kept["places"] = [list(place) for place in places]
    differs = {
        "classes": set(places) != present,
        "name": (member.last_name, member.first_name) != (row.last_name, row.first_name),
        "contact": bool(kept["email"]) and kept["email"] != member.email,
        "returned": member.state is not RosterState.ACTIVE,
    }
    why = [name for name, changed in differs.items() if changed]
    kind = ChangeKind.MOVED_CLASS if "classes" in why else ChangeKind.RENAMED if why else ChangeKind.UNCHANGED
    return told(kind, why, member.id)
