"""The web filter: what places say, how it is delivered, imported categories, and why a host is blocked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from cartable.scope import Permission
from enrollment.facts import load_facts
from enrollment.tablets import service as tablets
from mdm.api.deps import ActorDep, WorkDep
from profiles.filters import service
from profiles.filters.models import DeliveryKind
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import Decision, Ground
from profiles.policy.kinds import LayerKind
from profiles.schedule.modes import Mode

router = APIRouter(tags=["web filter"])
LICENCE = "Lists: Université Toulouse Capitole, CC BY-SA 4.0."


class PolicyModel(BaseModel):
    """What a place says of the filter, in all modes ("all") or in one. 250 hosts at most in each list."""

    model_config = ConfigDict(from_attributes=True)
    kind: LayerKind
    target: str = Field("", max_length=36)
    mode: str = Field("all", examples=["school"])
    denied: list[str] = Field(default=[], max_length=1000)
    permitted: list[str] = Field(default=[], max_length=1000)
    openable: list[str] = Field(default=[], max_length=1000, description="Hosts that a teacher may open for a lesson.")
    categories: dict[str, str] = Field(default={}, max_length=200, examples=[{"games": "block"}])
    only_permitted: bool = Field(False, description="Nothing but the permitted hosts.")


class DeliveryModel(BaseModel):
    """How the filter reaches tablets: built in, a vendor's plug-in, or encrypted DNS."""

    model_config = ConfigDict(from_attributes=True)
    kind: DeliveryKind
    options: dict[str, Any] = Field(
        default={}, max_length=20, examples=[{"protocol": "HTTPS", "server": "https://dns.example/q"}]
    )


class CategoryOut(BaseModel):
    """An imported category."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    white: bool
    hosts: int
    imported_at: datetime


class ListsOut(BaseModel):
    """The imported categories, and whose they are."""

    licence: str
    categories: list[CategoryOut]


class HostWhy(BaseModel):
    """What happens to a host on a tablet now, and why."""

    host: str
    mode: Mode
    decision: Decision
    ground: Ground
    by: str
    categories: list[str]


@router.put("/towns/{town_id}/filter-policies", response_model=PolicyModel, operation_id="put_filter_policy")
def put_policy(town_id: UUID, body: PolicyModel, work: WorkDep, actor: ActorDep) -> object:
    """Save what a place says; its tablets follow."""
    return service.write_policy(work, actor, town_id, **body.model_dump())


@router.get("/towns/{town_id}/filter-policies", response_model=list[PolicyModel], operation_id="list_filter_policies")
def policies(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """What the places of a town say of the filter."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).policies(town_id)


@router.put("/towns/{town_id}/filter-delivery", response_model=DeliveryModel, operation_id="put_filter_delivery")
def put_delivery(town_id: UUID, body: DeliveryModel, work: WorkDep, actor: ActorDep) -> object:
    """Choose how the filter reaches tablets."""
    return service.choose_delivery(work, actor, town_id, body.kind, body.options)


@router.post("/towns/{town_id}/filter-lists", response_model=ListsOut, operation_id="import_filter_lists")
def import_lists(town_id: UUID, file: UploadFile, work: WorkDep, actor: ActorDep) -> ListsOut:
    """Import categories from an archive in the format of the University of Toulouse; the former ones are replaced."""
    service.import_lists(work, actor, town_id, file.file)
    return lists(town_id, work, actor)


@router.get("/towns/{town_id}/filter-lists", response_model=ListsOut, operation_id="list_filter_categories")
def lists(town_id: UUID, work: WorkDep, actor: ActorDep) -> ListsOut:
    """The imported categories."""
    actor.require_permission(Permission.SEE, town_id)
    rows = FilterRepository(work.session).categories(town_id)
    return ListsOut(licence=LICENCE, categories=[CategoryOut.model_validate(row) for row in rows])


@router.get("/tablets/{tablet_id}/why-host", response_model=HostWhy, operation_id="explain_host")
def why_host(tablet_id: UUID, host: str, work: WorkDep, actor: ActorDep) -> HostWhy:
    """Why a host is open or blocked on a tablet now."""
    tablets.get_tablet(work, actor, tablet_id)
    mode, categories, found = service.why_host(work, load_facts(work, [tablet_id])[tablet_id], host)
    return HostWhy(host=host, mode=mode, decision=found.decision, ground=found.ground, by=found.by, categories=categories)
