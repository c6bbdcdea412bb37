"""The draft of a rollover: created, and refreshed from the present roster. Decisions about its lines are in `service`. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit, locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.rules import get_first_day_of_year, get_next_school_year, get_school_year
from enrollment.places.service import get_town_date
from enrollment.rollover.errors import RolloverClosed, RolloverOutOfSeason
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rollover.rules import get_default_freeze_date, get_grade_after, is_in_season, is_ulis, resolve_decision


def preview_rollover(work: UnitOfWork, actor: Actor, town_id: UUID, from_year: str | None = None) -> Rollover:
    """Create the draft of a town's rollover, or refresh it from the present roster. Decisions of heads and of rosters stay.

    Raises `RolloverOutOfSeason`, `RolloverClosed`, `Forbidden`.
    """
    actor.require_permission(Permission.LEAD, town_id)
    locks.lock_town(work, town_id)
    rollover = get_or_create_draft(work, actor, town_id, from_year or get_current_from_year(work, town_id))
    require_open(rollover)
    audit.record_event(work, actor, "rollover.preview", "rollover", rollover.id, town_id=town_id)
    refresh_lines(work, rollover)
    return rollover


def get_current_from_year(work: UnitOfWork, town_id: UUID) -> str:
    """Return the school year that the town's current rollover leaves: that of an open rollover, else the present year."""
    latest = RolloverRepository(work.session).find_latest(town_id)
    if latest is not None and latest.state is not RolloverState.CLOSED:
        return latest.from_year
    return get_school_year(get_town_date(work, town_id))


def get_or_create_draft(work: UnitOfWork, actor: Actor, town_id: UUID, from_year: str) -> Rollover:
    """Return the rollover out of a year; without one, create an empty draft. Raises `RolloverOutOfSeason`."""
    repository = RolloverRepository(work.session)
    rollover = repository.find_by_from_year(town_id, from_year)
    if rollover is None:
        to_year = get_next_school_year(from_year)
        if not is_in_season(to_year, get_town_date(work, town_id)):
            raise RolloverOutOfSeason(year=from_year)
        rollover = Rollover(
            town_id=town_id, from_year=from_year, to_year=to_year, state=RolloverState.DRAFT, freezes_on=get_default_freeze_date(to_year),
            starts_on=get_first_day_of_year(to_year), created_by=actor.account_id, created_at=work.now,
        )  # fmt: skip
        work.session.add(rollover)
        work.session.flush()
    return rollover


def refresh_lines(work: UnitOfWork, rollover: Rollover, *, only_missing: bool = False) -> None:
    """Add a line for every pupil without one, and recompute the lines that nobody has decided from the present roster and its proposals.

    `only_missing`: existing lines are not recomputed.
    """
    repository = RolloverRepository(work.session)
    lines, successors = repository.get_lines_by_pupil(rollover.id), repository.get_successor_schools(rollover.town_id)
    for pupil_id, school_id, class_id, grade, state, key, year in repository.list_pupil_placements(rollover.town_id):
        line = lines.get(pupil_id)
        is_in_new_class = year is not None and year >= rollover.to_year
        if line is not None and (only_missing or line.applied_at is not None or line.decided_by_roster or is_in_new_class):
            continue
        default_school = successors.get(school_id, school_id)
        if line is None:
            line = RolloverLine(
                rollover_id=rollover.id, pupil_id=pupil_id, town_id=rollover.town_id, decided_by_head=False, decided_by_roster=False,
                pupil_changed=False,
            )  # fmt: skip
            work.session.add(line)
            line.school_after = default_school
        elif line.school_id != school_id:
            line.class_after, line.school_after = None, default_school  # moved to another school: its head places them
        elif line.class_after is None:
            line.school_after = default_school
        line.grade_before, line.class_before, line.school_id, line.ulis = grade, class_id, school_id, is_ulis(key)
        if not line.decided_by_head:
            arrived = RolloverDecision.ARRIVED
            line.decision = arrived if is_in_new_class else resolve_decision(grade, state, line.proposed_decision)
        line.grade_after = get_grade_after(grade, line.decision)
    work.session.flush()


def require_open(rollover: Rollover) -> None:
    """Raise `RolloverClosed` when a rollover can no longer be changed."""
    if rollover.state is RolloverState.CLOSED:
        raise RolloverClosed
