"""Endpoints of saved views of the list of tablets. Each person has their own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.care.views import service
from mdm.care.views.service import MAX_VIEW_NAME, MAX_VIEW_QUERY

router = APIRouter(prefix="/saved-views", tags=["tablets"])


class SavedViewIn(BaseModel):
    """A name, and the filter as the address of the list carries it."""

    name: str = Field(min_length=1, max_length=MAX_VIEW_NAME)
    query: str = Field(max_length=MAX_VIEW_QUERY, examples=["state=in_use&lacks=apps"])


class SavedViewOut(SavedViewIn):
    """A saved view."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    saved_at: datetime


class SavedViewsOut(BaseModel):
    """The views of the caller, by name: twenty at most."""

    items: list[SavedViewOut]


@router.get("")
def get_saved_views(work: WorkDep, actor: ActorDep) -> SavedViewsOut:
    """Return the saved views of the caller."""
    return SavedViewsOut(items=[SavedViewOut.model_validate(row) for row in service.list_views(work, actor)])


@router.post("", response_model=SavedViewOut, status_code=201)
def save_view(body: SavedViewIn, work: WorkDep, actor: ActorDep) -> object:
    """Save a view of the list of tablets.

    One of the same name is replaced.
    """
    return service.save_view(work, actor, body.name, body.query)


@router.delete("/{saved_view_id}", status_code=204)
def delete_view(saved_view_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete a saved view of the caller."""
    service.delete_view(work, actor, saved_view_id)
