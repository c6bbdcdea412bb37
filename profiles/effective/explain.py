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
from profiles.schedule.guardian_rules import Standings, standings
from profiles.schedule.mode_decision import Verdict, next_change, verdict_at
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ModeRepository
from profiles.schedule.service import rule_from, timed

#: How many changes ahead a day's plan is told.
MAX_STEPS = 20


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that decides on one tablet at an instant. Guardians appear by their role, never by name."""

    at: datetime
    verdict: Verdict
    next_change: datetime | None
    settings: Mapping[str, Resolved]
    guardians: tuple[Standings, ...]
    left_out: tuple[str, ...]

    @property
    def mode(self) -> Mode:
        return self.verdict.mode


def why(work: UnitOfWork, facts: TabletFacts, at: datetime | None = None) -> Why:
    """What holds for a tablet at an instant, and why: the same computation as what it is sent."""
    at = at or work.now
    now = timed(work, [facts], at)[facts.tablet_id]
    policy = read_policy(work, [facts])
    situation = situation_of(facts, policy, now)
    rules = ModeRepository(work.session).guardian_rules([facts.pupil_id]).get(facts.pupil_id, []) if facts.pupil_id else []
    return Why(
        at=at,
        verdict=now.verdict,
        next_change=next_change(now.plan, at),
        settings=resolved(situation, policy, now.mode),
        guardians=tuple(standings([rule_from(row) for row in rules], now.plan, at)),
        left_out=content_in(situation, policy, now.mode).left_out,
    )


def explain(work: UnitOfWork, facts: TabletFacts) -> Mapping[str, Resolved]:
    """Each setting of a tablet now, with the layers that won and lost."""
    return why(work, facts).settings


def day_ahead(work: UnitOfWork, facts: TabletFacts, at: datetime, hours: int = 24) -> list[tuple[datetime, Verdict]]:
    """The modes of a tablet from an instant on, each with the instant at which it begins."""
    plan = timed(work, [facts], at)[facts.tablet_id].plan
    steps, edge = [(at, verdict_at(plan, at))], at
    while len(steps) < MAX_STEPS:
        following = next_change(plan, edge)
        if following is None or following > at + timedelta(hours=hours):
            break
        steps.append((following, verdict_at(plan, following)))
        edge = following
    return steps
