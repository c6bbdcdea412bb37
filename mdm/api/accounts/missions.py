"""Missions of technicians who are shared by several towns."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.accounts import missions
from mdm.accounts.models import Mission
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["accounts"])


class MissionIn(BaseModel):
    """Whom to call, for which days, both included."""

    login: str = Field(min_length=2, max_length=200)
    first_day: date
    last_day: date
    reason: str = Field(min_length=3, max_length=200, examples=["Remise des tablettes de CP"])


class MissionOut(BaseModel):
    """A mission in a town."""

    id: UUID
    town_id: UUID
    account_id: UUID
    first_day: date
    last_day: date
    reason: str
    visited_on: date | None
    ended_at: datetime | None


@router.post("/towns/{town_id}/missions", response_model=MissionOut, status_code=201, operation_id="give_mission")
def give(town_id: UUID, body: MissionIn, work: WorkDep, actor: ActorDep) -> MissionOut:
    """Call a shared technician into the town; on other days the town is not there for them."""
    return _out(missions.give(work, actor, town_id, body.login, body.first_day, body.last_day, body.reason))


@router.get("/towns/{town_id}/missions", response_model=list[MissionOut], operation_id="list_missions")
def listed(town_id: UUID, work: WorkDep, actor: ActorDep) -> list[MissionOut]:
    """Missions of the town that are not over."""
    return [_out(mission) for mission, _ in missions.listed(work, actor, town_id)]


@router.delete("/missions/{mission_id}", response_model=MissionOut, operation_id="end_mission")
def end(mission_id: UUID, work: WorkDep, actor: ActorDep) -> MissionOut:
    """End a mission at once."""
    return _out(missions.end(work, actor, mission_id))


def _out(row: Mission) -> MissionOut:
    return MissionOut(**{name: getattr(row, name) for name in MissionOut.model_fields})
