"""Roster imports after their preview: read, confirm, undo, discard. Nothing is written to people before the confirmation. Never commits.

Previews are made in `previewing`, decisions about single lines in `deciding`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotTrustedYet
from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, Page, PageRequest, cut_page
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Guardian, Pupil, StaffMember
from enrollment.rollover import incoming_year, proposals
from enrollment.rosters.errors import (
    ImportFinished,
    ImportNeedsSecondPerson,
    ImportNotFound,
    ImportStale,
    NotTheLastImport,
    UndoBlocked,
)
from enrollment.rosters.imports import undoing
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.rosters.imports.writing import extract_proposals, write_plan
from enrollment.rosters.models import ImportState, RosterImport
from enrollment.tablets.loan_repository import LoanRepository

#: Plans and undo logs contain names; they are kept for a day.
PLAN_RETENTION = timedelta(hours=24)


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
