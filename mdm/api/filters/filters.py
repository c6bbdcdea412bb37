"""Endpoints of the web filter: imported categories, and why a host is blocked. What places set is in their documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from cartable.scope import Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.web_filter import Remedy, try_host
from profiles.filters import list_updates, service
from profiles.filters.models import ListUpdates, UpdateProblem
from profiles.filters.proved_filter import FilterPart
from profiles.filters.reading import read_archive
from profiles.filters.rules import HostDecision, VerdictReason
from profiles.schedule.modes import Mode

router = APIRouter(tags=["web filter"])
LICENCE = "Lists: Université Toulouse Capitole, CC BY-SA 4.0."


class CategoryOut(BaseModel):
    """An imported category."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    white: bool
    hosts: int
    imported_at: datetime


class FilterImportOut(BaseModel):
    """What an archive brought: how many hosts each of its categories has, what became of the others, and whose lists they are."""

    model_config = ConfigDict(from_attributes=True)
    licence: str = LICENCE
    hosts: dict[str, int]
    kept: list[str] = Field(description="Categories that the archive does not contain; they stay.")
    removed: list[str]
    emptied: list[str]
    missing_baseline: list[str] = Field(description="Categories closed to every child of which the town has no hosts.")
    skipped: list[str] = Field(description="Files that look like lists and were not read.")


class ListUpdatesIn(BaseModel):
    """Whether a town wishes that its filter lists come by themselves."""

    is_wanted: bool


class ListUpdatesOut(BaseModel):
    """Whether a town's filter lists come by themselves, and how the last attempt went."""

    has_mirror: bool = Field(description="Whether the operator names a mirror.")
    is_wanted: bool
    checked_at: datetime | None
    updated_at: datetime | None
    problem: UpdateProblem | None = Field(description="Why the newest archive was not imported; the former lists stay in force.")
    shrunk: list[str] = Field(description="Categories that would have lost many of their sites.")


class HostExplanationOut(BaseModel):
    """What the rules want of a host on a tablet now, and why, and what the tablet does as far as it has proved what it has.

    `in_force` are the parts of the filter that it has, `closed_by` those that close the host. Where the tablet does not do what is
    wanted, `is_enforced` is false and `remedy` says what is to be done. On Wi-Fi networks in `own_networks` another filter decides.
    """

    host: str
    mode: Mode
    decision: HostDecision
    reason: VerdictReason
    decided_by: str
    in_force: list[FilterPart]
    closed_by: list[FilterPart]
    own_networks: list[str]
    is_enforced: bool
    remedy: Remedy | None
    categories: list[str]


@router.post("/towns/{town_id}/filter-lists", response_model=FilterImportOut)
def import_filter_lists(
    town_id: UUID,
    file: UploadFile,
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    remove_others: Annotated[bool, Form(description="Remove the categories that the archive does not contain.")] = False,
    confirm: Annotated[bool, Form(description="Categories may lose all their hosts.")] = False,
) -> object:
    """Import filter lists of a town. The archive has the format of the University of Toulouse; each of its categories is replaced.

    An import that would empty or remove a category answers 409 and names it, until it is confirmed.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    lists = read_archive(file.file)
    with runtime.open_unit_of_work() as work:
        return service.import_lists(work, actor, town_id, lists, remove_others=remove_others, confirmed=confirm)


@router.get("/towns/{town_id}/filter-lists", response_model=PageOut[CategoryOut])
def list_filter_categories(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[CategoryOut]:
    """List the imported filter categories of a town. They are lists of Université Toulouse Capitole, CC BY-SA 4.0."""
    return PageOut.of(service.list_categories(work, actor, town_id, page), CategoryOut.model_validate)


@router.get("/towns/{town_id}/filter-list-updates", response_model=ListUpdatesOut)
def get_filter_list_updates(town_id: UUID, work: WorkDep, actor: ActorDep) -> ListUpdatesOut:
    """Get whether a town's filter lists come by themselves from the operator's mirror, and how the last attempt went."""
    row = list_updates.get_updates(work, actor, town_id)
    return _build_updates_out(work, row)


@router.put("/towns/{town_id}/filter-list-updates", response_model=ListUpdatesOut)
def set_filter_list_updates(town_id: UUID, body: ListUpdatesIn, work: WorkDep, actor: ActorDep) -> ListUpdatesOut:
    """Set whether a town's filter lists come by themselves. The first time they are fetched at once."""
    return _build_updates_out(work, list_updates.set_updates(work, actor, town_id, is_wanted=body.is_wanted))


def _build_updates_out(work: UnitOfWork, row: ListUpdates | None) -> ListUpdatesOut:
    return ListUpdatesOut(
        has_mirror=bool(work.settings.filter_lists_url),
        is_wanted=row is not None and row.is_wanted,
        checked_at=row.checked_at if row is not None else None,
        updated_at=row.updated_at if row is not None else None,
        problem=row.problem if row is not None else None,
        shrunk=(row.shrunk if row is not None else None) or [],
    )


@router.get(
    "/tablets/{tablet_id}/why-host",
    response_model=HostExplanationOut,
)
def explain_host(tablet_id: UUID, host: str, work: WorkDep, actor: ActorDep) -> HostExplanationOut:
    """Explain why a host is open or blocked. On a tablet, now."""
    tablets.get_tablet(work, actor, tablet_id)
    outcome = try_host(work, tablet_id, host)
    explanation, verdict = outcome.explanation, outcome.explanation.verdict
    return HostExplanationOut(
        host=host,
        mode=explanation.mode,
        decision=verdict.decision,
        reason=verdict.reason,
        decided_by=verdict.decided_by,
        in_force=list(outcome.on_tablet.parts),
        closed_by=list(outcome.closing),
        own_networks=list(outcome.on_tablet.own_networks),
        is_enforced=outcome.is_enforced,
        remedy=outcome.remedy,
        categories=list(explanation.categories),
    )
