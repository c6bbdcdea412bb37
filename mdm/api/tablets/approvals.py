"""Endpoints of a tablet's end, and of acts that two people decide: evidence hold, its release, write-off of a loss."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.scope import Permission
from enrollment.identity.service import revoke_tablet_certificates
from enrollment.tablets import approvals, inventory, lookup
from enrollment.tablets.models import (
    ApprovalAction,
    ApprovalRequest,
)
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import DeskTabletOut, ReasonIn, build_desk_tablet_out
from mdm.channel.authenticate import retire_enrollments

router = APIRouter(tags=["custody"])


class ApprovalRequestIn(BaseModel):
    """An act that another person must approve."""

    action: ApprovalAction
    reason: str = Field(min_length=3, max_length=300)


class ApprovalIn(BaseModel):
    """An approval. `decision` is the reason for writing off a loss before sixty days."""

    decision: str | None = Field(None, min_length=3, max_length=300)


class DisposalIn(BaseModel):
    """The documents of a disposal."""

    wipe_proof: str = Field(min_length=1, max_length=120)
    waste_slip: str = Field(min_length=1, max_length=120)


class ApprovalRequestOut(BaseModel):
    """A request that waits for a second person or is approved."""

    id: UUID
    tablet_id: UUID
    action: ApprovalAction
    requested_at: datetime
    approved_at: datetime | None


@router.post("/tablets/{tablet_id}/retire")
def retire_tablet(tablet_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Retire a tablet from the programme."""
    return build_desk_tablet_out(
        inventory.retire_tablet(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.reason)
    )


@router.post("/tablets/{tablet_id}/manual-wipe")
def record_manual_wipe(tablet_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Record that a tablet was erased by hand, because no command can reach it; `reason` says how."""
    return build_desk_tablet_out(
        inventory.record_manual_wipe(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.reason)
    )


@router.post("/tablets/{tablet_id}/dispose")
def dispose_tablet(tablet_id: UUID, body: DisposalIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Record that a retired tablet was disposed of, with the proof of its wipe and the waste slip."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id)
    return build_desk_tablet_out(
        inventory.dispose_of_tablet(
            work, actor, tablet, wipe_proof=body.wipe_proof, waste_slip=body.waste_slip, unenroll=retire_enrollments
        )
    )


@router.post("/tablets/{tablet_id}/approval-requests", status_code=201)
def request_approval(tablet_id: UUID, body: ApprovalRequestIn, work: WorkDep, actor: ActorDep) -> ApprovalRequestOut:
    """Request an evidence hold, its release or the write-off of a lost tablet.

    Another person approves.
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return _build_request_out(approvals.request_approval(work, actor, tablet, body.action, body.reason))


@router.post("/approval-requests/{request_id}/approve")
def approve_request(request_id: UUID, body: ApprovalIn, work: WorkDep, actor: ActorDep) -> ApprovalRequestOut:
    """Approve and carry out what another person has requested."""
    return _build_request_out(
        approvals.approve_request(work, actor, request_id, decision=body.decision, revoke_certificates=revoke_tablet_certificates)
    )


def _build_request_out(row: ApprovalRequest) -> ApprovalRequestOut:
    return ApprovalRequestOut(**{name: getattr(row, name) for name in ApprovalRequestOut.model_fields})
