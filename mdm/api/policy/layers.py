"""Layers of policy: drafts, previews, staged roll-outs, roll-back, and whom a layer touches."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from profiles.policy import service
from profiles.policy.kinds import LayerKind, StageKind, VersionState
from profiles.policy.models import PolicyLayer
from profiles.policy.preview import preview
from profiles.policy.repository import LayerRepository
from profiles.policy.service import Stage
from profiles.schedule.modes import Mode

router = APIRouter(tags=["layers"])
_Settings = dict[str, dict[str, Any]]
_EXAMPLE: _Settings = {"all": {"allowCamera": True}, "night_rest": {"allowCamera": False}}


class LayerIn(BaseModel):
    """A layer to open: for a town, a role, a school, a grade, a class, a group, a pupil or a tablet."""

    town_id: UUID | None = None
    kind: LayerKind
    target: str = Field("", max_length=36, examples=["CE2"])
    name: str = Field("", max_length=120)


class LayerOut(BaseModel):
    """A layer."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID | None
    kind: LayerKind
    target: str
    name: str


class Draft(BaseModel):
    """Settings by "all" or a mode, then by catalogue key. `locks` are keys that nobody below may loosen."""

    settings: _Settings = Field(max_length=20, examples=[_EXAMPLE])
    locks: list[str] = Field(default=[], max_length=400)
    note: str | None = Field(None, max_length=300)


class VersionOut(BaseModel):
    """One version of a layer."""

    model_config = ConfigDict(from_attributes=True)
    number: int
    state: VersionState
    settings: _Settings
    locks: list[str]
    note: str | None
    stage: StageKind | None
    stage_target: UUID | None
    written_by_name: str
    written_at: datetime
    rolled_at: datetime | None
    stopped_why: str | None


class Publish(BaseModel):
    """How far a version goes out now."""

    stage: StageKind = StageKind.ALL
    target: UUID | None = None


class Stop(BaseModel):
    """Why a roll-out is stopped."""

    why: str = Field(min_length=3, max_length=200)


class EffectOut(BaseModel):
    """One setting that would change."""

    key: str
    before: Any
    after: Any
    modes: list[Mode]
    tablets: int


class PreviewOut(BaseModel):
    """What a draft would change."""

    tablets: int
    changed: int
    effects: list[EffectOut]
    without_effect: list[str]
    locked_above: list[str]


class Reach(BaseModel):
    """Whom a layer touches."""

    tablets: int
    tablet_ids: list[UUID]


class GroupIn(BaseModel):
    """A group of pupils across classes."""

    town_id: UUID
    name: str = Field(min_length=1, max_length=120)
    pupil_ids: list[UUID] = Field(max_length=2000)


class GroupOut(BaseModel):
    """A group."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    name: str


@router.put("/layers", response_model=LayerOut, operation_id="open_layer")
def open_layer(body: LayerIn, work: WorkDep, actor: ActorDep) -> PolicyLayer:
    """The layer of a place; made on first use."""
    return service.open_layer(work, actor, body.town_id, body.kind, body.target, body.name)


@router.get("/layers", response_model=list[LayerOut], operation_id="list_layers")
def layers(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """The layers of a town."""
    return LayerRepository(work.session).layers(actor, town_id)


@router.get("/layers/{layer_id}/versions", response_model=list[VersionOut], operation_id="list_layer_versions")
def versions(layer_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """All versions, newest first: who, when, what."""
    return LayerRepository(work.session).versions(service.find(work, actor, layer_id).id)


@router.post("/layers/{layer_id}/versions", response_model=VersionOut, status_code=201, operation_id="save_layer_draft")
def save(layer_id: UUID, body: Draft, work: WorkDep, actor: ActorDep) -> object:
    """Save a draft. Nothing changes on tablets yet."""
    return service.save_draft(work, actor, layer_id, body.settings, body.locks, body.note)


@router.post("/layers/{layer_id}/preview", response_model=PreviewOut, operation_id="preview_layer")
def show(layer_id: UUID, body: Draft, work: WorkDep, actor: ActorDep) -> PreviewOut:
    """What a draft would change, before it is saved."""
    found = preview(work, actor, layer_id, body.settings, body.locks)
    effects = [
        EffectOut(key=e.change.key, before=e.change.before, after=e.change.after, modes=list(e.modes), tablets=e.tablets)
        for e in found.effects
    ]
    return PreviewOut(
        tablets=found.tablets,
        changed=found.changed,
        effects=effects,
        without_effect=list(found.without_effect),
        locked_above=list(found.loosened_in_vain),
    )


@router.post("/layers/{layer_id}/versions/{number}/publish", response_model=VersionOut, operation_id="publish_layer")
def publish(layer_id: UUID, number: int, body: Publish, work: WorkDep, actor: ActorDep) -> object:
    """Put a version into force: for one tablet, a class, a school, or all. Again, to go further."""
    return service.publish(work, actor, layer_id, number, Stage(body.stage, body.target))


@router.post("/layers/{layer_id}/stop", response_model=VersionOut, operation_id="stop_layer")
def stop(layer_id: UUID, body: Stop, work: WorkDep, actor: ActorDep) -> object:
    """Stop a roll-out: what held before holds again."""
    return service.stop(work, actor, layer_id, body.why)


@router.post("/layers/{layer_id}/versions/{number}/restore", response_model=VersionOut, operation_id="restore_layer")
def restore(layer_id: UUID, number: int, work: WorkDep, actor: ActorDep) -> object:
    """Go back to an earlier version, as a new one."""
    return service.roll_back(work, actor, layer_id, number)


@router.get("/layers/{layer_id}/reach", response_model=Reach, operation_id="get_layer_reach")
def reach(layer_id: UUID, work: WorkDep, actor: ActorDep) -> Reach:
    """The tablets that a layer speaks to: the reverse of "why"."""
    found = service.reach(work, actor, layer_id)
    return Reach(tablets=len(found), tablet_ids=found[:1000])


@router.post("/groups", response_model=GroupOut, status_code=201, operation_id="create_group")
def create_group(body: GroupIn, work: WorkDep, actor: ActorDep) -> object:
    """Name a group of pupils."""
    return service.create_group(work, actor, body.town_id, body.name, body.pupil_ids)


@router.get("/groups", response_model=list[GroupOut], operation_id="list_groups")
def groups(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """The groups of a town."""
    return LayerRepository(work.session).groups(actor, town_id)
