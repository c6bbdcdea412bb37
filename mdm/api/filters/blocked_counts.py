"""Endpoints of the counts of questions that categories closed."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.unit_of_work import UnitOfWork
from mdm.api.deps import ActorDep, WorkDep
from mdm.resolver import blocked_counts
from profiles.filters.options import load_options

router = APIRouter(tags=["web filter"])


class DayCountsOut(BaseModel):
    """The questions that each category closed on a day, from all tablets of the town together."""

    model_config = ConfigDict(from_attributes=True)
    day: date
    by_category: dict[str, int | None] = Field(description="Null stands for fewer than five.")


class BlockedCountsOut(BaseModel):
    """Whether a town asks for counts, and those of the last 30 days."""

    is_wanted: bool
    days: list[DayCountsOut]


class CountingIn(BaseModel):
    """Whether a town asks for counts."""

    is_wanted: bool


@router.get("/towns/{town_id}/blocked-counts", response_model=BlockedCountsOut)
def get_blocked_counts(town_id: UUID, work: WorkDep, actor: ActorDep) -> BlockedCountsOut:
    """Get how many questions each category has closed a day, where the town asks for it. No site, tablet or child is counted."""
    return _build_out(work, town_id, blocked_counts.list_days(work, actor, town_id))


@router.put("/towns/{town_id}/blocked-counts", response_model=BlockedCountsOut)
def set_counting(town_id: UUID, body: CountingIn, work: WorkDep, actor: ActorDep) -> BlockedCountsOut:
    """Set whether questions that categories close are counted. A town needs five tablets in use for it."""
    blocked_counts.set_counting(work, actor, town_id, is_wanted=body.is_wanted)
    return _build_out(work, town_id, blocked_counts.list_days(work, actor, town_id))


def _build_out(work: UnitOfWork, town_id: UUID, days: list[blocked_counts.DayCounts]) -> BlockedCountsOut:
    is_wanted = load_options(work, town_id).counts_questions
    return BlockedCountsOut(is_wanted=is_wanted, days=[DayCountsOut.model_validate(each) for each in days])
