"""Endpoints of groups of pupils across classes."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.policy import groups

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


class PolicyGroupMembersOut(BaseModel):
    """The pupils of a group."""

    pupil_ids: list[UUID]


class PolicyGroupChange(BaseModel):
    """Another name of a group, or exactly these pupils; what is left out stays."""

    name: str | None = Field(None, min_length=1, max_length=120)
    pupil_ids: list[UUID] | None = Field(None, max_length=2000)


@router.post("/groups", response_model=PolicyGroupOut, status_code=201)
def create_group(body: PolicyGroupIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a group of pupils. Across classes; a policy document may be written for it."""
    return groups.create_group(work, actor, body.town_id, body.name, body.pupil_ids)


@router.get("/groups", response_model=PageOut[PolicyGroupOut])
def list_groups(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[PolicyGroupOut]:
    """List the groups of a town. By name."""
    return PageOut.of(groups.list_groups(work, actor, town_id, page), PolicyGroupOut.model_validate)


@router.get("/groups/{group_id}/pupils", response_model=PolicyGroupMembersOut)
def get_group_members(group_id: UUID, work: WorkDep, actor: ActorDep) -> PolicyGroupMembersOut:
    """Return the pupils of a group. The reading is audited."""
    members = groups.list_members(work, actor, groups.get_group(work, actor, group_id))
    return PolicyGroupMembersOut(pupil_ids=[pupil.id for pupil in members])


@router.put("/groups/{group_id}", response_model=PolicyGroupOut)
def change_group(group_id: UUID, body: PolicyGroupChange, work: WorkDep, actor: ActorDep) -> object:
    """Change the name or the pupils of a group. The tablets of those who came or left are decided again."""
    group = groups.get_group(work, actor, group_id)
    groups.change_group(work, actor, group, name=body.name, pupil_ids=body.pupil_ids)
    return group


@router.delete("/groups/{group_id}", status_code=204)
def delete_group(group_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete a group that has no rules of its own."""
    groups.delete_group(work, actor, groups.get_group(work, actor, group_id))
