"""Builds the plan of an import from the rows of a file: the school of each row, the people known there, the changes. Writes nothing.

See docs/domain/rosters.md#removal-guard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from cartable.errors import NotFound
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.people.text import compute_name_hash
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.places.rules import check_uai
from enrollment.rollover import incoming_year, proposals
from enrollment.rollover.models import RolloverDecision
from enrollment.rosters.errors import SchoolRequired
from enrollment.rosters.files.rows import GuardianRow, PupilRow, Roster, StaffRow
from enrollment.rosters.imports.adults import KnownChild, KnownGuardian, KnownStaff, StaffOwners, match_guardians, match_staff
from enrollment.rosters.imports.changes import (
    MATCHED_KINDS,
    ChangeKind,
    ClassIndex,
    MatchHashes,
    RosterChange,
    Subject,
    compute_hashes,
    dump_guardian,
    dump_pupil,
    dump_staff,
)
from enrollment.rosters.imports.matching import SchoolLines, match_pupils
from enrollment.rosters.imports.repository import ImportRepository

#: When more people of one school than this share or number would leave at once, a second person must confirm.
GUARD_SHARE, GUARD_COUNT = 0.10, 15
#: This many adults of a school may always leave: of a handful of adults, one exceeds the share.
FEW_ADULTS = 2
R = TypeVar("R", PupilRow, GuardianRow, StaffRow)


@dataclass(slots=True)
class ImportPlan:
    """What an import would change. `removals_frozen`: nobody will be removed, whatever the file lists."""

    year: str
    schools: list[UUID]
    #: How often imports had written to the schools when the plan was built.
    roster_revision: int
    changes: list[RosterChange] = field(default_factory=list)
    needs_second_person: bool = False
    removals_frozen: bool = False


@dataclass(slots=True)
class _KnownRoster:
    """The people and classes known in the schools of a file, as they are or, for a future year, as they are expected."""

    schools_by_uai: dict[str, School]
    pupils: Sequence[Pupil]
    classes: Sequence[SchoolClass]
    class_index: ClassIndex
    year: str
    year_is_future: bool


def build_plan(
    work: UnitOfWork, town_id: UUID, roster: Roster, school_uai: str | None, *, only_classes: bool, year: str | None = None
) -> ImportPlan:
    """Return the plan of a file, compared with the known people or, for a future year, with the expected ones.

    `school_uai`: the school that the caller names, for rows that name none. Without `year` the file is of the year given by the summer
    freeze. Raises `SchoolRequired`, and `NotFound` for a school that is not the town's.
    """
    repository, freeze = ImportRepository(work.session), incoming_year.get_summer_freeze(work, town_id)
    year = year or freeze.roster_year
    year_is_future = incoming_year.is_future_year(work, town_id, year)
    named_uai = check_uai(school_uai)[0] if school_uai else None
    rows: list[PupilRow | GuardianRow | StaffRow] = [*roster.rows, *roster.guardians, *roster.staff]
    uais = {_get_school_uai(row, named_uai) for row in rows} | ({named_uai} if named_uai else set())
    schools = repository.get_schools_by_uai(town_id, sorted(uais - {""}))
    if named_uai is not None and named_uai not in schools:
        raise NotFound(field="school_uai")
    if not schools:
        raise SchoolRequired(field="school_uai")
    if named_uai is not None:
        schools = {named_uai: schools[named_uai]}
    school_ids = [school.id for school in schools.values()]
    # Read before all that the plan is compared with: the confirmation checks that it is still the same.
    revision = repository.get_roster_revision(school_ids)
    classes = repository.list_classes_of_schools(school_ids, year)
    if year_is_future:
        pupils: Sequence[Pupil] = incoming_year.list_expected_pupils(work, town_id, year, school_ids)
    else:
        pupils = repository.list_pupils_of_schools(school_ids)
    class_index = ClassIndex(classes, repository.get_group_keys_by_pupil(school_ids, year))
    known = _KnownRoster(schools, pupils, classes, class_index, year, year_is_future)
    plan = ImportPlan(year, school_ids, revision, removals_frozen=freeze.is_active or year_is_future)
    pupil_changes = _plan_pupils(work, repository, town_id, roster, named_uai, known, only_classes=only_classes)
    plan.changes += _add_decision_previews(work, town_id, year, pupil_changes)
    plan.changes += _plan_staff(work, repository, town_id, roster, named_uai, known, {c.class_key for c in plan.changes})
    plan.changes += _plan_guardians(work, repository, town_id, roster, named_uai, known, plan.changes)
    plan.needs_second_person = not plan.removals_frozen and _exceeds_removal_guard(plan.changes, _count_people(repository, known))
    return plan


def _get_school_uai(row: PupilRow | GuardianRow | StaffRow, named_uai: str | None) -> str:
    return check_uai(row.school_uai)[0] if row.school_uai else named_uai or ""


def _group_by_school(
    rows: Sequence[R], named_uai: str | None, known: _KnownRoster, *, is_covered: bool
) -> tuple[dict[UUID, list[R]], list[R]]:
    """Return the rows by school, and the rows of unknown or other schools. The school that the caller named has an entry even when the
    file is empty, so that its people count as having left.
    """
    rows_by_school: dict[UUID, list[R]] = defaultdict(list)
    if named_uai is not None and is_covered:
        rows_by_school[known.schools_by_uai[named_uai].id] = []
    rejected = []
    for row in rows:
        school = known.schools_by_uai.get(_get_school_uai(row, named_uai))
        if school is None:
            rejected.append(row)
        else:
            rows_by_school[school.id].append(row)
    return rows_by_school, rejected


def _reject_row(row: PupilRow | GuardianRow | StaffRow, subject: Subject, named_uai: str | None) -> RosterChange:
    values = (
        dump_pupil(row)
        if isinstance(row, PupilRow)
        else dump_guardian(row)
        if isinstance(row, GuardianRow)
        else dump_staff([row])
    )
    reason = "unknown_school" if named_uai is None else "other_school_than_named"
    return RosterChange(row.line, ChangeKind.INVALID, subject, None, row=values, why=(reason, *row.problems))


def _plan_pupils(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    named_uai: str | None,
    known: _KnownRoster,
    *,
    only_classes: bool,
) -> list[RosterChange]:
    rows_by_school, rejected = _group_by_school(roster.rows, named_uai, known, is_covered="pupils" in roster.covers)
    pupils_by_school: dict[UUID, list[Pupil]] = defaultdict(list)
    for pupil in known.pupils:
        pupils_by_school[pupil.school_id].append(pupil)
    schools = []
    for school_id, rows in rows_by_school.items():
        pupils = pupils_by_school[school_id]
        keys = [known.class_index.resolve_key(school_id, row.class_label, row.onde_class_id) for row in rows]
        lines = [(row, compute_hashes(work.keyring, town_id, row), key) for row, key in zip(rows, keys, strict=True)]
        is_partial = only_classes or _is_one_class_of_several(set(keys), pupils, known.class_index)
        schools.append(SchoolLines(school_id, lines, pupils, known.class_index, is_partial=is_partial))

    def find_elsewhere(searched: Sequence[MatchHashes]) -> list[Pupil]:
        ines = {hashes.ine for hashes in searched if hashes.ine}
        names = {name for hashes in searched if hashes.birth for name in (hashes.name, hashes.usage) if name}
        pupils = repository.list_pupils_by_hash(town_id, ines, names)
        return incoming_year.project_pupils(work, town_id, known.year, pupils) if known.year_is_future else pupils

    return match_pupils(schools, find_elsewhere) + [_reject_row(row, Subject.PUPIL, named_uai) for row in rejected]


def _add_decision_previews(work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[RosterChange]) -> list[RosterChange]:
    """Return the changes, each with the rollover decision that the line's proposal would set, as one more reason."""
    proposal_by_index = {
        index: proposals.DecisionProposal(
            change.target_id, Grade(change.row["grade"]), RolloverDecision(change.row["rollover_decision"])
        )
        for index, change in enumerate(changes)
        if change.kind in MATCHED_KINDS and change.row and change.row["rollover_decision"]
    }
    decisions = proposals.preview_proposals(work, town_id, year, list(proposal_by_index.values()))
    decision_by_index = dict(zip(proposal_by_index, decisions, strict=True))
    return [
        replace(change, why=(*change.why, f"rollover_{decision.value}")) if (decision := decision_by_index.get(index)) else change
        for index, change in enumerate(changes)
    ]


def _is_one_class_of_several(named_keys: set[str], pupils: Sequence[Pupil], class_index: ClassIndex) -> bool:
    """Return whether a file names one class of a school that has more: then it must not remove the pupils of the other classes."""
    active_keys = {class_index.get_key(pupil.class_id) for pupil in pupils if pupil.state is PupilState.ACTIVE}
    return len(named_keys) == 1 and "" not in named_keys and len(active_keys - {""}) > 1


def _plan_staff(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    named_uai: str | None,
    known: _KnownRoster,
    planned_keys: set[str],
) -> list[RosterChange]:
    rows_by_school, rejected = _group_by_school(roster.staff, named_uai, known, is_covered="staff" in roster.covers)
    changes = [_reject_row(row, Subject.STAFF, named_uai) for row in rejected]
    if not rows_by_school:
        return changes
    members = {member.id: member for member in repository.list_staff_of_town(town_id)}
    owners = StaffOwners.of(members.values())
    assignments: dict[UUID, dict[UUID, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for each in repository.list_open_assignments(list(rows_by_school)):
        assignments[each.school_id][each.staff_id].add((known.class_index.get_key(each.class_id), each.kind.value))
    hash_name = _make_name_hasher(work, town_id)
    for school_id, rows in rows_by_school.items():
        staff = [KnownStaff(members[staff_id], frozenset(pairs)) for staff_id, pairs in assignments[school_id].items()]
        changes += match_staff(school_id, rows, staff, owners, known.class_index, planned_keys, hash_name)
    return changes


def _plan_guardians(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    named_uai: str | None,
    known: _KnownRoster,
    planned: Sequence[RosterChange],
) -> list[RosterChange]:
    rows_by_school, rejected = _group_by_school(roster.guardians, named_uai, known, is_covered="guardians" in roster.covers)
    changes = [_reject_row(row, Subject.GUARDIAN, named_uai) for row in rejected]
    if not rows_by_school:
        return changes
    children_by_guardian: dict[UUID, set[str]] = defaultdict(set)
    for link in repository.list_links_of_schools(list(rows_by_school)):
        children_by_guardian[link.guardian_id].add(str(link.pupil_id))
    source_ids = {row.line: row.source_id for row in roster.rows if row.source_id}
    hash_name = _make_name_hasher(work, town_id)
    for school_id, rows in rows_by_school.items():
        guardians = [
            KnownGuardian(guardian, frozenset(children_by_guardian[guardian.id]))
            for guardian in repository.list_guardians_of_schools([school_id])
        ]
        children = _list_known_children(school_id, known, planned, source_ids)
        changes += match_guardians(school_id, rows, children, guardians, hash_name)
    return changes


def _list_known_children(
    school_id: UUID, known: _KnownRoster, planned: Sequence[RosterChange], source_ids: dict[int, str]
) -> list[KnownChild]:
    """Return the pupils of a school whom a guardian's line may name, those of the same plan included."""
    labels = {school_class.id: school_class.label for school_class in known.classes}
    children: dict[str, KnownChild] = {}
    for pupil in known.pupils:
        if pupil.school_id == school_id:
            names = frozenset(name for name in (pupil.name_hash, pupil.usage_name_hash) if name)
            label = labels.get(pupil.class_id, "") if pupil.class_id else ""
            children[str(pupil.id)] = KnownChild(str(pupil.id), names, label)
    for change in planned:
        if change.subject is Subject.PUPIL and change.school_id == school_id and change.hashes and change.row:
            if change.kind not in MATCHED_KINDS:
                continue
            reference = str(change.target_id) if change.target_id else f"line:{change.line}"
            names = frozenset(name for name in (change.hashes.name, change.hashes.usage) if name)
            children[reference] = KnownChild(reference, names, change.row["class_label"], source_ids.get(change.line, ""))
    return list(children.values())


def _make_name_hasher(work: UnitOfWork, town_id: UUID) -> Callable[[str, str], str]:
    return lambda last, first: compute_name_hash(work.keyring, town_id, last, first)


def _count_people(repository: ImportRepository, known: _KnownRoster) -> Counter[tuple[Subject, UUID]]:
    """Return the present number of people of each kind in each school."""
    school_ids = [school.id for school in known.schools_by_uai.values()]
    counts = Counter((Subject.PUPIL, pupil.school_id) for pupil in known.pupils)
    counts.update((Subject.GUARDIAN, guardian.school_id) for guardian in repository.list_guardians_of_schools(school_ids))
    staff = {(each.school_id, each.staff_id) for each in repository.list_open_assignments(school_ids)}
    counts.update((Subject.STAFF, school_id) for school_id, _ in staff)
    return counts


def _exceeds_removal_guard(changes: Sequence[RosterChange], present: Counter[tuple[Subject, UUID]]) -> bool:
    """Return whether so many people would leave one school that the file may be incomplete."""
    leaving = Counter((c.subject, c.school_id) for c in changes if c.kind is ChangeKind.LEFT_FILE and c.school_id)
    return any(
        count > GUARD_COUNT or (count > GUARD_SHARE * present[key] and (key[0] is Subject.PUPIL or count > FEW_ADULTS))
        for key, count in leaving.items()
    )
