"""Guardians' rules for the time at home: which are active at an instant and which are suspended. They only restrict. Pure.

See docs/domain/modes.md#guardian-rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from profiles.schedule.mode_decision import AfterSchool, ModeInputs, Span, are_guardian_rules_suspended, is_pause_active
from profiles.schedule.modes import Mode
from profiles.schedule.timetable import MIDNIGHT


class GuardianRuleKind(StrEnum):
    """What a guardian's rule does. Every kind restricts."""

    QUIET = "quiet"  # a longer night
    PAUSE = "pause"  # a one-off lock
    HIDE_APP = "hide_app"
    ONLY_LISTED_SITES = "only_listed_sites"  # with a site: that one and the guardian's others; without: what the places permit


class RestrictionStatus(StrEnum):
    """Whether a rule applies at an instant."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # by school; it applies again afterwards, unchanged
    RESTING = "resting"  # outside its own hours
    OVER = "over"  # a one-off lock that has ended
    YIELDS = "yields"  # another guardian has priority by a court's decision


class StatusReason(StrEnum):
    """Why a rule has its status."""

    RULE = "rule"
    SCHOOL = "school"
    ATTENDS = "attends_after_school"
    ACTIVITY = "in_activity"
    CLASS_SESSION = "class_session"
    OUTSIDE_HOURS = "outside_hours"
    ENDED = "ended"
    COURT_ORDER = "court_order"


@dataclass(frozen=True, slots=True)
class GuardianRestriction:
    """One rule of one guardian.

    `window` is in local minutes of every day and may cross midnight; `span` is the time of a one-off lock. `priority` is set
    where a court gave this guardian the last word.
    """

    kind: GuardianRuleKind
    guardian: UUID
    subject: str = ""
    window: tuple[int, int] | None = None
    span: Span | None = None
    priority: bool = False


@dataclass(frozen=True, slots=True)
class RestrictionEvaluation:
    """A rule, its status and the reason. People see it without the guardian's name."""

    restriction: GuardianRestriction
    status: RestrictionStatus
    reason: StatusReason


def evaluate_restrictions(
    restrictions: Iterable[GuardianRestriction], inputs: ModeInputs, at: datetime
) -> list[RestrictionEvaluation]:
    """Return the status of each rule for a tablet at an instant.

    A rule yields when another guardian has priority in the same matter. All active rules apply together, so the most
    restrictive decides.
    """
    restrictions = list(restrictions)
    subjects_with_priority = {_get_matter(restriction) for restriction in restrictions if restriction.priority}
    return [
        _evaluate_restriction(
            restriction,
            inputs,
            at,
            yields=not restriction.priority and _get_matter(restriction) in subjects_with_priority,
        )
        for restriction in restrictions
    ]


def _get_matter(restriction: GuardianRestriction) -> tuple[GuardianRuleKind, str]:
    """Return what two guardians may disagree on: each app for itself, but the list of sites as one."""
    is_list = restriction.kind is GuardianRuleKind.ONLY_LISTED_SITES
    return restriction.kind, "" if is_list else restriction.subject


def list_hidden_apps(restrictions: Iterable[GuardianRestriction], inputs: ModeInputs, at: datetime) -> frozenset[str]:
    """Return the bundle identifiers of the apps that guardians hide at an instant."""
    return frozenset(
        evaluation.restriction.subject
        for evaluation in evaluate_restrictions(restrictions, inputs, at)
        if evaluation.status is RestrictionStatus.ACTIVE and evaluation.restriction.kind is GuardianRuleKind.HIDE_APP
    )


@dataclass(frozen=True, slots=True)
class GuardianSites:
    """The sites to which guardians limit a child: for each guardian who has such a rule now, the sites that it names.

    A guardian who names none limits the child to what the places permit. `owner` is the child whose lists these are, and None where no
    list names a site: then the rule is the same for every child. It stays while the rules rest.
    """

    owner: UUID | None
    lists: tuple[frozenset[str], ...] = ()


def find_guardian_sites(
    restrictions: Iterable[GuardianRestriction], pupil_id: UUID, inputs: ModeInputs, at: datetime
) -> GuardianSites | None:
    """Return the sites to which guardians limit a child at an instant; None for a child without such a rule."""
    limiting = [each for each in restrictions if each.kind is GuardianRuleKind.ONLY_LISTED_SITES]
    if not limiting:
        return None
    sites_by_guardian: dict[UUID, set[str]] = {}
    for evaluation in evaluate_restrictions(limiting, inputs, at):
        if evaluation.status is RestrictionStatus.ACTIVE:
            sites = sites_by_guardian.setdefault(evaluation.restriction.guardian, set())
            sites.update({evaluation.restriction.subject} - {""})
    return GuardianSites(
        owner=pupil_id if any(each.subject for each in limiting) else None,
        lists=tuple(sorted((frozenset(sites) for sites in sites_by_guardian.values()), key=sorted)),
    )


def _evaluate_restriction(
    restriction: GuardianRestriction, inputs: ModeInputs, at: datetime, *, yields: bool
) -> RestrictionEvaluation:
    if yields:
        return RestrictionEvaluation(restriction, RestrictionStatus.YIELDS, StatusReason.COURT_ORDER)
    if restriction.span is not None and not is_pause_active(inputs, restriction.span, at):
        if at < restriction.span.starts:
            return RestrictionEvaluation(restriction, RestrictionStatus.RESTING, StatusReason.OUTSIDE_HOURS)
        return RestrictionEvaluation(restriction, RestrictionStatus.OVER, StatusReason.ENDED)
    if restriction.window is not None and not _is_in_window(restriction.window, inputs, at):
        return RestrictionEvaluation(restriction, RestrictionStatus.RESTING, StatusReason.OUTSIDE_HOURS)
    if are_guardian_rules_suspended(inputs, at):
        return RestrictionEvaluation(restriction, RestrictionStatus.SUSPENDED, _get_suspension_reason(inputs, at))
    return RestrictionEvaluation(restriction, RestrictionStatus.ACTIVE, StatusReason.RULE)


def _is_in_window(window: tuple[int, int], inputs: ModeInputs, at: datetime) -> bool:
    if not inputs.schedules:
        return True
    local = at.astimezone(inputs.schedules[0].zone)
    minute, (starts, ends) = local.hour * 60 + local.minute, window
    return starts <= minute < ends if starts < ends else minute >= starts or minute < ends % MIDNIGHT


def _get_suspension_reason(inputs: ModeInputs, at: datetime) -> StatusReason:
    if inputs.session is not None and inputs.session.contains(at):
        return StatusReason.CLASS_SESSION
    if any(schedule.get_segment_at(at).band_mode in (Mode.SCHOOL, Mode.EXAM) for schedule in inputs.schedules):
        return StatusReason.SCHOOL
    return StatusReason.ATTENDS if inputs.after_school is AfterSchool.ATTENDS else StatusReason.ACTIVITY
