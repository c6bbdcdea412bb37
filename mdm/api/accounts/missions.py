"""Endpoints of missions: the days on which a technician shared by several towns works for one of them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.accounts import missions
from mdm.accounts.models import Mission
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class MissionIn(BaseModel):
    """The technician and the days of a mission, both included."""

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


@router.post("/towns/{town_id}/missions", response_model=MissionOut, status_code=201)
def create_mission(town_id: UUID, body: MissionIn, work: WorkDep, actor: ActorDep) -> MissionOut:
    """Call a shared technician into a town for some days.

    On other days the technician does not see the town.
    """
    return _build_mission_out(
        missions.create_mission(work, actor, town_id, body.login, body.first_day, body.last_day, body.reason)
    )


@router.get("/towns/{town_id}/missions")
def list_missions(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[MissionOut]:
    """List the missions of a town that are not over."""
    return PageOut.of(missions.list_missions(work, actor, town_id, page), lambda row: _build_mission_out(row[0]))


@router.delete("/missions/{mission_id}", response_model=MissionOut)
def end_mission(mission_id: UUID, work: WorkDep, actor: ActorDep) -> MissionOut:
    """End a mission at once."""
    return _build_mission_out(missions.end_mission(work, actor, mission_id))


def _build_mission_out(row: Mission) -> MissionOut:
    return MissionOut(**{name: getattr(row, name) for name in MissionOut.model_fields})
