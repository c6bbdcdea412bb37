"""Endpoints of bulk erases: request, approval by another person, cancellation. Request and approval need the password once more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.erasing import bulk
from mdm.care.erasing.models import SkipReason

router = APIRouter(tags=["care"])


class BulkEraseIn(BaseModel):
    """The tablets to erase and the reason. All must have been given back in an open return campaign."""

    tablet_ids: list[UUID] = Field(min_length=1, max_length=bulk.MAX_TABLETS)
    reason: str = Field(min_length=3, max_length=300)
    ticket: str = Field(pattern=r"^[A-Za-z0-9#/_.-]{1,40}$", examples=["RET-2027-06"])


class BulkEraseOut(BaseModel):
    """The state of a bulk erase. Its next stage is sent at `due_at`; until the last one was sent, at `sent_at`, the rest can be cancelled."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    ticket: str
    requested_at: datetime
    approved_at: datetime | None
    due_at: datetime | None
    cancelled_at: datetime | None
    sent_at: datetime | None


class BulkEraseTabletOut(BaseModel):
    """One tablet of a bulk erase."""

    tablet_id: UUID
    tag: str
    state: TabletState
    decided_at: datetime | None = Field(description="When its stage was sent; null: it waits.")
    skip_reason: SkipReason | None


class BulkEraseDetail(BulkEraseOut):
    """A bulk erase with its tablets, by tag."""

    tablets: list[BulkEraseTabletOut]


@router.post("/towns/{town_id}/bulk-erases", response_model=BulkEraseOut, status_code=201)
def request_bulk_erase(town_id: UUID, body: BulkEraseIn, work: WorkDep, actor: ActorDep) -> object:
    """Request the erasing of tablets that were given back.

    Another person approves.
    """
    return bulk.request_bulk_erase(work, actor, town_id, body.tablet_ids, body.reason, body.ticket)


@router.post("/bulk-erases/{bulk_id}/approve", response_model=BulkEraseOut)
def approve_bulk_erase(bulk_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Approve a bulk erase that another person has requested.

    It begins half an hour later, with ten tablets, then a hundred, then the rest.
    """
    return bulk.approve_bulk_erase(work, actor, bulk_id)


@router.post("/bulk-erases/{bulk_id}/cancel", response_model=BulkEraseOut)
def cancel_bulk_erase(bulk_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Cancel a bulk erase, or what remains of it between two stages.

    It needs no password, because stopping is always safe.
    """
    return bulk.cancel_bulk_erase(work, actor, bulk_id)


@router.get("/towns/{town_id}/bulk-erases")
def list_bulk_erases(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[BulkEraseOut]:
    """List the bulk erases of a town, newest first."""
    return PageOut.of(bulk.list_bulk_erases(work, actor, town_id, page), BulkEraseOut.model_validate)


@router.get("/bulk-erases/{bulk_id}")
def get_bulk_erase(bulk_id: UUID, work: WorkDep, actor: ActorDep) -> BulkEraseDetail:
    """Get a bulk erase with its tablets and those that were left out."""
    row, tablets = bulk.get_bulk_erase(work, actor, bulk_id)
    items = [
        BulkEraseTabletOut(
            tablet_id=tablet.id, tag=tablet.tag, state=tablet.state, decided_at=line.decided_at, skip_reason=line.skip_reason
        )
        for line, tablet in tablets
    ]
    return BulkEraseDetail(tablets=items, **BulkEraseOut.model_validate(row).model_dump())
