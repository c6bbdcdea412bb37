"""Endpoints of the web filter: imported categories, and why a host is blocked. What places set is in their documents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, ConfigDict

from enrollment.facts import load_facts
from enrollment.tablets import service as tablets
from mdm.api.deps import ActorDep, WorkDep
from profiles.effective.explain import explain_host as explain_host_on
from profiles.filters import service
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


class CategoryListOut(BaseModel):
    """The imported categories, and whose they are. An archive has 200 at most."""

    licence: str
    categories: list[CategoryOut]


class HostExplanationOut(BaseModel):
    """What happens to a host on a tablet now, and why. `is_enforced`: whether the tablet itself holds what decides."""

    host: str
    mode: Mode
    decision: HostDecision
    reason: VerdictReason
    decided_by: str
    is_enforced: bool
    categories: list[str]


@router.post(
    "/towns/{town_id}/filter-lists",
    response_model=CategoryListOut,
    operation_id="import_filter_lists",
    summary="Import the filter lists of a town",
)
def import_filter_lists(town_id: UUID, file: UploadFile, work: WorkDep, actor: ActorDep) -> CategoryListOut:
    """Import categories from an archive in the format of the University of Toulouse; the former ones are replaced."""
    service.import_lists(work, actor, town_id, file.file)
    return list_filter_categories(town_id, work, actor)


@router.get(
    "/towns/{town_id}/filter-lists",
    response_model=CategoryListOut,
    operation_id="list_filter_categories",
    summary="List the imported filter categories of a town",
)
def list_filter_categories(town_id: UUID, work: WorkDep, actor: ActorDep) -> CategoryListOut:
    """Return the imported categories by name."""
    rows = service.list_categories(work, actor, town_id)
    return CategoryListOut(licence=LICENCE, categories=[CategoryOut.model_validate(row) for row in rows])


@router.get(
    "/tablets/{tablet_id}/why-host",
    response_model=HostExplanationOut,
    operation_id="explain_host",
    summary="Explain why a host is open or blocked",
)
def explain_host(tablet_id: UUID, host: str, work: WorkDep, actor: ActorDep) -> HostExplanationOut:
    """Return what happens to a host on a tablet now, and why."""
    tablets.get_tablet(work, actor, tablet_id)
    explanation = explain_host_on(work, load_facts(work, [tablet_id])[tablet_id], host)
    verdict = explanation.verdict
    return HostExplanationOut(
        host=host,
        mode=explanation.mode,
        decision=verdict.decision,
        reason=verdict.reason,
        decided_by=verdict.decided_by,
        is_enforced=verdict.is_enforced,
        categories=list(explanation.categories),
    )
