"""Erasing in bulk: asked, approved by another person, cancelled while there is time. Each asks for the password again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from cartable.errors import DomainError
from cartable.i18n import preferred_language
from enrollment.tablets.models import TabletState
from mdm.accounts import service as accounts
from mdm.accounts.models import Account
from mdm.api.deps import AccountDep, ActorDep, WorkDep
from mdm.api.errors import build_problem
from mdm.care.erasing import bulk
from mdm.care.models import SkipReason

router = APIRouter(tags=["care"])


class AgainIn(BaseModel):
    """The caller's own password, once more."""

    password: str = Field(max_length=200)


class BulkIn(AgainIn):
    """Which tablets, and why. All were given back in an open return campaign."""

    tablet_ids: list[UUID] = Field(min_length=1, max_length=bulk.MOST_TABLETS)
    reason: str = Field(min_length=3, max_length=300)
    ticket: str = Field(pattern=r"^[A-Za-z0-9#/_.-]{1,40}$", examples=["RET-2027-06"])


class BulkOut(BaseModel):
    """Where an erase in bulk stands. Until `due_at` it can be cancelled."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    ticket: str
    asked_at: datetime
    approved_at: datetime | None
    due_at: datetime | None
    cancelled_at: datetime | None
    sent_at: datetime | None


class BulkTabletOut(BaseModel):
    """One tablet of it."""

    tablet_id: UUID
    tag: str
    state: TabletState
    left_out: SkipReason | None


class BulkDetail(BulkOut):
    """An erase in bulk with its tablets, by tag."""

    tablets: list[BulkTabletOut]


def _is_refused(request: Request, work: WorkDep, account: Account, password: str) -> JSONResponse | None:
    outcome = accounts.sign_in(work, account.login, password)
    if isinstance(outcome, DomainError):  # not raised: the counter of failures must be kept
        message = outcome.translate(preferred_language(request.headers.get("accept-language")))
        return build_problem(outcome.status, outcome.code, message)
    return None


@router.post("/towns/{town_id}/bulk-erases", response_model=BulkOut, status_code=201)
def request_bulk_erase(
    town_id: UUID, body: BulkIn, request: Request, work: WorkDep, actor: ActorDep, account: AccountDep
) -> object:
    """Request the erasing of tablets that were given back.

    Another person approves.
    """
    refused = _is_refused(request, work, account, body.password)
    return refused or bulk.ask(work, actor, town_id, body.tablet_ids, body.reason, body.ticket)


@router.post("/bulk-erases/{bulk_id}/approve", response_model=BulkOut)
def approve_bulk_erase(
    bulk_id: UUID, body: AgainIn, request: Request, work: WorkDep, actor: ActorDep, account: AccountDep
) -> object:
    """Approve a bulk erase that another person has requested.

    It begins half an hour later.
    """
    return _is_refused(request, work, account, body.password) or bulk.approve(work, actor, bulk_id)


@router.post("/bulk-erases/{bulk_id}/cancel", response_model=BulkOut)
def cancel_bulk_erase(bulk_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Cancel a bulk erase before its commands are sent.

    It needs no password, because stopping is always safe.
    """
    return bulk.cancel(work, actor, bulk_id)


@router.get("/towns/{town_id}/bulk-erases", response_model=list[BulkOut])
def list_bulk_erases(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """List the bulk erases of a town, newest first."""
    return bulk.listed(work, actor, town_id)


@router.get("/bulk-erases/{bulk_id}")
def get_bulk_erase(bulk_id: UUID, work: WorkDep, actor: ActorDep) -> BulkDetail:
    """Get a bulk erase with its tablets and those that were left out."""
    row, tablets = bulk.view(work, actor, bulk_id)
    told = [BulkTabletOut(tablet_id=t.id, tag=t.tag, state=t.state, left_out=why) for t, why in tablets]
    return BulkDetail(tablets=told, **BulkOut.model_validate(row).model_dump())
