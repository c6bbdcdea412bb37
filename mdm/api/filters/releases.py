"""Endpoints of lists that came by themselves, of the schools that get them first, and of a town's own sites."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.filters import former_lists, options, releases
from profiles.filters.models import ReleaseStatus

router = APIRouter(tags=["web filter"])


class CategoryChangeOut(BaseModel):
    """What new lists change in one category: its sites before and after, how many leave and come, and samples of both."""

    name: str
    before: int
    after: int
    leaving: int
    coming: int
    leaving_samples: list[str]
    coming_samples: list[str]


class ListReleaseOut(BaseModel):
    """New lists that came by themselves, what they change, and what became of them."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    status: ReleaseStatus
    arrived_at: datetime
    trial_until: datetime | None = Field(description="When lists on trial are in force everywhere, unless somebody stops them.")
    decided_at: datetime | None
    shrunk: list[str] = Field(description="Categories that would lose so many sites that a person looks first.")
    changes: list[CategoryChangeOut]


class FilterOptionsOut(BaseModel):
    """What a town chose for its filter beside the rules of places."""

    model_config = ConfigDict(from_attributes=True)
    own_hosts: list[str] = Field(
        description="Sites of the town and its schools; only the categories closed to every child close them."
    )
    trial_schools: list[UUID] = Field(description="Schools that get new lists first; none: all get them at once.")
    trial_hours: int


class OwnHostsIn(BaseModel):
    """Sites of a town and its schools."""

    hosts: Annotated[list[Annotated[str, Field(max_length=260)]], Field(max_length=500)]


class TrialSchoolsIn(BaseModel):
    """The schools that get new lists first, and for how long."""

    school_ids: Annotated[list[UUID], Field(max_length=1000)]
    hours: int = options.DEFAULT_TRIAL_HOURS


@router.get("/towns/{town_id}/filter-list-releases", response_model=PageOut[ListReleaseOut])
def list_filter_list_releases(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ListReleaseOut]:
    """List the filter lists that came by themselves, the newest first, with what they change."""
    return PageOut.of(releases.list_releases(work, actor, town_id, page), ListReleaseOut.model_validate)


@router.get("/filter-list-releases/{release_id}", response_model=ListReleaseOut)
def get_filter_list_release(release_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Get filter lists that came by themselves, with what they change."""
    return releases.get_release(work, actor, release_id)


@router.post("/filter-list-releases/{release_id}/approve", response_model=ListReleaseOut)
def approve_filter_list_release(release_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Approve filter lists that wait or are on trial. Those that wait go on trial where the town has schools for it."""
    return releases.approve_release(work, actor, release_id)


@router.post("/filter-list-releases/{release_id}/stop", response_model=ListReleaseOut)
def stop_filter_list_release(release_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Stop filter lists that wait or are on trial. Schools that tried them have the former ones again."""
    return releases.stop_release(work, actor, release_id)


@router.post("/filter-list-releases/{release_id}/undo", response_model=ListReleaseOut)
def undo_filter_list_release(release_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Undo filter lists that are in force: for 14 days their categories can become again what they were before."""
    return former_lists.undo_release(work, actor, release_id)


@router.get("/towns/{town_id}/filter-options", response_model=FilterOptionsOut)
def get_filter_options(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Get the own sites of a town and the schools that get new lists first."""
    return options.get_options(work, actor, town_id)


@router.put("/towns/{town_id}/filter-options/own-hosts", response_model=FilterOptionsOut)
def set_own_hosts(town_id: UUID, body: OwnHostsIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the sites of a town and its schools. The resolver keeps them open in every mode, unless they are in a category closed to every child."""
    return options.set_own_hosts(work, actor, town_id, body.hosts)


@router.put("/towns/{town_id}/filter-options/trial-schools", response_model=FilterOptionsOut)
def set_trial_schools(town_id: UUID, body: TrialSchoolsIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the schools that get new filter lists first, and for how many hours. Their tablets get another address of the resolver."""
    return options.set_trial_schools(work, actor, town_id, body.school_ids, body.hours)
