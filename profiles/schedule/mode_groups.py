"""Evaluates modes by groups: tablets whose mode depends on the schedule of their class alone need one evaluation together. Never commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.service import ModeEvaluation, evaluate_schedule, load_schedules


@dataclass(frozen=True, slots=True)
class ModeGroup:
    """Everything that the mode of its tablets depends on beside the town's schedules."""

    town_id: UUID
    school_id: UUID | None
    class_id: UUID | None
    grade: Grade | None
    after_school: AfterSchool
    is_staff: bool


def evaluate_groups(work: UnitOfWork, groups: Iterable[ModeGroup], at: datetime) -> dict[ModeGroup, ModeEvaluation]:
    """Return the evaluation of each group, in a constant number of queries. Groups with the same hours share one."""
    groups = set(groups)
    schedules = load_schedules(work, (group.town_id for group in groups))
    evaluations: dict[tuple[object, ...], ModeEvaluation] = {}
    by_group: dict[ModeGroup, ModeEvaluation] = {}
    for group in groups:
        schedule = schedules.get_schedule(group)
        key = (id(schedule), group.after_school, group.is_staff)
        if key not in evaluations:
            evaluations[key] = evaluate_schedule(schedule, group.after_school, at, is_staff=group.is_staff)
        by_group[group] = evaluations[key]
    return by_group
