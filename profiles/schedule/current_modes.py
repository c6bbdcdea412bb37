"""Saves the mode of each tablet and when it must be evaluated again. What the mode is, `service` evaluates. Never commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.schedule.models import TabletMode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import ModeEvaluation

#: An evaluation that did not finish (a worker died) is retried after this time.
RETRY_AFTER = timedelta(minutes=5)
#: How long a full decision stands while only the clock brings other modes: from one to two days, another time for each tablet, so that
#: the full decisions of a town are spread over the day.
FULL_DECISION_INTERVAL = timedelta(days=1)


def lock_current_modes(
    work: UnitOfWork, facts: Mapping[UUID, TabletFacts], evaluations: Mapping[UUID, ModeEvaluation]
) -> dict[UUID, TabletMode]:
    """Return the rows of these tablets, locked until the commit; missing ones are added. Two workers may do this at once."""
    repository = ScheduleRepository(work.session)
    rows = repository.lock_modes(list(evaluations))
    if missing := [tablet_id for tablet_id in evaluations if tablet_id not in rows]:
        repository.add_missing_modes(
            [
                {
                    "tablet_id": tablet_id,
                    "town_id": facts[tablet_id].town_id,
                    "mode": evaluations[tablet_id].mode,
                    "since": work.now,
                    "next_evaluation_at": evaluations[tablet_id].next_evaluation_at,
                }
                for tablet_id in missing
            ]
        )
        rows |= repository.lock_modes(missing)
    return rows


def save_current_modes(
    work: UnitOfWork,
    rows: Mapping[UUID, TabletMode],
    evaluations: Mapping[UUID, ModeEvaluation],
    mode_only_basis: Mapping[UUID, str],
) -> None:
    """Save the mode of each locked row and its next evaluation.

    `mode_only_basis` has the tablets of which nothing but the mode changes with the clock, each with what the decision depended on.
    """
    for tablet_id, evaluation in evaluations.items():
        row = rows[tablet_id]
        if row.mode is not evaluation.mode:
            row.mode, row.since = evaluation.mode, work.now
        row.next_evaluation_at = evaluation.next_evaluation_at
        row.mode_only_basis = mode_only_basis.get(tablet_id)
        spread = timedelta(seconds=tablet_id.int % int(FULL_DECISION_INTERVAL.total_seconds()))
        row.mode_only_until = work.now + FULL_DECISION_INTERVAL + spread if row.mode_only_basis is not None else None
