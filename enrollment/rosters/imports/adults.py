"""Matches lines of guardians and of staff with the known ones. Pure.

The rules follow from the cost of a mistake: a guardian matched with another person would see another family's child, so guardians are
matched by a shared child or a contact, never by name alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from enrollment.people.models import Guardian, RosterState, StaffMember
from enrollment.people.text import make_label_key
from enrollment.rosters.files.rows import ChildReference, GuardianRow, StaffRow
from enrollment.rosters.imports.changes import ChangeKind, ClassIndex, RosterChange, Subject, dump_guardian, dump_staff

#: Returns the keyed hash of a last name and a first name.
NameHasher = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class KnownChild:
    """A pupil whom a guardian's line may name. `reference`: the pupil's id, or `line:<n>` for a new pupil of the same plan."""

    reference: str
    names: frozenset[str]
    class_label: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class KnownGuardian:
    """A known guardian with the ids of their children."""

    guardian: Guardian
    children: frozenset[str]


def match_guardians(
    school_id: UUID,
    rows: Sequence[GuardianRow],
    children: Sequence[KnownChild],
    known: Sequence[KnownGuardian],
    hash_name: NameHasher,
) -> list[RosterChange]:
    """Return the change of each line of one school, then the guardians who left the file."""
    children_by_name: dict[str, list[KnownChild]] = defaultdict(list)
    for child in children:
        for name in child.names:
            children_by_name[name].append(child)
    counts = Counter(_guardian_identity(row) for row in rows)
    matched_ids: set[UUID] = set()
    changes = []
    for row in rows:
        name = hash_name(row.last_name, row.first_name)
        references, faults = _find_children(row, children_by_name, children, hash_name)
        namesakes = [each for each in known if each.guardian.name_hash == name and each.guardian.id not in matched_ids]
        is_repeated = counts[_guardian_identity(row)] > 1
        change = _match_guardian(school_id, row, references, faults, namesakes, is_repeated=is_repeated)
        matched_ids |= {change.target_id} if change.target_id else set()
        if change.kind in (ChangeKind.AMBIGUOUS, ChangeKind.DUPLICATE, ChangeKind.INVALID):
            matched_ids |= {each.guardian.id for each in namesakes}
        changes.append(change)
    for each in known:
        if each.guardian.id not in matched_ids and each.guardian.state is RosterState.ACTIVE:
            names = {"last_name": each.guardian.last_name, "first_name": each.guardian.first_name}
            changes.append(RosterChange(0, ChangeKind.LEFT_FILE, Subject.GUARDIAN, school_id, each.guardian.id, row=names))
    return changes


def _guardian_identity(row: GuardianRow) -> tuple[str, ...]:
    children = sorted(make_label_key(f"{child.last_name} {child.first_name}") for child in row.children)
    return (make_label_key(row.last_name), make_label_key(row.first_name), row.email, row.mobile, *children)


def _find_children(
    row: GuardianRow, children_by_name: dict[str, list[KnownChild]], children: Sequence[KnownChild], hash_name: NameHasher
) -> tuple[list[str], list[str]]:
    """Return the references of the children that are matched, and the reasons why others are not."""
    references, faults = [], []
    for child in row.children:
        candidates = _find_candidates(child, children_by_name, children, hash_name)
        if len(candidates) == 1:
            references.append(candidates[0].reference)
        else:
            faults.append("child_ambiguous" if candidates else "child_not_found")
    return list(dict.fromkeys(references)), list(dict.fromkeys(faults))


def _find_candidates(
    child: ChildReference, children_by_name: dict[str, list[KnownChild]], children: Sequence[KnownChild], hash_name: NameHasher
) -> list[KnownChild]:
    if child.source_id:
        return [each for each in children if each.source_id == child.source_id]
    names = {hash_name(last, child.first_name) for last in (child.last_name, child.usage_name) if last}
    candidates = list({each.reference: each for name in names for each in children_by_name.get(name, ())}.values())
    label = make_label_key(child.class_label)
    same_class = [each for each in candidates if label and make_label_key(each.class_label) == label]
    return same_class if len(candidates) > 1 and same_class else candidates


def _match_guardian(
    school_id: UUID,
    row: GuardianRow,
    references: list[str],
    faults: list[str],
    namesakes: Sequence[KnownGuardian],
    *,
    is_repeated: bool,
) -> RosterChange:
    kept = {**dump_guardian(row), "children": references, "children_complete": not faults}

    def build(kind: ChangeKind, why: Sequence[str], target: UUID | None = None, candidates: Sequence[UUID] = ()) -> RosterChange:
        reasons = tuple(dict.fromkeys((*why, *faults, *row.notes)))
        return RosterChange(
            row.line, kind, Subject.GUARDIAN, school_id, target, row=kept, why=reasons, candidates=tuple(candidates)
        )

    if row.problems:
        return build(ChangeKind.INVALID, row.problems)
    if is_repeated:
        return build(ChangeKind.DUPLICATE, ["twice_in_file"])
    if not references:
        return build(ChangeKind.AMBIGUOUS if "child_ambiguous" in faults else ChangeKind.INVALID, [])
    with_same_contact = [each for each in namesakes if _shares_contact(each.guardian, row)]
    matches = [each for each in namesakes if each.children & set(references)] or with_same_contact
    if len(matches) > 1:
        matches = [each for each in matches if each in with_same_contact] or matches
    if len(matches) > 1:
        return build(ChangeKind.AMBIGUOUS, ["several_guardians"], candidates=[each.guardian.id for each in matches])
    if not matches:
        return build(ChangeKind.NEW, [])
    guardian, children = matches[0].guardian, matches[0].children
    differences = {
        "name": (guardian.last_name, guardian.first_name) != (row.last_name, row.first_name),
        "contact": any(new and new != old for new, old in ((row.email, guardian.email), (row.mobile, guardian.mobile))),
        "children": set(references) != children if not faults else not set(references) <= children,
        "returned": guardian.state is not RosterState.ACTIVE,
    }
    why = [name for name, differs in differences.items() if differs]
    return build(ChangeKind.RENAMED if why else ChangeKind.UNCHANGED, why, guardian.id)


def _shares_contact(guardian: Guardian, row: GuardianRow) -> bool:
    return bool((row.email and row.email == guardian.email) or (row.mobile and row.mobile == guardian.mobile))


@dataclass(frozen=True, slots=True)
class KnownStaff:
    """A known adult with their open assignments in one school: pairs of class key and kind."""

    member: StaffMember
    assignments: frozenset[tuple[str, str]] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class StaffOwners:
    """The known adults of a town by what one adult alone has: the number in the roster's system, and the e-mail address."""

    by_source_id: dict[str, StaffMember]
    by_email: dict[str, StaffMember]

    @classmethod
    def of(cls, members: Iterable[StaffMember]) -> StaffOwners:
        """Return the owners of numbers and addresses among these adults."""
        known = list(members)
        return cls({each.source_id: each for each in known if each.source_id}, {each.email: each for each in known if each.email})

    def find(self, source_id: str, email: str) -> StaffMember | None:
        """Return the adult with this number, else with this address; None where both are unknown."""
        return self.by_source_id.get(source_id) or self.by_email.get(email)


def match_staff(
    school_id: UUID,
    rows: Sequence[StaffRow],
    known: Sequence[KnownStaff],
    owners: StaffOwners,
    class_index: ClassIndex,
    planned_keys: set[str],
    hash_name: NameHasher,
) -> list[RosterChange]:
    """Return the change of each adult of one school, then the adults who left the file. All lines of one adult make one change."""
    rows_by_adult: dict[tuple[str, str], list[StaffRow]] = defaultdict(list)
    for row in rows:
        rows_by_adult[_staff_identity(row)].append(row)
    known_by_id = {each.member.id: each for each in known}
    matched_ids: set[UUID] = set()
    changes = []
    for adult_rows in rows_by_adult.values():
        assignments = _find_assignments(school_id, adult_rows, class_index, planned_keys)
        change = _match_staff_member(school_id, adult_rows, known_by_id, owners, assignments, matched_ids, hash_name)
        matched_ids |= {change.target_id} if change.target_id else set(change.candidates)
        changes.append(change)
    for each in known:
        if each.member.id not in matched_ids and each.assignments:
            names = {"last_name": each.member.last_name, "first_name": each.member.first_name}
            changes.append(RosterChange(0, ChangeKind.LEFT_FILE, Subject.STAFF, school_id, each.member.id, row=names))
    return changes


def _is_somebody_else(member: StaffMember, row: StaffRow, email: str) -> bool:
    """Return whether nothing but the number is that of a known adult: two systems may give two people one number."""
    names = {(make_label_key(each.last_name), make_label_key(each.first_name)) for each in (member, row)}
    shares_a_name = len({last for last, _ in names}) == 1 or len({first for _, first in names}) == 1
    return not shares_a_name and email != (member.email or "")


def _staff_identity(row: StaffRow) -> tuple[str, str]:
    """Return the key by which lines are of one adult: id or e-mail where there is one, else the name."""
    if row.source_id or row.email:
        return "id", row.source_id or row.email
    return make_label_key(row.last_name), make_label_key(row.first_name)


def _find_assignments(
    school_id: UUID, rows: list[StaffRow], class_index: ClassIndex, planned_keys: set[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the assignments of an adult as pairs of class key and kind, and faults; with no known class, the school alone."""
    named = [(class_index.resolve_key(school_id, row.class_label, row.onde_class_id), row.kind) for row in rows]
    known_keys = {"", *planned_keys, *class_index.key_by_class.values()}
    assignments = dict.fromkeys(assignment for assignment in named if assignment[0] in known_keys)
    faults = ["unknown_class"] if len(assignments) < len(set(named)) else []
    return list(assignments) or [("", rows[0].kind)], faults


def _match_staff_member(
    school_id: UUID,
    rows: list[StaffRow],
    known: dict[UUID, KnownStaff],
    owners: StaffOwners,
    assignments_and_faults: tuple[list[tuple[str, str]], list[str]],
    matched_ids: set[UUID],
    hash_name: NameHasher,
) -> RosterChange:
    row, (assignments, faults) = rows[0], assignments_and_faults
    kept = {**dump_staff(rows), "assignments": [list(pair) for pair in assignments], "person": hash_name(*_staff_identity(row))}
    notes = [*faults, *(note for each in rows for note in each.notes)]
    problems = [problem for each in rows for problem in each.problems]
    name = hash_name(row.last_name, row.first_name)
    namesakes = [each.member for each in known.values() if each.member.name_hash == name and each.member.id not in matched_ids]
    owner = owners.find(kept["source_id"], kept["email"])
    matches = [owner] if owner is not None and owner.id not in matched_ids else namesakes

    def build(kind: ChangeKind, why: Sequence[str], target: UUID | None = None, candidates: Sequence[UUID] = ()) -> RosterChange:
        reasons = tuple(dict.fromkeys((*why, *notes)))
        return RosterChange(row.line, kind, Subject.STAFF, school_id, target, row=kept, why=reasons, candidates=tuple(candidates))

    if problems:
        return build(ChangeKind.INVALID, problems, candidates=[member.id for member in matches])
    if len(matches) > 1 or (owner is not None and matches == [owner] and _is_somebody_else(owner, row, kept["email"])):
        return build(ChangeKind.AMBIGUOUS, ["several_adults"], candidates=[member.id for member in matches])
    if not matches:
        return build(ChangeKind.NEW, [])
    member = matches[0]
    present = known[member.id].assignments if member.id in known else frozenset()
    if not row.kind_is_known:
        present_kinds = dict(present)
        assignments = [(key, present_kinds.get(key, kind)) for key, kind in assignments]
        kept["assignments"] = [list(pair) for pair in assignments]
    differences = {
        "classes": set(assignments) != present,
        "name": (member.last_name, member.first_name) != (row.last_name, row.first_name),
        "contact": bool(kept["email"]) and kept["email"] != member.email,
        "returned": member.state is not RosterState.ACTIVE,
    }
    why = [name for name, differs in differences.items() if differs]
    kind = ChangeKind.MOVED_CLASS if "classes" in why else ChangeKind.RENAMED if why else ChangeKind.UNCHANGED
    return build(kind, why, member.id)
