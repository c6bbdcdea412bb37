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
from enrollment.people.errors import SchoolNeeded
from enrollment.people.files.rows import GuardianRow, Roster, RosterRow, StaffRow
from enrollment.people.imports.adults import KnownChild, KnownGuardian, KnownStaff, match_guardians, match_staff
from enrollment.people.imports.changes import (
    SPOKEN,
    Change,
    ClassKeys,
    Diff,
    Hashes,
    Subject,
    hashes_of,
    kept_guardian,
    kept_pupil,
    kept_staff,
    name_hash,
)
from enrollment.people.imports.matching import SchoolLines, match_pupils
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Level, School, SchoolClass
from enrollment.places.rules import check_uai
from enrollment.rollover import incoming_year, proposals
from enrollment.rollover.models import Decision

#: Above this many people of a school leaving at once, a second person confirms (schools.md section 7.5).
GUARD_SHARE, GUARD_COUNT = 0.10, 15
#: Of a handful of adults one or two may always go.
FEW_ADULTS = 2
R = TypeVar("R", RosterRow, GuardianRow, StaffRow)


@dataclass(slots=True)
class Plan:
    """What an import would do."""

    year: str
    schools: list[UUID]
    #: How often the schools had been written to by imports when this was read.
    acts: int
    changes: list[Change] = field(default_factory=list)
    needs_second: bool = False
    frozen: bool = False


@dataclass(slots=True)
class _Known:
    """What is known of the schools of a file."""

    schools: dict[str, School]
    pupils: Sequence[Pupil]
    classes: Sequence[SchoolClass]
    class_keys: ClassKeys
    year: str
    early: bool


def make_plan(
    work: UnitOfWork, town_id: UUID, roster: Roster, school_uai: str | None, *, only_classes: bool, year: str | None = None
) -> Plan:
    """Compare a file with what is known or, when its year has not begun, with what is expected. In summer that is the coming
    year unless `year` says otherwise. Raises `SchoolNeeded`, `NotFound` for a school that is not the town's.
    """
    repository, turn = ImportRepository(work.session), incoming_year.turn_of(work, town_id)
    year = year or turn.year
    early = incoming_year.is_early(work, town_id, year)
    given = check_uai(school_uai)[0] if school_uai else None
    rows: list[RosterRow | GuardianRow | StaffRow] = [*roster.rows, *roster.guardians, *roster.staff]
    codes = {_code(row, given) for row in rows} | ({given} if given else set())
    schools = repository.schools_by_uai(town_id, sorted(codes - {""}))
    if given is not None and given not in schools:
        raise NotFound(field="school_uai")
    if not schools:
        raise SchoolNeeded(field="school_uai")
    if given is not None:
        schools = {given: schools[given]}
    ids = [school.id for school in schools.values()]
    acts = repository.acts(ids)
    classes = repository.classes_of_schools(ids, year)
    pupils = incoming_year.expected(work, town_id, year, ids) if early else repository.pupils_of_schools(ids)
    known = _Known(schools, pupils, classes, ClassKeys(classes, repository.group_keys(ids, year)), year, early)
    plan = Plan(year, ids, acts, frozen=turn.frozen or early)
    pupils_told = _pupils(work, repository, town_id, roster, given, known, only_classes=only_classes)
    plan.changes += _with_proposals(work, town_id, year, pupils_told)
    plan.changes += _staff(work, repository, town_id, roster, given, known, {c.class_key for c in plan.changes})
    plan.changes += _guardians(work, repository, town_id, roster, given, known, plan.changes)
    plan.needs_second = not plan.frozen and _guarded(plan.changes, _numbers(repository, known))
    return plan


def _code(row: RosterRow | GuardianRow | StaffRow, given: str | None) -> str:
    return check_uai(row.school_uai)[0] if row.school_uai else given or ""


def _by_school(rows: Sequence[R], given: str | None, known: _Known, *, spoken_of: bool) -> tuple[dict[UUID, list[R]], list[R]]:
    """The rows of each school, and those of schools that are not there or not meant. A file of one school speaks of it even
    when it is empty.
    """
    grouped: dict[UUID, list[R]] = defaultdict(list)
    if given is not None and spoken_of:
        grouped[known.schools[given].id] = []
    strangers = []
    for row in rows:
        school = known.schools.get(_code(row, given))
        if school is None:
            strangers.append(row)
        else:
            grouped[school.id].append(row)
    return grouped, strangers


def _stranger(row: RosterRow | GuardianRow | StaffRow, subject: Subject, given: str | None) -> Change:
    kept = (
        kept_pupil(row)
        if isinstance(row, RosterRow)
        else kept_guardian(row)
        if isinstance(row, GuardianRow)
        else kept_staff([row])
    )
    why = "unknown_school" if given is None else "other_school_than_named"
    return Change(row.line, Diff.INVALID, subject, None, row=kept, why=(why, *row.problems))


def _pupils(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _Known,
    *,
    only_classes: bool,
) -> list[Change]:
    grouped, strangers = _by_school(roster.rows, given, known, spoken_of="pupils" in roster.speaks_of)
    of_school: dict[UUID, list[Pupil]] = defaultdict(list)
    for pupil in known.pupils:
        of_school[pupil.school_id].append(pupil)
    lines = []
    for school_id, rows in grouped.items():
        keys = [known.class_keys.meant(school_id, row.class_label, row.onde_class_id) for row in rows]
        hashed = [(row, hashes_of(work.keyring, town_id, row), key) for row, key in zip(rows, keys, strict=True)]
        part = only_classes or _is_one_class_of_several(set(keys), of_school[school_id], known.class_keys)
        lines.append(SchoolLines(school_id, hashed, of_school[school_id], known.class_keys, only_classes=part))

    def elsewhere(wanted: Sequence[Hashes]) -> list[Pupil]:
        names = {name for each in wanted if each.birth for name in (each.name, each.usage) if name}
        found = repository.pupils_by_hash(town_id, {each.ine for each in wanted if each.ine}, names)
        return incoming_year.expected_among(work, town_id, known.year, found) if known.early else found

    return match_pupils(lines, elsewhere) + [_stranger(row, Subject.PUPIL, given) for row in strangers]


def _with_proposals(work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Change]) -> list[Change]:
    """The lines, each with what its decision of passage would change of next year."""
    said = {
        at: proposals.Proposal(change.target_id, Level(change.row["level"]), Decision(change.row["passage"]))
        for at, change in enumerate(changes)
        if change.kind in SPOKEN and change.row and change.row["passage"]
    }
    news = dict(zip(said, proposals.changed(work, town_id, year, list(said.values())), strict=True))
    return [
        replace(change, why=(*change.why, f"passage_{meant.value}")) if (meant := news.get(at)) else change
        for at, change in enumerate(changes)
    ]


def _is_one_class_of_several(named: set[str], pupils: Sequence[Pupil], class_keys: ClassKeys) -> bool:
    """A file of one class must not remove the others (schools.md section 7.3.7)."""
    active = {class_keys.held(pupil.class_id) for pupil in pupils if pupil.state is PupilState.ACTIVE}
    return len(named) == 1 and "" not in named and len(active - {""}) > 1


def _staff(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _Known,
    planned_keys: set[str],
) -> list[Change]:
    grouped, strangers = _by_school(roster.staff, given, known, spoken_of="staff" in roster.speaks_of)
    changes = [_stranger(row, Subject.STAFF, given) for row in strangers]
    if not grouped:
        return changes
    members = {member.id: member for member in repository.staff_of_town(town_id)}
    by_email = {member.email: member for member in members.values() if member.email}
    places: dict[tuple[UUID, UUID], set[tuple[str, str]]] = defaultdict(set)
    for each in repository.open_assignments(list(grouped)):
        places[each.school_id, each.staff_id].add((known.class_keys.held(each.class_id), each.kind.value))
    for school_id, rows in grouped.items():
        here = [KnownStaff(members[who], frozenset(held)) for (school, who), held in places.items() if school == school_id]
        changes += match_staff(school_id, rows, here, by_email, known.class_keys, planned_keys, _hasher(work, town_id))
    return changes


def _guardians(
    work: UnitOfWork,
    repository: ImportRepository,
    town_id: UUID,
    roster: Roster,
    given: str | None,
    known: _Known,
    planned: Sequence[Change],
) -> list[Change]:
    grouped, strangers = _by_school(roster.guardians, given, known, spoken_of="guardians" in roster.speaks_of)
    changes = [_stranger(row, Subject.GUARDIAN, given) for row in strangers]
    if not grouped:
        return changes
    links: dict[UUID, set[str]] = defaultdict(set)
    for link in repository.links_of_schools(list(grouped)):
        links[link.guardian_id].add(str(link.pupil_id))
    sources = {row.line: row.source_id for row in roster.rows if row.source_id}
    for school_id, rows in grouped.items():
        of_school = repository.guardians_of_schools([school_id])
        everybody = [KnownGuardian(guardian, frozenset(links[guardian.id])) for guardian in of_school]
        children = _children(school_id, known, planned, sources)
        changes += match_guardians(school_id, rows, children, everybody, _hasher(work, town_id))
    return changes


def _children(school_id: UUID, known: _Known, planned: Sequence[Change], sources: dict[int, str]) -> list[KnownChild]:
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
            if change.kind not in (Diff.NEW, Diff.UNCHANGED, Diff.RENAMED, Diff.MOVED_CLASS, Diff.CHANGED_LEVEL):
                continue
            reference = str(change.target_id) if change.target_id else f"line:{change.line}"
            names = frozenset(name for name in (change.hashes.name, change.hashes.usage) if name)
            found[reference] = KnownChild(reference, names, change.row["class_label"], sources.get(change.line, ""))
    return list(found.values())


def _hasher(work: UnitOfWork, town_id: UUID) -> Callable[[str, str], str]:
    return lambda last, first: name_hash(work.keyring, town_id, last, first)


def _numbers(repository: ImportRepository, known: _Known) -> Counter[tuple[Subject, UUID]]:
    """How many people of each kind a school has now."""
    ids = [school.id for school in known.schools.values()]
    numbers = Counter((Subject.PUPIL, pupil.school_id) for pupil in known.pupils)
    numbers.update((Subject.GUARDIAN, guardian.school_id) for guardian in repository.guardians_of_schools(ids))
    people = {(each.school_id, each.staff_id) for each in repository.open_assignments(ids)}
    numbers.update((Subject.STAFF, school_id) for school_id, _ in people)
    return numbers


def _guarded(changes: Sequence[Change], numbers: Counter[tuple[Subject, UUID]]) -> bool:
    """Whether so many would leave one school that the file may be partial."""
    left = Counter((c.subject, c.school_id) for c in changes if c.kind is Diff.LEFT_FILE and c.school_id)
    return any(
        count > GUARD_COUNT or (count > GUARD_SHARE * numbers[key] and (key[0] is Subject.PUPIL or count > FEW_ADULTS))
        for key, count in left.items()
    )
