"""Endpoints of erasing: one tablet, and the stop switch of a town. Erases in bulk are in `bulk_erases`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import ReasonIn
from mdm.care.erasing import service as erasing

router = APIRouter(tags=["care"])


class TabletEraseIn(ReasonIn):
    """The reason for an erase, and the ticket that asked for it."""

    ticket: str = Field(pattern=r"^[A-Za-z0-9#/_.-]{1,40}$", examples=["INC-2026-0412"], description="Its number; no names.")


class StopSwitchOut(BaseModel):
    """Whether destructive commands are stopped in the town."""

    town_id: UUID
    stopped_at: datetime | None


@router.post("/tablets/{tablet_id}/erase", status_code=202)
def erase_tablet(tablet_id: UUID, body: TabletEraseIn, work: WorkDep, actor: ActorDep) -> None:
    """Erase one tablet, within the quotas.

    A repeated call while the command waits changes nothing.
    """
    erasing.erase_tablet(work, actor, tablet_id, body.reason, body.ticket)


@router.put("/towns/{town_id}/stop-switch", response_model=StopSwitchOut)
def stop_destructive_commands(town_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Stop all destructive commands of a town, those that wait included."""
    row = erasing.set_stop_switch(work, actor, town_id, body.reason, stopped=True)
    return StopSwitchOut(town_id=town_id, stopped_at=row.stopped_at)


@router.delete("/towns/{town_id}/stop-switch", response_model=StopSwitchOut)
def resume_destructive_commands(town_id: UUID, work: WorkDep, actor: ActorDep) -> StopSwitchOut:
    """Resume the destructive commands of a town."""
    row = erasing.set_stop_switch(work, actor, town_id, "", stopped=False)
    return StopSwitchOut(town_id=town_id, stopped_at=row.stopped_at)
