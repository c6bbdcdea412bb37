"""The answer to "why?": a tablet's mode and settings at an instant, with every source of them. Renders nothing.

See docs/domain/policy.md#explanation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.catalog.merge import Resolved
from profiles.effective.contents import build_mode_content
from profiles.effective.situation import build_situation, load_policy
from profiles.schedule.guardian_rules import RestrictionEvaluation, evaluate_restrictions
from profiles.schedule.mode_decision import ModeDecision, decide_mode, find_next_change
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes, to_restriction

#: How many coming modes are listed at most.
MAX_COMING_MODES = 20


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that decides on one tablet at an instant. Guardians appear by their role, never by name."""

    at: datetime
    decision: ModeDecision
    next_change: datetime | None
    settings: Mapping[str, Resolved]
    guardians: tuple[RestrictionEvaluation, ...]
    left_out: tuple[str, ...]

    @property
    def mode(self) -> Mode:
        """The mode at that instant."""
        return self.decision.mode


def explain(work: UnitOfWork, facts: TabletFacts, at: datetime | None = None) -> Explanation:
    """Return what is in force for a tablet at an instant, and why: the same computation as what it is sent."""
    at = at or work.now
    now = evaluate_modes(work, [facts], at)[facts.tablet_id]
    policy = load_policy(work, [facts])
    situation = build_situation(facts, policy, now)
    rules = (
        ScheduleRepository(work.session).get_rules_by_pupil([facts.pupil_id]).get(facts.pupil_id, []) if facts.pupil_id else []
    )
    return Explanation(
        at=at,
        decision=now.decision,
        next_change=find_next_change(now.inputs, at),
        settings=policy.get_settings(situation, now.mode),
        guardians=tuple(evaluate_restrictions([to_restriction(row) for row in rules], now.inputs, at)),
        left_out=build_mode_content(situation, policy, now.mode).omitted_settings,
    )


def list_coming_modes(work: UnitOfWork, facts: TabletFacts, at: datetime, hours: int = 24) -> list[tuple[datetime, ModeDecision]]:
    """Return the modes of a tablet from an instant on, each with the instant at which it begins."""
    inputs = evaluate_modes(work, [facts], at)[facts.tablet_id].inputs
    steps, edge = [(at, decide_mode(inputs, at))], at
    while len(steps) < MAX_COMING_MODES:
        following = find_next_change(inputs, edge)
        if following is None or following > at + timedelta(hours=hours):
            break
        steps.append((following, decide_mode(inputs, following)))
        edge = following
    return steps
