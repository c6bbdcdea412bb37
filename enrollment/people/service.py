"""Verbs of people: preview and confirm roster imports, find pupils. Nothing is written before confirmation. Never commits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from enrollment.people.errors import ImportNotFound, ImportOver, NeedsSecondPerson, SchoolNeeded
from enrollment.people.matching import WRITTEN, Change, Diff, Matcher, hashes_of
from enrollment.people.models import ImportState, Pupil, RosterImport
from enrollment.people.reading import Roster, RosterRow, label_key, read
from enrollment.people.repository import PeopleRepository
from enrollment.people.writing import write_plan
from enrollment.places.models import School
from enrollment.places.rules import check_uai, school_year_of
from mdm.kit import audit
from mdm.kit.errors import NotFound
from mdm.kit.outbox import Topic
from mdm.kit.scope import Actor, Permission
from mdm.kit.work import Work

#: Above this many pupils of a school leaving at once, a second person confirms (schools.md section 7.5).
GUARD_SHARE, GUARD_COUNT = 0.10, 15
KEEP_PLAN = timedelta(hours=24)
MAX_FOUND = 50


def preview(work: Work, actor: Actor, town_id: UUID, content: bytes, school_uai: str | None = None) -> RosterImport:
    """Read a roster and say what it would change. Raises `Forbidden`, `UnreadableRoster`, `SchoolNeeded`."""
    actor.require(Permission.AUTHOR, town_id)
    roster = read(content)
    by_school = _by_school(work, town_id, roster, school_uai)
    year = school_year_of(work.now.date())
    changes = _match(work, town_id, by_school, year)
    counts = Counter(change.kind.value for change in changes)
    row = RosterImport(
        town_id=town_id,
        school_id=next(iter(by_school)).id if len(by_school) == 1 else None,
        format=roster.format,
        state=ImportState.PREVIEWED,
        file_sha256=sha256(content).hexdigest(),
        counts={**{kind.value: counts.get(kind.value, 0) for kind in Diff}, "skipped": roster.skipped, "ignored": roster.ignored},
        needs_second=_guarded(work, by_school, changes),
        plan=json.dumps({"year": year, "changes": [change.to_json() for change in changes]}),
        uploaded_by=actor.account_id,
        uploaded_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    audit.record(work, actor, "roster.preview", "roster_import", row.id, town_id=town_id, lines=len(roster.rows))
    return row


def _by_school(work: Work, town_id: UUID, roster: Roster, school_uai: str | None) -> dict[School, list[RosterRow]]:
    """The rows of each school. A file without school codes is of the one school that was named."""
    given = check_uai(school_uai)[0] if school_uai else None
    if roster.format == "onde" and given is None:
        raise SchoolNeeded(field="school_uai")
    codes = {check_uai(row.school_uai)[0] if row.school_uai else given or "" for row in roster.rows} | (
        {given} if given else set()
    )
    schools = PeopleRepository(work.session).schools_by_uai(town_id, sorted(codes))
    if given is not None and given not in schools:
        raise NotFound(field="school_uai")
    grouped: dict[School, list[RosterRow]] = {schools[given]: []} if given else {}
    for row in roster.rows:
        code = check_uai(row.school_uai)[0] if row.school_uai else given or ""
        if code in schools:
            grouped.setdefault(schools[code], []).append(row)
    if not grouped:
        raise SchoolNeeded(field="school_uai")
    return grouped


def _match(work: Work, town_id: UUID, by_school: dict[School, list[RosterRow]], year: str) -> list[Change]:
    repository = PeopleRepository(work.session)
    school_ids = [school.id for school in by_school]
    pupils = repository.pupils_of_schools(school_ids)
    classes = repository.classes_of_schools(school_ids, year)
    keys = {c.id: f"#{c.onde_id}" if c.onde_id else label_key(c.label) for c in classes}
    changes: list[Change] = []
    for school, rows in by_school.items():
        matcher = Matcher(school.id, [pupil for pupil in pupils if pupil.school_id == school.id], keys)
        changes += matcher.match([(row, hashes_of(work.keyring, town_id, row)) for row in rows])
    return changes


def _guarded(work: Work, by_school: dict[School, list[RosterRow]], changes: Sequence[Change]) -> bool:
    """Whether so many would leave one school that the file may be partial."""
    known = Counter(pupil.school_id for pupil in PeopleRepository(work.session).pupils_of_schools([s.id for s in by_school]))
    left = Counter(change.school_id for change in changes if change.kind is Diff.LEFT_FILE)
    return any(count > GUARD_COUNT or count > GUARD_SHARE * known[school_id] for school_id, count in left.items())


def get_import(work: Work, actor: Actor, import_id: UUID) -> RosterImport:
    """Return an import. Raises `ImportNotFound`."""
    row = PeopleRepository(work.session).roster_import(actor, import_id)
    if row is None:
        raise ImportNotFound
    return row


def lines(work: Work, actor: Actor, import_id: UUID) -> list[dict[str, Any]]:
    """The plan, line by line. Raises `ImportNotFound`, `ImportOver` once the plan has been forgotten."""
    row = get_import(work, actor, import_id)
    if row.plan is None:
        raise ImportOver
    return list(json.loads(row.plan)["changes"])


def confirm(work: Work, actor: Actor, import_id: UUID) -> RosterImport:
    """Carry the plan out, whole. Raises `ImportOver`, `NeedsSecondPerson` for the one who uploaded it."""
    row = get_import(work, actor, import_id)
    actor.require(Permission.AUTHOR, row.town_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None or work.now - row.uploaded_at > KEEP_PLAN:
        raise ImportOver
    if row.needs_second and actor.account_id == row.uploaded_by:
        raise NeedsSecondPerson(left=row.counts.get(Diff.LEFT_FILE.value, 0))
    plan = json.loads(row.plan)
    written = {k: v for k, v in row.counts.items() if k in {kind.value for kind in WRITTEN | {Diff.LEFT_FILE}}}
    audit.record(work, actor, "roster.confirm", "roster_import", row.id, town_id=row.town_id, **written)
    touched = write_plan(work, row.town_id, plan["year"], plan["changes"])
    row.state, row.confirmed_by, row.confirmed_at, row.plan = ImportState.CONFIRMED, actor.account_id, work.now, None
    work.later(Topic.DECIDE, *PeopleRepository(work.session).tablets_of(touched))
    return row


def discard(work: Work, actor: Actor, import_id: UUID) -> None:
    """Forget a previewed import."""
    row = get_import(work, actor, import_id)
    if row.state is ImportState.PREVIEWED:
        row.state, row.plan = ImportState.DISCARDED, None


def purge_imports(work: Work) -> None:
    """Plans are kept for a day (PRIV-07)."""
    PeopleRepository(work.session).forget_plans(work.now - KEEP_PLAN)


def pupils_of_class(work: Work, actor: Actor, class_id: UUID) -> list[Pupil]:
    """The pupils of a class, by name. Reading it is audited. Raises `NotFound`."""
    repository = PeopleRepository(work.session)
    school_class = repository.class_visible(actor, class_id)
    if school_class is None:
        raise NotFound
    audit.record(work, actor, "class.read", "school_class", class_id, town_id=school_class.town_id)
    return sorted(repository.pupils_of_class(class_id), key=lambda p: (label_key(p.last_name), label_key(p.first_name)))


def find_pupils(work: Work, actor: Actor, town_id: UUID, text: str) -> list[Pupil]:
    """Pupils whose names hold every word of `text`, within the actor's reach. The search is audited (schools.md section 13)."""
    words = label_key(text).split()
    if not words or (not actor.may(Permission.SEE, town_id) and not any(g.town_id == town_id for g in actor.grants)):
        return []
    audit.record(work, actor, "pupil.search", "town", town_id, town_id=town_id)
    found = []
    for pupil in PeopleRepository(work.session).pupils_in_reach(actor, town_id):
        name = label_key(f"{pupil.last_name} {pupil.usage_name or ''} {pupil.first_name}")
        if all(word in name for word in words):
            found.append(pupil)
    return sorted(found, key=lambda p: (label_key(p.last_name), label_key(p.first_name)))[:MAX_FOUND]
