"""Decisions that a roster of the ending year proposes in its *Décision de passage* column. They are kept on the lines of the rollover
out of that year until it is closed. A head, or a roster of the incoming year, overrides them.
See docs/domain/school-year.md#proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import PupilState
from enrollment.people.undo_log import UndoLog
from enrollment.places.models import Grade
from enrollment.rollover import drafting
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverRepository
from enrollment.rollover.rules import get_default_decision, resolve_decision


class DecisionProposal(NamedTuple):
    """A decision that a roster line proposes. `pupil_id` is None for a pupil whom the import will create."""

    pupil_id: UUID | None
    grade: Grade
    decision: RolloverDecision


def preview_proposals(
    work: UnitOfWork, town_id: UUID, year: str, proposals: Sequence[DecisionProposal]
) -> list[RolloverDecision | None]:
    """Return the decision that each proposal would set, None where it changes nothing or is overridden. Writes nothing."""
    if not proposals or not _accepts_proposals(work, town_id, year):
        return [None] * len(proposals)
    lines = _get_lines(work, RolloverRepository(work.session).find_by_from_year(town_id, year), proposals)
    new_decisions: list[RolloverDecision | None] = []
    for proposal in proposals:
        line = lines.get(proposal.pupil_id) if proposal.pupil_id else None
        present = line.decision if line else get_default_decision(proposal.grade, PupilState.ACTIVE)
        proposed = resolve_decision(proposal.grade, PupilState.ACTIVE, proposal.decision)
        new_decisions.append(None if proposed is present or (line is not None and _is_decided(line)) else proposed)
    return new_decisions


def record_proposals(
    work: UnitOfWork, actor: Actor, town_id: UUID, year: str, decision_proposals: Sequence[DecisionProposal], undo_log: UndoLog
) -> None:
    """Write the proposals of a confirmed roster to the rollover's lines and refresh the draft.

    Where the town has no rollover yet, a draft is created, but only for proposals that differ from the default: the file is not kept,
    so they would be lost, while "everybody is promoted" is what a draft says anyway.
    """
    if not decision_proposals or not _accepts_proposals(work, town_id, year):
        return
    rollover = RolloverRepository(work.session).find_by_from_year(town_id, year)
    if rollover is None:
        active = PupilState.ACTIVE
        if all(
            resolve_decision(p.grade, active, p.decision) is get_default_decision(p.grade, active) for p in decision_proposals
        ):
            return
        rollover = drafting.get_or_create_draft(work, actor, town_id, year)
    drafting.refresh_lines(work, rollover, only_missing=True)
    lines = _get_lines(work, rollover, decision_proposals)
    updates = [
        (line, proposal.decision)
        for proposal in decision_proposals
        if proposal.pupil_id
        and (line := lines.get(proposal.pupil_id))
        and line.proposed_decision is not proposal.decision
        and not _is_decided(line)
    ]
    for line, decision in updates:
        undo_log.set_fields("proposal", line, {"proposed_decision": decision}, key=line.pupil_id)
    if updates:
        undo_log.proposals_rollover_id = rollover.id
        drafting.refresh_lines(work, rollover)


def _accepts_proposals(work: UnitOfWork, town_id: UUID, year: str) -> bool:
    """Return whether the town's current rollover is the one out of this year and still a draft. While the rollover of the former year is
    open, no other is created.
    """
    rollover = RolloverRepository(work.session).find_by_from_year(town_id, year)
    return drafting.get_current_from_year(work, town_id) == year and (rollover is None or rollover.state is RolloverState.DRAFT)


def _get_lines(work: UnitOfWork, rollover: Rollover | None, proposals: Sequence[DecisionProposal]) -> dict[UUID, RolloverLine]:
    pupil_ids = [proposal.pupil_id for proposal in proposals if proposal.pupil_id]
    return RolloverRepository(work.session).get_lines_of_pupils(rollover.id, pupil_ids) if rollover else {}


def _is_decided(line: RolloverLine) -> bool:
    """Return whether a head or a roster of the incoming year has decided the line, or the line is applied."""
    return (
        line.decided_by_head or line.decided_by_roster or line.applied_at is not None or line.decision is RolloverDecision.ARRIVED
    )
