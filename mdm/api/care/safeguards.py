"""Endpoints of the safeguards: the budget of what cannot be taken back, its extensions, the stop switch."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from enrollment.safeguards import budget, extensions, stop_switch
from enrollment.safeguards.models import StopSwitch
from enrollment.safeguards.rules import MAX_EXTENSION, count_remaining_tablets
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.custody import ReasonIn
from mdm.queue.service import list_undelivered_destructive

router = APIRouter(tags=["care"])


class BudgetOut(BaseModel):
    """The limits of a town in tablets, and how many the caller could still erase at this moment."""

    person_per_hour: int
    person_per_day: int
    town_per_day: int
    remaining: int


class BudgetExtensionIn(ReasonIn):
    """How many tablets more, and why."""

    tablets: int = Field(ge=1, le=MAX_EXTENSION)


class BudgetExtensionOut(BaseModel):
    """More budget for the person who has requested it, between two instants. It can be cancelled at any time."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    tablets: int
    reason: str
    requested_at: datetime
    approved_at: datetime | None
    valid_from: datetime | None
    valid_until: datetime | None
    cancelled_at: datetime | None


class StopSwitchOut(BaseModel):
    """Whether everything irreversible is stopped in the town, and whether a release waits for a second person."""

    town_id: UUID
    stopped_at: datetime | None
    reason: str | None
    release_requested_at: datetime | None
    release_reason: str | None


class HeldCommandOut(BaseModel):
    """A destructive command that no tablet has received. It can be cancelled, and expires at its deadline."""

    command_id: int
    tablet_id: UUID
    tag: str
    request_type: str = Field(examples=["EraseDevice"])
    requested_by_name: str
    requested_at: datetime
    deadline: datetime


@router.get("/towns/{town_id}/budget", response_model=BudgetOut)
def get_budget(town_id: UUID, work: WorkDep, actor: ActorDep) -> BudgetOut:
    """Get the budget of what cannot be taken back.

    An erased, retired or disposed tablet and an erased child count as one; four pupils marked as leavers against their grade, four
    returns without a scan, or four ends of lost mode from afar count as one too.
    """
    state = budget.get_budget(work, actor, town_id)
    return BudgetOut(
        person_per_hour=state.limits.person_per_hour,
        person_per_day=state.limits.person_per_day,
        town_per_day=state.limits.town_per_day,
        remaining=count_remaining_tablets(state.limits, state.spending),
    )


@router.post("/towns/{town_id}/budget-extensions", response_model=BudgetExtensionOut, status_code=201)
def request_budget_extension(town_id: UUID, body: BudgetExtensionIn, work: WorkDep, actor: ActorDep) -> object:
    """Request more budget for the caller.

    Another person approves; half an hour later it begins, and it lasts a day.
    """
    return extensions.request_extension(work, actor, town_id, body.tablets, body.reason)


@router.get("/towns/{town_id}/budget-extensions")
def list_budget_extensions(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[BudgetExtensionOut]:
    """List the extensions of a town's budget, newest first."""
    return PageOut.of(extensions.list_extensions(work, actor, town_id, page), BudgetExtensionOut.model_validate)


@router.post("/budget-extensions/{extension_id}/approve", response_model=BudgetExtensionOut)
def approve_budget_extension(extension_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Approve an extension that another person has requested."""
    return extensions.approve_extension(work, actor, extension_id)


@router.post("/budget-extensions/{extension_id}/cancel", response_model=BudgetExtensionOut)
def cancel_budget_extension(extension_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Cancel an extension, also one that has begun.

    It needs no password, because stopping is always safe.
    """
    return extensions.cancel_extension(work, actor, extension_id)


@router.get("/towns/{town_id}/stop-switch", response_model=StopSwitchOut)
def get_stop_switch(town_id: UUID, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Get the stop switch of a town."""
    return _build_stop_switch_out(town_id, stop_switch.get_stop_switch(work, actor, town_id))


@router.put("/towns/{town_id}/stop-switch", response_model=StopSwitchOut)
def stop_destructive_commands(town_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Stop everything irreversible in a town, commands that wait included.

    Whoever cares for the tablets of the town may do it. Two people release it.
    """
    return _build_stop_switch_out(town_id, stop_switch.stop(work, actor, town_id, body.reason))


@router.post("/towns/{town_id}/stop-switch/release", response_model=StopSwitchOut)
def request_stop_switch_release(town_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Request that the stop switch is released.

    Another person approves.
    """
    return _build_stop_switch_out(town_id, stop_switch.request_release(work, actor, town_id, body.reason))


@router.post("/towns/{town_id}/stop-switch/release/approve", response_model=StopSwitchOut)
def approve_stop_switch_release(town_id: UUID, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Approve the release that another person has requested."""
    return _build_stop_switch_out(town_id, stop_switch.approve_release(work, actor, town_id))


@router.get("/towns/{town_id}/held-commands")
def list_held_commands(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[HeldCommandOut]:
    """List the destructive commands that no tablet of a town has received, oldest first.

    The stop switch holds them; after its release they go on. `POST /commands/{command_id}/cancel` cancels one.
    """
    return PageOut.of(
        list_undelivered_destructive(work, actor, town_id, page),
        lambda row: HeldCommandOut(
            command_id=row[0].id,
            tablet_id=row[2].id,
            tag=row[2].tag,
            request_type=row[1].request_type,
            requested_by_name=row[1].requested_by_name,
            requested_at=row[0].created_at,
            deadline=row[0].deadline,
        ),
    )


def _build_stop_switch_out(town_id: UUID, row: StopSwitch | None) -> StopSwitchOut:
    names = ("stopped_at", "reason", "release_requested_at", "release_reason")
    return StopSwitchOut(town_id=town_id, **{name: getattr(row, name) if row is not None else None for name in names})
