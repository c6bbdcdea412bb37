"""Applies a rollover, undoes it and closes it, in batches, on request or by the clock. Drafts and decisions are in `service`. Never
commits.

Tablets stay with their pupils and are not erased. Each tablet whose pupil moved is reconciled, so its apps follow the new grade.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import PupilState
from enrollment.places.models import Grade, Town
from enrollment.rollover.drafting import refresh_lines
from enrollment.rollover.errors import RolloverNotApplied, RolloverTooEarly
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import PlacedLine, RolloverRepository
from enrollment.rollover.rules import compute_applicable_from, compute_leaving_date
from enrollment.rollover.service import get_town_rollover_for_update
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.repository import TabletRepository

BATCH_SIZE = 1000


def set_auto_apply(work: UnitOfWork, actor: Actor, rollover_id: UUID, *, enabled: bool) -> Rollover:
    """Switch on or off that the rollover applies itself at midnight of 1 September, local time. Raises as `apply_batch` does."""
    rollover = get_town_rollover_for_update(work, actor, rollover_id)
    audit.record_event(work, actor, "rollover.auto_apply", "rollover", rollover.id, town_id=rollover.town_id, enabled=enabled)
    rollover.auto_apply_enabled_by, rollover.auto_apply_enabled_at = (actor.account_id, work.now) if enabled else (None, None)
    return rollover


def apply_due_rollover(work: UnitOfWork) -> int:
    """Apply the next batch of one rollover that applies itself and whose year has begun. Returns the number of lines."""
    for rollover in RolloverRepository(work.session).list_auto_apply():
        town = work.session.get_one(Town, rollover.town_id)
        if work.now >= compute_applicable_from(rollover.to_year, town.time_zone) and (
            applied := apply_batch(work, SYSTEM, rollover.id)
        ):
            return applied
    return 0


def apply_batch(work: UnitOfWork, actor: Actor, rollover_id: UUID, limit: int = BATCH_SIZE) -> int:
    """Apply the next `limit` lines, from 1 September on. Returns the number of lines; call it again until it returns 0.

    A pupil whom a roster moved since the preview keeps that place. A pupil who came since the preview gets a line first.
    Raises `RolloverTooEarly`, `RolloverNotFound`, `RolloverClosed`, `Forbidden`.
    """
    rollover = get_town_rollover_for_update(work, actor, rollover_id)
    town = work.session.get_one(Town, rollover.town_id)
    if work.now < compute_applicable_from(rollover.to_year, town.time_zone):
        raise RolloverTooEarly
    if rollover.state is RolloverState.DRAFT:
        refresh_lines(work, rollover, only_missing=True)
    rows = RolloverRepository(work.session).list_batch(rollover.id, applied=False, limit=limit)
    if not rows and rollover.state is RolloverState.APPLIED:
        return 0
    audit.record_event(work, actor, "rollover.apply", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    changes = _PlacementChanges()
    for row in rows:
        line = row.line
        applies = _is_placed_as(row, line.grade_before, line.class_before, line.school_id)
        if applies and line.decision is RolloverDecision.LEAVER:
            applies = row.state is PupilState.ACTIVE
            if applies:
                changes.set_roster_state(line, PupilState.ABSENT_FROM_ROSTER, compute_leaving_date(rollover.to_year))
        elif applies:
            changes.move_pupil(row, line.grade_after, line.class_after, line.school_after)
        changes.record_line(line, work.now, pupil_changed=applies)
    rollover.state, rollover.applied_at = RolloverState.APPLIED, rollover.applied_at or work.now
    _write_changes(work, changes)
    return len(rows)


def undo_batch(work: UnitOfWork, actor: Actor, rollover_id: UUID, limit: int = BATCH_SIZE) -> int:
    """Undo the next `limit` applied lines. Returns the number of lines; call it again until it returns 0.

    A pupil who changed since the rollover was applied stays as they are. The rollover no longer applies itself.
    Raises `RolloverNotFound`, `RolloverClosed`, `Forbidden`.
    """
    rollover = get_town_rollover_for_update(work, actor, rollover_id)
    rows = RolloverRepository(work.session).list_batch(rollover.id, applied=True, limit=limit)
    audit.record_event(work, actor, "rollover.undo", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    changes = _PlacementChanges()
    for row in rows:
        line = row.line
        if line.pupil_changed and line.decision is RolloverDecision.LEAVER:
            if (row.state, row.absent_since) == (PupilState.ABSENT_FROM_ROSTER, compute_leaving_date(rollover.to_year)):
                changes.set_roster_state(line, PupilState.ACTIVE, None)
        elif line.pupil_changed and _is_placed_as(row, line.grade_after, line.class_after, line.school_after):
            changes.move_pupil(row, line.grade_before, line.class_before, line.school_id)
        changes.record_line(line, None, pupil_changed=False)
    rollover.auto_apply_enabled_by = rollover.auto_apply_enabled_at = None
    if len(rows) < limit:
        rollover.state, rollover.applied_at = RolloverState.DRAFT, None
    _write_changes(work, changes)
    return len(rows)


def close_rollover(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """Close a rollover for good: assignments of adults to classes of the former year end, proposals of files are deleted.

    Raises `RolloverNotApplied`, `RolloverNotFound`, `RolloverClosed`, `Forbidden`.
    """
    rollover = get_town_rollover_for_update(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    repository = RolloverRepository(work.session)
    if rollover.state is not RolloverState.APPLIED or repository.list_batch(rollover.id, applied=False, limit=1):
        raise RolloverNotApplied
    audit.record_event(work, actor, "rollover.close", "rollover", rollover.id, town_id=rollover.town_id)
    repository.clear_proposals(rollover.id)
    repository.end_assignments(rollover.town_id, rollover.to_year, compute_leaving_date(rollover.to_year))
    rollover.state, rollover.closed_at = RolloverState.CLOSED, work.now
    return rollover


def _is_placed_as(row: PlacedLine, grade: object, class_id: UUID | None, school_id: UUID) -> bool:
    return (row.grade, row.class_id, row.school_id) == (grade, class_id, school_id)


class _PlacementChanges:
    """The rows that one batch updates. A leaver is absent from the roster from the end of the year on; their loan stays open until
    the tablet is returned.
    """

    def __init__(self) -> None:
        self.line_updates: list[dict[str, Any]] = []
        self.placement_updates: list[dict[str, Any]] = []
        self.state_updates: list[dict[str, Any]] = []
        self.pupils_changing_school: set[UUID] = set()

    def move_pupil(self, row: PlacedLine, grade: Grade, class_id: UUID | None, school_id: UUID) -> None:
        self.placement_updates.append({"id": row.line.pupil_id, "grade": grade, "class_id": class_id, "school_id": school_id})
        if row.school_id != school_id:
            self.pupils_changing_school.add(row.line.pupil_id)

    def set_roster_state(self, line: RolloverLine, state: PupilState, absent_since: date | None) -> None:
        self.state_updates.append({"id": line.pupil_id, "state": state, "absent_since": absent_since})

    def record_line(self, line: RolloverLine, applied_at: datetime | None, *, pupil_changed: bool) -> None:
        key = {"rollover_id": line.rollover_id, "pupil_id": line.pupil_id}
        self.line_updates.append({**key, "applied_at": applied_at, "pupil_changed": pupil_changed})


def _write_changes(work: UnitOfWork, changes: _PlacementChanges) -> None:
    """Write a batch, move the tablets to their pupils' schools and have them reconciled."""
    RolloverRepository(work.session).write_updates(changes.line_updates, changes.placement_updates, changes.state_updates)
    LoanRepository(work.session).move_tablets_to_schools_of_pupils(changes.pupils_changing_school)
    tablet_ids = TabletRepository(work.session).list_ids_by_pupils([update["id"] for update in changes.placement_updates])
    if tablet_ids:
        work.enqueue_job(Topic.RECONCILE, *tablet_ids)
