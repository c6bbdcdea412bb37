"""From the rows of a file to the plan of an import: which school each row is of, who is known there, what would change.
Reads; writes nothing.
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
from enrollment.rosters.imports.adults import KnownChild, KnownGuardian, KnownStaff, match_guardians, match_staff
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

#: Above this many people of a school leaving at once, a second person confirms (schools.md section 7.5).
GUARD_SHARE, GUARD_COUNT = 0.10, 15
#: Of a handful of adults one or two may always go.
FEW_ADULTS = 2
R = TypeVar("R", PupilRow, GuardianRow, StaffRow)


@dataclass(slots=True)
class ImportPlan:
    """What an import would do."""

    year: str
    schools: list[UUID]
    #: How often the schools had been written to by imports when this was read.
    roster_revision: int
    changes: list[RosterChange] = field(default_factory=list)
    needs_second_person: bool = False
    removals_frozen: bool = False


@dataclass(slots=True)
class _KnownRoster:
    """What is known of the schools of a file."""

    schools_by_uai: dict[str, School]
    pupils: Sequence[Pupil]
    classes: Sequence[SchoolClass]
    class_index: ClassIndex
    year: str
    year_is_future: bool


def build_plan(
    work: UnitOfWork, town_id: UUID, roster: Roster, school_uai: str | None, *, only_classes: bool, year: str | None = None
) -> ImportPlan:
    """Compare a file with what is known or, when its year has not begun, with what is expected. In summer that is the coming
    year unless `year` says otherwise. Raises `SchoolNeeded`, `NotFound` for a school that is not the town's.
    """
    repository, turn = ImportRepository(work.session), incoming_year.get_summer_freeze(work, town_id)
    year = year or turn.roster_year
    early = incoming_year.is_future_year(work, town_id, year)
    given = check_uai(school_uai)[0] if school_uai else None
    rows: list[PupilRow | GuardianRow | StaffRow] = [*roster.rows, *roster.guardians, *roster.staff]
    codes = {_get_school_uai(row, given) for row in rows} | ({given} if given else set())
    schools = repository.get_schools_by_uai(town_id, sorted(codes - {""}))
    if given is not None and given not in schools:
        raise NotFound(field="school_uai")
    if not schools:
        raise SchoolRequired(field="school_uai")
    if given is not None:
        schools = {given: schools[given]}
    ids = [school.id for school in schools.values()]
    acts = repository.get_roster_revision(ids)
    classes = repository.list_classes_of_schools(ids, year)
    pupils = incoming_year.list_expected_pupils(work, town_id, year, ids) if early else repository.list_pupils_of_schools(ids)
    known = _KnownRoster(
        schools, pupils, classes, ClassIndex(classes, repository.get_group_keys_by_pupil(ids, year)), year, early
    )
    plan = ImportPlan(year, ids, acts, removals_frozen=turn.is_active or early)
    pupils_told = _plan_pupils(work, repository, town_id, roster, given, known, only_classes=only_classes)
    plan.changes += _add_decision_previews(work, town_id, year, pupils_told)
    plan.changes += _plan_staff(work, repository, town_id, roster, given, known, {c.class_key for c in plan.changes})
    plan.changes += _plan_guardians(work, repository, town_id, roster, given, known, plan.changes)
    plan.needs_second_person = not plan.removals_frozen and _exceeds_removal_guard(plan.changes, _count_people(repository, known))
    return plan


def _get_school_uai(row: PupilRow | GuardianRow | StaffRow, given: str | None) -> str:
    return check_uai(row.school_uai)[0] if row.school_uai else given or ""


def _group_by_school(
    rows: Sequence[R], given: str | None, known: _KnownRoster, *, is_covered: bool
) -> tuple[dict[UUID, list[R]], list[R]]:
    """The rows of each school, and those of schools that are not there or not meant. A file of one school speaks of it even
    when it is empty.
    """
    grouped: dict[UUID, list[R]] = defaultdict(list)
    if given is not None and is_covered:
        grouped[known.schools_by_uai[given].id] = []
    strangers = []
    for row in rows:
        school = known.schools_by_uai.get(_get_school_uai(row, given))
        if school is None:
            strangers.append(row)
        else:
            grouped[school.id].append(row)
    return grouped, strangers


def _reject_row(row: PupilRow | GuardianRow | StaffRow, subject: Subject, given: str | None) -> RosterChange:
    kept = (
        dump_pupil(row)
        if isinstance(row, PupilRow)
        else dump_guardian(row)
        if isinstance(row, GuardianRow)
        else dump_staff([row])
    )
    why = "unknown_school" if given is None else "other_school_than_named"
    return RosterChange(row.line, ChangeKind.INVALID, subject, None, row=kept, why=(why, *row.problems))


def _plan_pupils(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _KnownRoster,
    *,
    only_classes: bool,
) -> list[RosterChange]:
    grouped, strangers = _group_by_school(roster.rows, given, known, is_covered="pupils" in roster.covers)
    of_school: dict[UUID, list[Pupil]] = defaultdict(list)
    for pupil in known.pupils:
        of_school[pupil.school_id].append(pupil)
    lines = []
    for school_id, rows in grouped.items():
        keys = [known.class_index.resolve_key(school_id, row.class_label, row.onde_class_id) for row in rows]
        hashed = [(row, compute_hashes(work.keyring, town_id, row), key) for row, key in zip(rows, keys, strict=True)]
        part = only_classes or _is_one_class_of_several(set(keys), of_school[school_id], known.class_index)
        lines.append(SchoolLines(school_id, hashed, of_school[school_id], known.class_index, is_partial=part))

    def elsewhere(wanted: Sequence[MatchHashes]) -> list[Pupil]:
        names = {name for each in wanted if each.birth for name in (each.name, each.usage) if name}
        found = repository.list_pupils_by_hash(town_id, {each.ine for each in wanted if each.ine}, names)
        return incoming_year.project_pupils(work, town_id, known.year, found) if known.year_is_future else found

    return match_pupils(lines, elsewhere) + [_reject_row(row, Subject.PUPIL, given) for row in strangers]


def _add_decision_previews(work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[RosterChange]) -> list[RosterChange]:
    """The lines, each with what its decision of passage would change of next year."""
    said = {
        at: proposals.DecisionProposal(
            change.target_id, Grade(change.row["grade"]), RolloverDecision(change.row["rollover_decision"])
        )
        for at, change in enumerate(changes)
        if change.kind in MATCHED_KINDS and change.row and change.row["rollover_decision"]
    }
    news = dict(zip(said, proposals.preview_proposals(work, town_id, year, list(said.values())), strict=True))
    return [
        replace(change, why=(*change.why, f"rollover_{meant.value}")) if (meant := news.get(at)) else change
        for at, change in enumerate(changes)
    ]


def _is_one_class_of_several(named: set[str], pupils: Sequence[Pupil], class_index: ClassIndex) -> bool:
    """A file of one class must not remove the others (schools.md section 7.3.7)."""
    active = {class_index.get_key(pupil.class_id) for pupil in pupils if pupil.state is PupilState.ACTIVE}
    return len(named) == 1 and "" not in named and len(active - {""}) > 1


def _plan_staff(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _KnownRoster,
    planned_keys: set[str],
) -> list[RosterChange]:
    grouped, strangers = _group_by_school(roster.staff, given, known, is_covered="staff" in roster.covers)
    changes = [_reject_row(row, Subject.STAFF, given) for row in strangers]
    if not grouped:
        return changes
    members = {member.id: member for member in repository.list_staff_of_town(town_id)}
    by_email = {member.email: member for member in members.values() if member.email}
    places: dict[tuple[UUID, UUID], set[tuple[str, str]]] = defaultdict(set)
    for each in repository.list_open_assignments(list(grouped)):
        places[each.school_id, each.staff_id].add((known.class_index.get_key(each.class_id), each.kind.value))
    for school_id, rows in grouped.items():
        here = [KnownStaff(members[who], frozenset(held)) for (school, who), held in places.items() if school == school_id]
        changes += match_staff(school_id, rows, here, by_email, known.class_index, planned_keys, _make_name_hasher(work, town_id))
    return changes


def _plan_guardians(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _KnownRoster,
    planned: Sequence[RosterChange],
) -> list[RosterChange]:
    grouped, strangers = _group_by_school(roster.guardians, given, known, is_covered="guardians" in roster.covers)
    changes = [_reject_row(row, Subject.GUARDIAN, given) for row in strangers]
    if not grouped:
        return changes
    links: dict[UUID, set[str]] = defaultdict(set)
    for link in repository.list_links_of_schools(list(grouped)):
        links[link.guardian_id].add(str(link.pupil_id))
    sources = {row.line: row.source_id for row in roster.rows if row.source_id}
    for school_id, rows in grouped.items():
        of_school = repository.list_guardians_of_schools([school_id])
        everybody = [KnownGuardian(guardian, frozenset(links[guardian.id])) for guardian in of_school]
        children = _list_known_children(school_id, known, planned, sources)
        changes += match_guardians(school_id, rows, children, everybody, _make_name_hasher(work, town_id))
    return changes


def _list_known_children(
    school_id: UUID, known: _KnownRoster, planned: Sequence[RosterChange], sources: dict[int, str]
) -> list[KnownChild]:
    """The pupils of a school whom a guardian may have, those of the same plan included."""
    labels = {c.id: c.label for c in known.classes}
    found: dict[str, KnownChild] = {}
    for pupil in known.pupils:
        if pupil.school_id == school_id:
            names = frozenset(name for name in (pupil.name_hash, pupil.usage_name_hash) if name)
            label = labels.get(pupil.class_id, "") if pupil.class_id else ""
            found[str(pupil.id)] = KnownChild(str(pupil.id), names, label)
    for change in planned:
        if change.subject is Subject.PUPIL and change.school_id == school_id and change.hashes and change.row:
            if change.kind not in (
                ChangeKind.NEW,
                ChangeKind.UNCHANGED,
                ChangeKind.RENAMED,
                ChangeKind.MOVED_CLASS,
                ChangeKind.CHANGED_GRADE,
            ):
                continue
            reference = str(change.target_id) if change.target_id else f"line:{change.line}"
            names = frozenset(name for name in (change.hashes.name, change.hashes.usage) if name)
            found[reference] = KnownChild(reference, names, change.row["class_label"], sources.get(change.line, ""))
    return list(found.values())


def _make_name_hasher(work: UnitOfWork, town_id: UUID) -> Callable[[str, str], str]:
    return lambda last, first: compute_name_hash(work.keyring, town_id, last, first)


def _count_people(repository: ImportRepository, known: _KnownRoster) -> Counter[tuple[Subject, UUID]]:
    """How many people of each kind a school has now."""
    ids = [school.id for school in known.schools_by_uai.values()]
    numbers = Counter((Subject.PUPIL, pupil.school_id) for pupil in known.pupils)
    numbers.update((Subject.GUARDIAN, guardian.school_id) for guardian in repository.list_guardians_of_schools(ids))
    people = {(each.school_id, each.staff_id) for each in repository.list_open_assignments(ids)}
    numbers.update((Subject.STAFF, school_id) for school_id, _ in people)
    return numbers


def _exceeds_removal_guard(changes: Sequence[RosterChange], numbers: Counter[tuple[Subject, UUID]]) -> bool:
    """Whether so many would leave one school that the file may be partial."""
    left = Counter((c.subject, c.school_id) for c in changes if c.kind is ChangeKind.LEFT_FILE and c.school_id)
    return any(
        count > GUARD_COUNT or (count > GUARD_SHARE * numbers[key] and (key[0] is Subject.PUPIL or count > FEW_ADULTS))
        for key, count in left.items()
    )
