"""Carrying a passage out: apply and undo in parts, by hand or by the clock, and close. Never commits.

Tablets stay with the pupils and are not wiped; their apps follow the level by the decision that each change asks for.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.models import PupilState
from enrollment.places.models import Level, Town
from enrollment.rollover.errors import NotApplied, TooEarly
from enrollment.rollover.models import Decision, Rollover, RolloverLine, RolloverState
from enrollment.rollover.repository import Placed, YearRepository
from enrollment.rollover.rules import left_on, may_apply_from
from enrollment.rollover.service import bring_up_to_date, whole
from enrollment.tablets.repository import TabletRepository

PART = 1000


def arm(work: UnitOfWork, actor: Actor, rollover_id: UUID, *, armed: bool) -> Rollover:
    """Let the passage apply itself when the new year begins, at midnight in the town, or not."""
    rollover = whole(work, actor, rollover_id)
    audit.record_event(
        work, actor, "rollover.arm" if armed else "rollover.disarm", "rollover", rollover.id, town_id=rollover.town_id
    )
    rollover.armed_by, rollover.armed_at = (actor.account_id, work.now) if armed else (None, None)
    return rollover


def apply_due(work: UnitOfWork) -> int:
    """Apply the next part of one passage that was told to apply itself and whose year has begun. Returns how many lines."""
    for rollover in YearRepository(work.session).armed():
        town = work.session.get_one(Town, rollover.town_id)
        if work.now >= may_apply_from(rollover.to_year, town.time_zone) and (done := apply(work, SYSTEM, rollover.id)):
            return done
    return 0


def apply(work: UnitOfWork, actor: Actor, rollover_id: UUID, limit: int = PART) -> int:
    """Apply the next part of a passage, from 1 September on. Returns how many lines: call again until 0.

    A pupil whom a roster has moved meanwhile is left as the roster says; one who has come since the preview passes too.
    Raises `TooEarly`, and as `tick` does.
    """
    rollover = whole(work, actor, rollover_id)
    town = work.session.get_one(Town, rollover.town_id)
    if work.now < may_apply_from(rollover.to_year, town.time_zone):
        raise TooEarly
    if rollover.state is RolloverState.DRAFT:
        bring_up_to_date(work, rollover, only_missing=True)
    rows = YearRepository(work.session).part(rollover.id, applied=False, limit=limit)
    if not rows and rollover.state is RolloverState.APPLIED:
        return 0
    audit.record_event(work, actor, "rollover.apply", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    moves = _Moves()
    for row in rows:
        line = row.line
        moved = _is_as(row, line.level_before, line.class_before, line.school_id)
        if moved and line.decision is Decision.LEAVER:
            moved = row.state is PupilState.ACTIVE
            if moved:
                moves.attend(line, PupilState.ABSENT_FROM_ROSTER, left_on(rollover.to_year))
        elif moved:
            moves.place(row, line.level_after, line.class_after, line.school_after)
        moves.note(line, work.now, moved=moved)
    rollover.state, rollover.applied_at = RolloverState.APPLIED, rollover.applied_at or work.now
    _carry_out(work, moves)
    return len(rows)


def undo(work: UnitOfWork, actor: Actor, rollover_id: UUID, limit: int = PART) -> int:
    """Take back the next part of what was applied. Pupils who have changed since stay as they are. Call again until 0.

    It also stops the passage from applying itself. Raises as `tick` does.
    """
    rollover = whole(work, actor, rollover_id)
    rows = YearRepository(work.session).part(rollover.id, applied=True, limit=limit)
    audit.record_event(work, actor, "rollover.undo", "rollover", rollover.id, town_id=rollover.town_id, lines=len(rows))
    moves = _Moves()
    for row in rows:
        line = row.line
        if line.moved and line.decision is Decision.LEAVER:
            if (row.state, row.absent_since) == (PupilState.ABSENT_FROM_ROSTER, left_on(rollover.to_year)):
                moves.attend(line, PupilState.ACTIVE, None)
        elif line.moved and _is_as(row, line.level_after, line.class_after, line.school_after):
            moves.place(row, line.level_before, line.class_before, line.school_id)
        moves.note(line, None, moved=False)
    rollover.armed_by = rollover.armed_at = None
    if len(rows) < limit:
        rollover.state, rollover.applied_at = RolloverState.DRAFT, None
    _carry_out(work, moves)
    return len(rows)


def close(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """End a passage for good: what adults did in classes of the former year ends with it, what files proposed is forgotten.

    Raises `NotApplied`, `RolloverUnknown`, `Forbidden`.
    """
    rollover = whole(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    repository = YearRepository(work.session)
    if rollover.state is not RolloverState.APPLIED or repository.part(rollover.id, applied=False, limit=1):
        raise NotApplied
    audit.record_event(work, actor, "rollover.close", "rollover", rollover.id, town_id=rollover.town_id)
    repository.forget_proposals(rollover.id)
    repository.end_assignments(rollover.town_id, rollover.to_year, left_on(rollover.to_year))
    rollover.state, rollover.closed_at = RolloverState.CLOSED, work.now
    return rollover


def _is_as(row: Placed, level: object, class_id: UUID | None, school_id: UUID) -> bool:
    return (row.level, row.class_id, row.school_id) == (level, class_id, school_id)


class _Moves:
    """What one part of a passage changes. A leaver is of no roster from the end of the year on; the loan stays open until the
    tablet is back.
    """

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.placed: list[dict[str, Any]] = []
        self.present: list[dict[str, Any]] = []
        self.to_school: set[UUID] = set()

    def place(self, row: Placed, level: Level, class_id: UUID | None, school_id: UUID) -> None:
        self.placed.append({"id": row.line.pupil_id, "level": level, "class_id": class_id, "school_id": school_id})
        if row.school_id != school_id:
            self.to_school.add(row.line.pupil_id)

    def attend(self, line: RolloverLine, state: PupilState, absent_since: date | None) -> None:
        self.present.append({"id": line.pupil_id, "state": state, "absent_since": absent_since})

    def note(self, line: RolloverLine, applied_at: datetime | None, *, moved: bool) -> None:
        key = {"rollover_id": line.rollover_id, "pupil_id": line.pupil_id}
        self.lines.append({**key, "applied_at": applied_at, "moved": moved})


def _carry_out(work: UnitOfWork, moves: _Moves) -> None:
    """Write a part. The tablets of its pupils are decided again, and stand in the pupils' school."""
    YearRepository(work.session).write(moves.lines, moves.placed, moves.present)
    ImportRepository(work.session).follow_pupils(moves.to_school)
    tablet_ids = TabletRepository(work.session).of_pupils([each["id"] for each in moves.placed])
    if tablet_ids:
        work.enqueue_job(Topic.DECIDE, *tablet_ids)
