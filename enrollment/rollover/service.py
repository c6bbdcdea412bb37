"""Prepares a rollover: decisions of the heads, classes of the next year, progress of the schools. Never commits.

Its draft is in `drafting`, applying it in `applying`, what rosters contribute in `incoming_year` and `proposals`, the return of the leavers' tablets in
`returns`. See docs/domain/school-year.md#rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.class_order import compute_class_order
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.text import compute_name_order, make_label_key
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.rollover.drafting import require_open
from enrollment.rollover.errors import (
    DecisionNotSelectable,
    RolloverAlreadyApplied,
    RolloverNotFound,
)
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverSchool
from enrollment.rollover.repository import RolloverGroup, RolloverRepository, build_line_visibility
from enrollment.rollover.rules import (
    SELECTABLE_DECISIONS,
    get_grade_after,
)
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct


def set_dates(work: UnitOfWork, actor: Actor, rollover_id: UUID, freezes_on: date, starts_on: date) -> Rollover:
    """Set the day from which rosters remove nobody and the first day of school. Raises `Invalid`, and as `apply_batch` does."""
    rollover = get_town_rollover_for_update(work, actor, rollover_id)
    year = int(rollover.to_year[:4])
    if not date(year, 5, 1) <= freezes_on < starts_on <= date(year, 10, 31):
        raise Invalid(field="starts_on")
    audit.record_event(
        work, actor, "rollover.dates", "rollover", rollover.id, town_id=rollover.town_id, freezes=freezes_on.isoformat(),
        starts=starts_on.isoformat(),
    )  # fmt: skip
    rollover.freezes_on, rollover.starts_on = freezes_on, starts_on
    return rollover


def record_decision(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, pupil_ids: Sequence[UUID], decision: RolloverDecision
) -> int:
    """Record a head's decision for some pupils. Returns how many.

    Raises `RolloverNotFound`, `RolloverClosed`, `NotFound` for pupils outside the actor's schools, `RolloverAlreadyApplied`,
    `DecisionNotSelectable`, `BudgetUsedUp` when many who would stay are marked as leavers.
    """
    if decision not in SELECTABLE_DECISIONS:
        raise DecisionNotSelectable(field="decision")
    rollover = get_rollover_for_update(work, actor, rollover_id)
    lines = _get_open_lines(work, actor, rollover, pupil_ids)
    if decision is RolloverDecision.LEAVER:
        budget.spend_budget(work, actor, rollover.town_id, IrreversibleAct.LEAVER, sum(1 for line in lines if _would_stay(line)))
    audit.record_event(
        work, actor, "rollover.decide", "rollover", rollover.id, town_id=rollover.town_id, decision=decision.value,
        pupils=[str(pupil_id) for pupil_id in pupil_ids],
    )  # fmt: skip
    for line in lines:
        line.decision, line.decided_by_head, line.decided_by_roster, line.grade_after = (
            decision,
            True,
            False,
            get_grade_after(line.grade_before, decision),
        )
        if decision is RolloverDecision.LEAVER:
            line.class_after = None
    return len(lines)


def _would_stay(line: RolloverLine) -> bool:
    """Return whether the pupil of a line is no leaver by grade, and nobody has made them one yet."""
    return line.decision is not RolloverDecision.LEAVER and line.grade_before is not Grade.CM2


def create_class(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, label: str, pupil_ids: Sequence[UUID]
) -> SchoolClass:
    """Create a class of the next year, unless it has one of this label, and place pupils in it. A class is of one year: last year's
    class of the same label is another one. Raises `Invalid`, and as `record_decision` does.
    """
    rollover = get_rollover_for_update(work, actor, rollover_id)
    repository = RolloverRepository(work.session)
    school = require_in_town(work, School, school_id, rollover.town_id, field="school_id")
    if not actor.has_permission(Permission.LEAD, school.town_id, school.id):
        raise NotFound(field="school_id")
    key = make_label_key(label)
    if not key:
        raise Invalid(field="label")
    lines = _get_open_lines(work, actor, rollover, pupil_ids) if pupil_ids else []
    school_class = repository.find_class_by_key(school_id, rollover.to_year, key)
    if school_class is None:
        school_class = SchoolClass(
            town_id=rollover.town_id, school_id=school_id, school_year=rollover.to_year, label=label.strip(), label_key=key,
            label_order=compute_class_order(label),
        )  # fmt: skip
        work.session.add(school_class)
        work.session.flush()
    audit.record_event(
        work, actor, "rollover.class", "school_class", school_class.id, town_id=rollover.town_id,
        pupils=[str(pupil_id) for pupil_id in pupil_ids],
    )  # fmt: skip
    for line in lines:
        line.class_after, line.school_after = school_class.id, school_id
    return school_class


def mark_school_done(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, *, lists: bool = False
) -> RolloverSchool:
    """Record that a head has completed the decisions or, with `lists`, has confirmed the class lists of the new year. Only confirmed
    lists are exported to Apple School Manager. Raises `NotFound`, `RolloverNotFound`, `RolloverClosed`, `Forbidden`.
    """
    rollover = get_rollover_for_update(work, actor, rollover_id)
    school = require_in_town(work, School, school_id, rollover.town_id, field="school_id")
    if not actor.has_permission(Permission.LEAD, school.town_id, school.id):
        raise NotFound(field="school_id")
    action = "rollover.confirm_lists" if lists else "rollover.complete_decisions"
    audit.record_event(work, actor, action, "school", school_id, town_id=rollover.town_id)
    row = work.session.get(RolloverSchool, (rollover.id, school_id))
    if row is None:
        row = RolloverSchool(rollover_id=rollover.id, school_id=school_id, town_id=rollover.town_id)
        work.session.add(row)
    if lists:
        row.lists_confirmed_by, row.lists_confirmed_at = actor.account_id, work.now
    else:
        row.decisions_completed_by, row.decisions_completed_at = actor.account_id, work.now
    work.session.flush()
    return row


def get_rollover(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """Return a rollover of a town in which the actor sees a school. Raises `RolloverNotFound`."""
    rollover = RolloverRepository(work.session).find_visible(actor, rollover_id)
    if rollover is None:
        raise RolloverNotFound
    return rollover


def count_groups(work: UnitOfWork, actor: Actor, rollover: Rollover) -> list[RolloverGroup]:
    """Return the pupil counts of a rollover, for the lines that the actor sees."""
    return RolloverRepository(work.session).count_groups(rollover.id, build_line_visibility(actor))


def list_lines_of_class(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, class_id: UUID | None
) -> list[tuple[RolloverLine, Pupil]]:
    """Return the pupils of a class of the ending year, by name, each with the line. The reading is audited.

    Raises `RolloverNotFound`, `NotFound`.
    """
    rollover = get_rollover(work, actor, rollover_id)
    rows = RolloverRepository(work.session).list_lines_of_class(
        rollover.id, school_id, class_id, build_line_visibility(actor, Permission.LEAD)
    )
    if not rows:
        raise NotFound
    audit.record_reading(
        work, actor, "rollover.read", "school", school_id, town_id=rollover.town_id, class_id=str(class_id or "")
    )
    access.record_access(work, actor, [pupil for _, pupil in rows], AccessKind.CLASS_LIST)
    return sorted(
        ((line, pupil) for line, pupil in rows),
        key=lambda row: compute_name_order(row[1].usage_name or row[1].last_name, row[1].first_name),
    )


def get_rollover_for_update(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """Return an open rollover for an actor who leads some school of the town, and lock the town until the transaction ends.

    Raises `RolloverNotFound`, `RolloverClosed`, `Forbidden`.
    """
    rollover = get_rollover(work, actor, rollover_id)
    if not actor.has_permission_somewhere(Permission.LEAD, rollover.town_id):
        raise Forbidden(permission=Permission.LEAD.value)
    locks.lock_town(work, rollover.town_id)
    work.session.refresh(rollover)
    require_open(rollover)
    return rollover


def get_town_rollover_for_update(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Rollover:
    """Return an open rollover as `get_rollover_for_update` does, for an actor who leads the whole town."""
    rollover = get_rollover(work, actor, rollover_id)
    actor.require_permission(Permission.LEAD, rollover.town_id)
    return get_rollover_for_update(work, actor, rollover_id)


def _get_open_lines(work: UnitOfWork, actor: Actor, rollover: Rollover, pupil_ids: Sequence[UUID]) -> list[RolloverLine]:
    lines = RolloverRepository(work.session).get_lines_of_pupils(rollover.id, pupil_ids)
    for pupil_id in pupil_ids:
        line = lines.get(pupil_id)
        if line is None or not any(
            actor.has_permission(Permission.LEAD, rollover.town_id, school_id)
            for school_id in (line.school_id, line.school_after)
        ):
            raise NotFound(field="pupil_ids")
        if line.applied_at is not None:
            raise RolloverAlreadyApplied(field="pupil_ids")
    if not lines:
        raise NotFound(field="pupil_ids")
    return [lines[pupil_id] for pupil_id in dict.fromkeys(pupil_ids)]


def find_current_rollover(work: UnitOfWork, actor: Actor, town_id: UUID) -> Rollover | None:
    """Return the town's latest rollover, None when there is none or the actor sees no school of the town."""
    repository = RolloverRepository(work.session)
    latest = repository.find_latest(town_id)
    return latest if latest is not None and repository.find_visible(actor, latest.id) else None
