"""The answer to "why?": a tablet's mode and settings at an instant, with everyone who had a say. Renders nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.catalog.merge import Resolved
from profiles.effective.compile import content_in
from profiles.effective.situation import read_policy, resolved, situation_of
from profiles.schedule.guardian_rules import RestrictionEvaluation, evaluate_restrictions
from profiles.schedule.mode_decision import ModeDecision, decide_mode, find_next_change
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes, to_restriction

#: How many changes ahead a day's plan is told.
MAX_STEPS = 20


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that decides on one tablet at an instant. Guardians appear by their role, never by name."""

    at: datetime
    verdict: ModeDecision
    next_change: datetime | None
    settings: Mapping[str, Resolved]
    guardians: tuple[RestrictionEvaluation, ...]
    left_out: tuple[str, ...]

    @property
    def mode(self) -> Mode:
        return self.verdict.mode


def why(work: UnitOfWork, facts: TabletFacts, at: datetime | None = None) -> Why:
    """What holds for a tablet at an instant, and why: the same computation as what it is sent."""
    at = at or work.now
    now = evaluate_modes(work, [facts], at)[facts.tablet_id]
    policy = read_policy(work, [facts])
    situation = situation_of(facts, policy, now)
    rules = (
        ScheduleRepository(work.session).get_rules_by_pupil([facts.pupil_id]).get(facts.pupil_id, []) if facts.pupil_id else []
    )
    return Why(
        at=at,
        verdict=now.decision,
        next_change=find_next_change(now.inputs, at),
        settings=resolved(situation, policy, now.mode),
        guardians=tuple(evaluate_restrictions([to_restriction(row) for row in rules], now.inputs, at)),
        left_out=content_in(situation, policy, now.mode).omitted_settings,
    )


def explain(work: UnitOfWork, facts: TabletFacts) -> Mapping[str, Resolved]:
    """Each setting of a tablet now, with the layers that won and lost."""
    return why(work, facts).settings


def day_ahead(work: UnitOfWork, facts: TabletFacts, at: datetime, hours: int = 24) -> list[tuple[datetime, ModeDecision]]:
    """The modes of a tablet from an instant on, each with the instant at which it begins."""
    plan = evaluate_modes(work, [facts], at)[facts.tablet_id].inputs
    steps, edge = [(at, decide_mode(plan, at))], at
    while len(steps) < MAX_STEPS:
        following = find_next_change(plan, edge)
        if following is None or following > at + timedelta(hours=hours):
            break
        steps.append((following, decide_mode(plan, following)))
        edge = following
    return steps
