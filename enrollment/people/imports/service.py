"""Verbs of roster imports: preview, decide, confirm, discard, undo. Nothing is written before confirmation. Never commits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.errors import (
    ImportNotFound,
    ImportOver,
    ImportStale,
    NeedsSecondPerson,
    NotTheLastImport,
    SchoolNeeded,
    UndoBlocked,
)
from enrollment.people.files.columns import FileKind
from enrollment.people.files.rows import Roster
from enrollment.people.imports import mapping, undoing
from enrollment.people.imports.changes import Diff, Subject
from enrollment.people.imports.planning import Plan, make_plan
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.imports.writing import proposals, write_plan
from enrollment.people.models import (
    AccessKind,
    Guardian,
    ImportState,
    Pupil,
    RosterImport,
    RosterImportSchool,
    StaffMember,
)
from enrollment.people.reading import read
from enrollment.places.rules import school_year_of
from enrollment.rollover import incoming_year
from enrollment.rollover import proposals as proposing
from enrollment.rollover.rules import next_year
from enrollment.rollover.service import today

#: Plans and notes are kept for a day (schools.md section 14, PRIV-07).
KEEP_PLAN = timedelta(hours=24)


def preview(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    content: bytes,
    school_uai: str | None = None,
    *,
    kind: FileKind | None = None,
    keep_contacts: bool = False,
    only_classes: bool = False,
    year: str | None = None,
) -> RosterImport:
    """Read a roster and say what it would change. `keep_contacts`: the guardians' portal needs their e-mail and mobile;
    `only_classes`: the file is a part of the school, nobody of another class has left; `year`: the school year that it is of,
    where it is not the one that the day tells (in summer the coming one). Who acts on behalf of a school names it.

    Raises `Forbidden`, `UnreadableRoster`, `SchoolNeeded`, `NotFound` for a school of elsewhere, `Invalid` for another year.
    """
    mapping.require_roster_somewhere(actor, town_id)
    hands = mapping.hands_of(work, town_id, school_uai)
    roster = read(content, kind=kind, hands=hands, keep_contacts=keep_contacts)
    year = _year(work, actor, town_id, year)
    plan = make_plan(work, town_id, roster, school_uai, only_classes=only_classes, year=year)
    for school_id in plan.schools:
        actor.require_permission(Permission.ROSTER, town_id, school_id)
    if len(plan.schools) > 1 and not actor.has_permission(Permission.AUTHOR, town_id):
        raise SchoolNeeded(field="school_uai")
    row = RosterImport(
        town_id=town_id,
        school_id=plan.schools[0] if len(plan.schools) == 1 else None,
        format=roster.format,
        state=ImportState.PREVIEWED,
        file_sha256=sha256(content).hexdigest(),
        counts=_counts(plan, roster),
        needs_second=plan.needs_second,
        plan=_sealed(plan),
        uploaded_by=actor.account_id,
        uploaded_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.session.add_all(RosterImportSchool(town_id=town_id, import_id=row.id, school_id=each) for each in plan.schools)
    work.session.flush()
    audit.record_event(work, actor, "roster.preview", "roster_import", row.id, town_id=town_id, lines=len(plan.changes))
    return row


def _sealed(plan: Plan) -> str:
    return json.dumps(
        {"year": plan.year, "acts": plan.acts, "changes": [change.to_json() for change in plan.changes]}, ensure_ascii=False
    )


def _year(work: UnitOfWork, actor: Actor, town_id: UUID, asked: str | None) -> str:
    """The year of a roster: the present one or the one to come, whose passage is brought up to date for it."""
    year = asked or incoming_year.turn_of(work, town_id).year
    present = school_year_of(today(work, town_id))
    if year not in (present, next_year(present)):
        raise Invalid(field="year")
    if incoming_year.is_early(work, town_id, year):
        incoming_year.prepare(work, actor, town_id, year)
    return year


def _counts(plan: Plan, roster: Roster) -> dict[str, Any]:
    """Lines by kind of change: all of them, and those of each kind of people. `frozen`: nobody will be taken away."""
    changes = plan.changes
    of = {subject: Counter(c.kind.value for c in changes if c.subject is subject) for subject in Subject}
    every: Counter[str] = sum(of.values(), Counter())
    told = {subject.value: {kind.value: counted[kind.value] for kind in Diff} for subject, counted in of.items() if counted}
    return {
        **{kind.value: every[kind.value] for kind in Diff},
        "by_subject": told,
        "year": plan.year,
        "frozen": plan.frozen,
        "skipped": roster.skipped,
        "ignored": roster.ignored,
    }


def get_import(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Return an import. Raises `ImportNotFound`."""
    row = ImportRepository(work.session).roster_import(actor, import_id)
    if row is None:
        raise ImportNotFound
    return row


def list_imports(work: UnitOfWork, actor: Actor, town_id: UUID, limit: int = 50) -> Sequence[RosterImport]:
    """The latest imports of a town in the actor's reach, newest first."""
    return ImportRepository(work.session).listed(actor, town_id, limit)


def lines(work: UnitOfWork, actor: Actor, import_id: UUID) -> list[dict[str, Any]]:
    """The plan, line by line, for a day; the reading is audited. Raises `ImportNotFound`, `ImportOver` when it is forgotten."""
    row = get_import(work, actor, import_id)
    if row.plan is None:
        raise ImportOver
    audit.record_event(work, actor, "roster.read", "roster_import", row.id, town_id=row.town_id)
    return list(json.loads(row.plan)["changes"])


def names(work: UnitOfWork, actor: Actor, town_id: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of the people whom undecided lines may speak of; it is noted that the pupils' were read."""
    repository = ImportRepository(work.session)
    pupils = [pupil for pupil in repository.pupils(ids).values() if pupil.town_id == town_id]
    access.note(work, actor, pupils, AccessKind.ROSTER)
    people: list[Pupil | Guardian | StaffMember] = [*pupils]
    people += [*repository.guardians(ids).values(), *repository.staff(ids).values()]
    return {each.id: f"{each.first_name} {each.last_name}" for each in people if each.town_id == town_id}


def hold(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """The import as it is now, with every other act in its town waiting: two clicks see each other."""
    row = get_import(work, actor, import_id)
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    return row


def confirm(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Carry the plan out, whole. Raises `ImportOver`, `ImportStale` when the schools have changed since the preview,
    `NeedsSecondPerson` for the one who uploaded it.
    """
    row = hold(work, actor, import_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None or work.now - row.uploaded_at > KEEP_PLAN:
        raise ImportOver
    if row.needs_second and actor.account_id == row.uploaded_by:
        raise NeedsSecondPerson(left=row.counts.get(Diff.LEFT_FILE.value, 0))
    repository = ImportRepository(work.session)
    plan = json.loads(row.plan)
    if repository.acts(repository.schools_of(row.id)) != plan["acts"]:
        raise ImportStale
    written = {kind.value: row.counts[kind.value] for kind in Diff}
    audit.record_event(work, actor, "roster.confirm", "roster_import", row.id, town_id=row.town_id, **written)
    changes = plan["changes"]
    if incoming_year.turn_of(work, row.town_id).frozen or incoming_year.is_early(work, row.town_id, plan["year"]):
        changes = [change for change in changes if change["kind"] != Diff.LEFT_FILE.value]
    passage = incoming_year.coming_into(work, actor, row.town_id, plan["year"])
    done = write_plan(work, row.town_id, plan["year"], changes, passage)
    proposing.propose(work, actor, row.town_id, plan["year"], proposals(changes, done.pupils), done.ledger)
    row.undo = json.dumps(done.ledger.to_json(), ensure_ascii=False)
    row.state, row.confirmed_by, row.confirmed_at = ImportState.CONFIRMED, actor.account_id, work.now
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, *repository.tablets_of(done.touched))
    return row


def undo(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Put back what the last import of its schools found, within a day.

    Raises `ImportOver`, `NotTheLastImport`, `UndoBlocked` when a pupil whom it made has a tablet by now.
    """
    row = hold(work, actor, import_id)
    if row.state is not ImportState.CONFIRMED or row.undo is None or row.confirmed_at is None:
        raise ImportOver
    if work.now - row.confirmed_at > KEEP_PLAN:  # housekeeping forgets the notes some time later
        raise ImportOver
    repository = ImportRepository(work.session)
    if repository.is_followed(row.id, row.confirmed_at):
        raise NotTheLastImport
    notes = json.loads(row.undo)
    held = undoing.blockers(work, notes)
    if held:
        raise UndoBlocked(pupils=len(held))
    audit.record_event(work, actor, "roster.undo", "roster_import", row.id, town_id=row.town_id)
    touched = undoing.restore(work, row.town_id, notes)
    row.state, row.undo, row.undone_by, row.undone_at = ImportState.UNDONE, None, actor.account_id, work.now
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, *repository.tablets_of(touched))
    return row


def discard(work: UnitOfWork, actor: Actor, import_id: UUID) -> None:
    """Forget a previewed import."""
    row = hold(work, actor, import_id)
    if row.state is ImportState.PREVIEWED:
        audit.record_event(work, actor, "roster.discard", "roster_import", row.id, town_id=row.town_id)
        row.state, row.plan = ImportState.DISCARDED, None


def purge_imports(work: UnitOfWork) -> int:
    """Plans and notes are kept for a day (PRIV-07). Returns how many imports were emptied."""
    return ImportRepository(work.session).forget_plans(work.now - KEEP_PLAN)
