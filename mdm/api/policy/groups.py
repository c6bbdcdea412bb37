"""Endpoints of groups of pupils across classes."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.policy import documents

router = APIRouter(tags=["groups"])


class PolicyGroupIn(BaseModel):
    """A group of pupils to create."""

    town_id: UUID
    name: str = Field(min_length=1, max_length=120)
    pupil_ids: list[UUID] = Field(max_length=2000)


class PolicyGroupOut(BaseModel):
    """A group of pupils."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    name: str


@router.post("/groups", response_model=PolicyGroupOut, status_code=201)
def create_group(body: PolicyGroupIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a group of pupils. Across classes; a policy document may be written for it."""
    return documents.create_group(work, actor, body.town_id, body.name, body.pupil_ids)


@router.get("/groups", response_model=PageOut[PolicyGroupOut])
def list_groups(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[PolicyGroupOut]:
    """List the groups of a town. By name."""
    return PageOut.of(documents.list_groups(work, actor, town_id, page), PolicyGroupOut.model_validate)
