"""Roster imports: preview, confirm, undo, discard. Nothing is written to people before the confirmation. Decisions about single lines are
in `deciding`. Never commits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import islice
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid, NotTrustedYet
from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, Page, PageRequest, cut_page
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Guardian, Pupil, StaffMember
from enrollment.places.rules import get_first_day, school_year_of
from enrollment.places.service import get_town_date, get_town_zone
from enrollment.rollover import incoming_year, proposals
from enrollment.rollover.rules import next_school_year
from enrollment.rosters.errors import (
    ImportFinished,
    ImportNeedsSecondPerson,
    ImportNotFound,
    ImportStale,
    NotTheLastImport,
    SchoolRequired,
    UndoBlocked,
)
from enrollment.rosters.files.columns import FileKind
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, Roster
from enrollment.rosters.files.validity import ReferenceDay
from enrollment.rosters.imports import mapping, undoing
from enrollment.rosters.imports.changes import ChangeKind, Subject
from enrollment.rosters.imports.planning import ImportPlan, build_plan
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.rosters.imports.writing import extract_proposals, write_plan
from enrollment.rosters.models import ImportState, RosterImport, RosterImportSchool
from enrollment.rosters.reading import OverridesByKind, read_roster
from enrollment.tablets.loan_repository import LoanRepository

#: Plans and undo logs contain names; they are kept for a day.
PLAN_RETENTION = timedelta(hours=24)


def preview_import(
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
    """Read a roster file and store the plan of what it would change.

    `school_uai`: required from an actor who does not administer the whole town. `keep_contacts`: keep guardians' e-mail and mobile, which
    the guardians' portal needs. `only_classes`: the file covers some classes only, so pupils of other classes have not left. `year`: the
    school year of the file; by default the present one, during the summer freeze the incoming one.

    Raises `Forbidden`, `UnreadableRoster`, `SchoolRequired`, `NotFound` for a school of another town, `Invalid` for another year.

    It reads the file inside the unit of work. While tablets are served, callers take the three steps themselves, and read outside.
    """
    options = prepare_reading(work, actor, town_id, school_uai, kind=kind, keep_contacts=keep_contacts, year=year)
    file = read_file(content, options)
    return store_preview(work, actor, town_id, file, school_uai, only_classes=only_classes)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a roster file is to be read: what the database says about it."""

    year: str
    reference: ReferenceDay
    kind: FileKind | None
    overrides: OverridesByKind
    keep_contacts: bool


@dataclass(frozen=True, slots=True)
class RosterFile:
    """A roster file that was read, for a school year. Its bytes are not kept."""

    year: str
    roster: Roster
    sha256: str


def prepare_reading(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_uai: str | None,
    *,
    kind: FileKind | None = None,
    keep_contacts: bool = False,
    year: str | None = None,
) -> ReadingOptions:
    """Return how a roster file of the town is to be read; parameters as for `preview_import`. Raises `Forbidden`, `Invalid`."""
    mapping.require_roster_permission(actor, town_id)
    resolved_year = _resolve_year(work, town_id, year)
    reference = _get_reference_day(work, town_id, resolved_year)
    return ReadingOptions(resolved_year, reference, kind, mapping.load_overrides(work, town_id, school_uai), keep_contacts)


def read_file(content: bytes, options: ReadingOptions) -> RosterFile:
    """Read a roster file; it needs no database. Raises `UnreadableRoster`."""
    roster = read_roster(
        content, reference=options.reference, kind=options.kind, overrides=options.overrides, keep_contacts=options.keep_contacts
    )
    return RosterFile(options.year, roster, sha256(content).hexdigest())


def store_preview(
    work: UnitOfWork, actor: Actor, town_id: UUID, file: RosterFile, school_uai: str | None, *, only_classes: bool = False
) -> RosterImport:
    """Store the plan of what a file would change. Raises what `preview_import` raises."""
    mapping.require_roster_permission(actor, town_id)
    roster, year = file.roster, file.year
    if incoming_year.is_future_year(work, town_id, year):
        incoming_year.prepare_rollover(work, actor, town_id, year)
    plan = build_plan(work, town_id, roster, school_uai, only_classes=only_classes, year=year)
    for school_id in plan.schools:
        actor.require_permission(Permission.ROSTER, town_id, school_id)
    if len(plan.schools) > 1 and not actor.has_permission(Permission.AUTHOR, town_id):
        raise SchoolRequired(field="school_uai")
    row = RosterImport(
        town_id=town_id,
        school_id=plan.schools[0] if len(plan.schools) == 1 else None,
        format=roster.format,
        state=ImportState.PREVIEWED,
        file_sha256=file.sha256,
        counts=_count_changes(plan, roster),
        warnings=_list_warnings(roster),
        needs_second_person=plan.needs_second_person,
        plan=_dump_plan(plan),
        uploaded_by=actor.account_id,
        uploader_trusted_from=actor.trusted_from,
        uploaded_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.session.add_all(RosterImportSchool(town_id=town_id, import_id=row.id, school_id=each) for each in plan.schools)
    work.session.flush()
    audit.record_event(work, actor, "roster.preview", "roster_import", row.id, town_id=town_id, lines=len(plan.changes))
    return row


def _dump_plan(plan: ImportPlan) -> str:
    return json.dumps(
        {
            "year": plan.year,
            "roster_revision": plan.roster_revision,
            "changes": [change.to_json() for change in plan.changes],
        },
        ensure_ascii=False,
    )


def _resolve_year(work: UnitOfWork, town_id: UUID, requested_year: str | None) -> str:
    """Return the year of a roster, the present or the following one. Raises `Invalid`."""
    year = requested_year or incoming_year.get_summer_freeze(work, town_id).roster_year
    present = school_year_of(get_town_date(work, town_id))
    if year not in (present, next_school_year(present)):
        raise Invalid(field="year")
    return year


def _get_reference_day(work: UnitOfWork, town_id: UUID, year: str) -> ReferenceDay:
    """Return today in the town, or the first day of a school year that has not begun."""
    today, first_day = get_town_date(work, town_id), get_first_day(year)
    return ReferenceDay(max(today, first_day), get_town_zone(work, town_id))


def _count_changes(plan: ImportPlan, roster: Roster) -> dict[str, Any]:
    """Count the changes by kind, in total and for each kind of person. `frozen`: nobody will be removed."""
    counts = {subject: Counter(c.kind.value for c in plan.changes if c.subject is subject) for subject in Subject}
    total: Counter[str] = sum(counts.values(), Counter())
    return {
        **{kind.value: total[kind.value] for kind in ChangeKind},
        "by_subject": {
            subject.value: {kind.value: count[kind.value] for kind in ChangeKind} for subject, count in counts.items() if count
        },
        "year": plan.year,
        "frozen": plan.removals_frozen,
        "skipped": roster.skipped,
        "ignored": roster.ignored,
    }


def _list_warnings(roster: Roster) -> list[dict[str, Any]]:
    """Return what a person should know of the file as a whole before confirming."""
    warnings: list[dict[str, Any]] = []
    if roster.guessed_encoding is not None:
        warnings.append({"code": "encoding_guessed", "encoding": roster.guessed_encoding.value})
    if doubtful := roster.count_doubtful_names():
        warnings.append({"code": DOUBTFUL_LETTERS, "count": doubtful})
    warnings += [{"code": "unknown_role", "role": role, "count": count} for role, count in sorted(roster.unknown_roles.items())]
    return warnings


def get_import(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Return an import. Raises `ImportNotFound`."""
    row = ImportRepository(work.session).find_import(actor, import_id)
    if row is None:
        raise ImportNotFound
    return row


def list_imports(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[RosterImport]:
    """Return the imports of a town that the actor may see, newest first."""
    return ImportRepository(work.session).list_imports(actor, town_id, page)


def list_lines(work: UnitOfWork, actor: Actor, import_id: UUID) -> list[dict[str, Any]]:
    """Return the changes of an import's plan. The reading is audited.

    Raises `ImportNotFound`, `ImportFinished` once the plan is deleted.
    """
    row = get_import(work, actor, import_id)
    if row.plan is None:
        raise ImportFinished
    audit.record_reading(work, actor, "roster.read", "roster_import", row.id, town_id=row.town_id)
    return list(json.loads(row.plan)["changes"])


def list_lines_page(
    work: UnitOfWork, actor: Actor, import_id: UUID, kinds: Collection[ChangeKind] | None, page: PageRequest = FIRST_PAGE
) -> Page[tuple[int, dict[str, Any]]]:
    """Return a page of the plan's changes, each with its number; with `kinds` only those. The reading is audited.

    Raises what `list_lines` raises, and `InvalidCursor`.
    """
    after = page.decode((int,))
    first = 0 if after is None else int(str(after[0])) + 1
    changes = list_lines(work, actor, import_id)
    chosen = (
        ((number,), (number, changes[number]))
        for number in range(max(first, 0), len(changes))
        if kinds is None or changes[number]["kind"] in kinds
    )
    return cut_page([*islice(chosen, page.limit + 1)], page)


def get_person_names(work: UnitOfWork, actor: Actor, town_id: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of people whom undecided lines may be about. The reading of pupils' names is recorded."""
    repository = ImportRepository(work.session)
    pupils = [pupil for pupil in repository.get_pupils(ids).values() if pupil.town_id == town_id]
    access.record_access(work, actor, pupils, AccessKind.ROSTER)
    people: list[Pupil | Guardian | StaffMember] = [*pupils]
    people += [*repository.get_guardians(ids).values(), *repository.get_staff(ids).values()]
    return {each.id: f"{each.first_name} {each.last_name}" for each in people if each.town_id == town_id}


def get_import_for_update(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Return an import, read again under the lock of its town, which is held until the transaction ends. Raises `ImportNotFound`."""
    row = get_import(work, actor, import_id)
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    return row


def confirm_import(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Write the plan of an import, in one transaction.

    Raises `ImportNotFound`, `ImportFinished`, `ImportStale` when an import changed the schools since the preview, `SecondPersonRequired`
    for the person who uploaded an import that needs a second one.
    """
    row = get_import_for_update(work, actor, import_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None or work.now - row.uploaded_at > PLAN_RETENTION:
        raise ImportFinished
    if row.needs_second_person:
        _check_second_person(work, actor, row)
    repository = ImportRepository(work.session)
    plan = json.loads(row.plan)
    if repository.get_roster_revision(repository.list_school_ids(row.id)) != plan["roster_revision"]:
        raise ImportStale
    counts = {kind.value: row.counts[kind.value] for kind in ChangeKind}
    audit.record_event(work, actor, "roster.confirm", "roster_import", row.id, town_id=row.town_id, **counts)
    year, changes = plan["year"], plan["changes"]
    is_frozen = incoming_year.get_summer_freeze(work, row.town_id).is_active
    if is_frozen or incoming_year.is_future_year(work, row.town_id, year):
        changes = [change for change in changes if change["kind"] != ChangeKind.LEFT_FILE.value]
    written = write_plan(work, row.town_id, year, changes, incoming_year.open_incoming_year(work, actor, row.town_id, year))
    decisions = extract_proposals(changes, written.pupil_by_line)
    proposals.record_proposals(work, actor, row.town_id, year, decisions, written.undo_log)
    row.undo_log = json.dumps(written.undo_log.to_json(), ensure_ascii=False)
    row.state, row.confirmed_by, row.confirmed_at = ImportState.CONFIRMED, actor.account_id, work.now
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, *LoanRepository(work.session).list_tablet_ids_of_pupils(written.moved_pupils))
    return row


def _check_second_person(work: UnitOfWork, actor: Actor, row: RosterImport) -> None:
    """Raise unless the actor may confirm the import of another person, and that person's account is not new."""
    if actor.account_id == row.uploaded_by:
        raise ImportNeedsSecondPerson(left=row.counts.get(ChangeKind.LEFT_FILE.value, 0))
    actor.require_second_person(work.now, row.uploaded_by)
    if row.uploader_trusted_from is not None and work.now < row.uploader_trusted_from:
        raise NotTrustedYet(trusted_from=f"{row.uploader_trusted_from:%Y-%m-%d %H:%M}")


def undo_import(work: UnitOfWork, actor: Actor, import_id: UUID) -> RosterImport:
    """Restore the state before an import, within a day of its confirmation.

    Raises `ImportNotFound`, `ImportFinished`, `NotTheLastImport` when a later import of a school is confirmed, `UndoBlocked` when a pupil
    created by the import has a tablet or an invitation by now.
    """
    row = get_import_for_update(work, actor, import_id)
    if row.state is not ImportState.CONFIRMED or row.undo_log is None or row.confirmed_at is None:
        raise ImportFinished
    if work.now - row.confirmed_at > PLAN_RETENTION:  # the purge deletes the undo log some time later
        raise ImportFinished
    repository = ImportRepository(work.session)
    if repository.has_later_import(row.id, row.confirmed_at):
        raise NotTheLastImport
    undo_log = json.loads(row.undo_log)
    if blockers := undoing.find_undo_blockers(work, undo_log):
        raise UndoBlocked(pupils=len(blockers))
    audit.record_event(work, actor, "roster.undo", "roster_import", row.id, town_id=row.town_id)
    moved_pupils = undoing.restore_previous_state(work, row.town_id, undo_log)
    row.state, row.undo_log, row.undone_by, row.undone_at = ImportState.UNDONE, None, actor.account_id, work.now
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, *LoanRepository(work.session).list_tablet_ids_of_pupils(moved_pupils))
    return row


def discard_import(work: UnitOfWork, actor: Actor, import_id: UUID) -> None:
    """Discard a previewed import and delete its plan; an import in another state stays as it is. Raises `ImportNotFound`."""
    row = get_import_for_update(work, actor, import_id)
    if row.state is ImportState.PREVIEWED:
        audit.record_event(work, actor, "roster.discard", "roster_import", row.id, town_id=row.town_id)
        row.state, row.plan = ImportState.DISCARDED, None


def purge_expired_plans(work: UnitOfWork) -> int:
    """Delete plans and undo logs that are older than a day. Returns the number of imports concerned."""
    return ImportRepository(work.session).clear_plans(work.now - PLAN_RETENTION)
