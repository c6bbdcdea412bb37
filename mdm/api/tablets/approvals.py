"""The end of a tablet, and acts that two people decide: evidence hold, its release, writing off a loss."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.tablets import approvals, inventory, lookup
from enrollment.tablets.models import (
    PairAct,
    PairRequest,
)
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import DeskTablet, WhyIn, desk_tablet
from mdm.care import custody as acts

router = APIRouter(tags=["custody"])


class PairIn(BaseModel):
    """An act that another person must approve."""

    act: PairAct
    reason: str = Field(min_length=3, max_length=300)


class ApproveIn(BaseModel):
    """`decision`: why a loss is written off before sixty days."""

    decision: str | None = Field(None, min_length=3, max_length=300)


class DisposeIn(BaseModel):
    """The papers of the end."""

    wipe_proof: str = Field(min_length=1, max_length=120)
    waste_slip: str = Field(min_length=1, max_length=120)


class PairOut(BaseModel):
    """A request that waits for a second person, or has been approved."""

    id: UUID
    tablet_id: UUID
    act: PairAct
    asked_at: datetime
    approved_at: datetime | None


@router.post("/tablets/{tablet_id}/retire", operation_id="retire_tablet")
def retire(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """Take a tablet out of the programme."""
    return desk_tablet(inventory.retire(work, actor, lookup.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/wiped", operation_id="state_wiped")
def wiped(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A tablet that could not be told was erased by hand; `why` says how. Others say so themselves."""
    return desk_tablet(inventory.state_wiped(work, actor, lookup.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/dispose", operation_id="dispose_tablet")
def dispose(tablet_id: UUID, body: DisposeIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A retired tablet is gone, with the proof of its wipe and the waste slip."""
    return desk_tablet(acts.dispose(work, actor, tablet_id, wipe_proof=body.wipe_proof, waste_slip=body.waste_slip))


@router.post("/tablets/{tablet_id}/pair-requests", status_code=201, operation_id="ask_pair")
def ask(tablet_id: UUID, body: PairIn, work: WorkDep, actor: ActorDep) -> PairOut:
    """Ask for an evidence hold, its release, or the writing off of a loss; another person approves."""
    return _pair(acts.ask_pair(work, actor, tablet_id, body.act, body.reason))


@router.post("/pair-requests/{request_id}/approve", operation_id="approve_pair")
def approve(request_id: UUID, body: ApproveIn, work: WorkDep, actor: ActorDep) -> PairOut:
    """Carry out what another person asked for."""
    return _pair(approvals.approve(work, actor, request_id, decision=body.decision))


def _pair(row: PairRequest) -> PairOut:
    return PairOut(**{name: getattr(row, name) for name in PairOut.model_fields})
