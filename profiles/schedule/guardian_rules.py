"""What guardians may add at home: rules that only tighten, and when each rests (schools.md sections 6 and 12). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from profiles.schedule.mode_decision import AfterSchool, Plan, Span, guardians_suspended, holds_pause
from profiles.schedule.modes import Mode
from profiles.schedule.timetable import MIDNIGHT


class RuleKind(StrEnum):
    """What a rule does. All of them take something away."""

    QUIET = "quiet"  # a longer night
    PAUSE = "pause"  # one-off: the tablet rests
    HIDE_APP = "hide_app"
    ONLY_LISTED_SITES = "only_listed_sites"


class Standing(StrEnum):
    """How a rule stands at an instant."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # it comes back after, exactly as before
    RESTING = "resting"  # outside its own hours
    OVER = "over"  # a one-off that has ended
    YIELDS = "yields"  # another guardian has priority by a court's decision


class Why(StrEnum):
    """The reason of a standing, for the answer to "why"."""

    RULE = "rule"
    SCHOOL = "school"
    ATTENDS = "attends_after_school"
    ACTIVITY = "in_activity"
    CLASS_SESSION = "class_session"
    OUTSIDE_HOURS = "outside_hours"
    ENDED = "ended"
    COURT_ORDER = "court_order"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one guardian. `window` is local minutes of every day and may cross midnight; `span` is for a one-off."""

    kind: RuleKind
    guardian: UUID
    subject: str = ""
    window: tuple[int, int] | None = None
    span: Span | None = None
    priority: bool = False


@dataclass(frozen=True, slots=True)
class Standings:
    """One rule and how it stands. Never shown with the guardian's name."""

    rule: Rule
    standing: Standing
    why: Why


def standings(rules: Iterable[Rule], plan: Plan, at: datetime) -> list[Standings]:
    """How each rule stands for a tablet at an instant. Rules of equal guardians add up: the most restrictive holds."""
    known = list(rules)
    first = {(rule.kind, rule.subject) for rule in known if rule.priority}
    return [_standing(rule, plan, at, yields=not rule.priority and (rule.kind, rule.subject) in first) for rule in known]


def hidden_apps(rules: Iterable[Rule], plan: Plan, at: datetime) -> frozenset[str]:
    """The apps that guardians hide at an instant."""
    found = standings(rules, plan, at)
    return frozenset(s.rule.subject for s in found if s.standing is Standing.ACTIVE and s.rule.kind is RuleKind.HIDE_APP)


def _standing(rule: Rule, plan: Plan, at: datetime, *, yields: bool) -> Standings:
    if yields:
        return Standings(rule, Standing.YIELDS, Why.COURT_ORDER)
    if rule.span is not None and not holds_pause(plan, rule.span, at):
        early = at < rule.span.starts
        return Standings(rule, *((Standing.RESTING, Why.OUTSIDE_HOURS) if early else (Standing.OVER, Why.ENDED)))
    if rule.window is not None and not _in_window(rule.window, plan, at):
        return Standings(rule, Standing.RESTING, Why.OUTSIDE_HOURS)
    if guardians_suspended(plan, at):
        return Standings(rule, Standing.SUSPENDED, _suspended_by(plan, at))
    return Standings(rule, Standing.ACTIVE, Why.RULE)


def _in_window(window: tuple[int, int], plan: Plan, at: datetime) -> bool:
    if not plan.rhythms:
        return True
    local = at.astimezone(plan.rhythms[0].zone)
    minute, (starts, ends) = local.hour * 60 + local.minute, window
    return starts <= minute < ends if starts < ends else minute >= starts or minute < ends % MIDNIGHT


def _suspended_by(plan: Plan, at: datetime) -> Why:
    if plan.session is not None and plan.session.holds(at):
        return Why.CLASS_SESSION
    if any(rhythm.stretch_at(at).band in (Mode.SCHOOL, Mode.EXAM) for rhythm in plan.rhythms):
        return Why.SCHOOL
    return Why.ATTENDS if plan.after_school is AfterSchool.ATTENDS else Why.ACTIVITY
