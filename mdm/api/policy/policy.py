"""The town's floor of restrictions, its web filter, and the catalogue of settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from profiles import service
from profiles.catalog.settings import MergeRule, ValueKind, load_catalog

router = APIRouter(tags=["policy"])


class Floor(BaseModel):
    """Settings by catalogue key."""

    settings: dict[str, Any] = Field(max_length=300, examples=[{"allowVPNCreation": False}])


class WebFilterModel(BaseModel):
    """The built-in web filter. Hosts without scheme; 250 at most in each list."""

    auto_filter: bool = True
    denied: list[str] = Field(default=[], max_length=1000, examples=[["jeux.example"]])
    permitted: list[str] = Field(default=[], max_length=1000)


class SettingOut(BaseModel):
    """One setting of the catalogue."""

    key: str
    kind: ValueKind
    merge: MergeRule
    supervised: bool
    minimum_os: str
    removed_in: str | None
    french: str
    english: str


@router.get("/catalog", response_model=list[SettingOut], operation_id="list_settings")
def settings(_actor: ActorDep) -> list[SettingOut]:
    """Every setting that a layer may hold."""
    return [
        SettingOut(
            key=s.key,
            kind=s.kind,
            merge=s.merge_rule,
            supervised=s.supervised,
            minimum_os=".".join(map(str, s.minimum)),
            removed_in=".".join(map(str, s.removed)) if s.removed else None,
            french=s.words.fr,
            english=s.words.en,
        )
        for s in load_catalog().values()
    ]


@router.get("/towns/{town_id}/floor", response_model=Floor, operation_id="get_floor")
def floor(town_id: UUID, work: WorkDep, actor: ActorDep) -> Floor:
    """The town's floor."""
    return Floor(settings=service.read_floor(work, actor, town_id))


@router.put("/towns/{town_id}/floor", response_model=Floor, operation_id="put_floor")
def put_floor(town_id: UUID, body: Floor, work: WorkDep, actor: ActorDep) -> Floor:
    """Save a new version of the floor; every tablet of the town follows."""
    return Floor(settings=service.write_floor(work, actor, town_id, body.settings).settings)


@router.get("/towns/{town_id}/web-filter", response_model=WebFilterModel, operation_id="get_web_filter")
def web_filter(town_id: UUID, work: WorkDep, actor: ActorDep) -> WebFilterModel:
    """The town's web filter."""
    row = service.read_filter(work, actor, town_id)
    return WebFilterModel(auto_filter=row.auto_filter, denied=row.denied, permitted=row.permitted) if row else WebFilterModel()


@router.put("/towns/{town_id}/web-filter", response_model=WebFilterModel, operation_id="put_web_filter")
def put_web_filter(town_id: UUID, body: WebFilterModel, work: WorkDep, actor: ActorDep) -> WebFilterModel:
    """Save the town's web filter; every tablet of the town follows."""
    row = service.write_filter(work, actor, town_id, auto_filter=body.auto_filter, denied=body.denied, permitted=body.permitted)
    return WebFilterModel(auto_filter=row.auto_filter, denied=row.denied, permitted=row.permitted)
