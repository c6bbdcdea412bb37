"""Endpoints of the audit trail: verify it, export it, its anchors outside the database."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from cartable import audit
from cartable.audit_anchors import AnchorFile, AnchorKind, build_proof
from cartable.audit_verification import FaultKind
from cartable.scope import Permission
from mdm.api.deps import EarlyActorDep, RuntimeDep
from mdm.privacy import audit_trail

router = APIRouter(prefix="/privacy", tags=["privacy"])


class AnchorOut(BaseModel):
    """The end of a chain as it was written outside the database."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    sequence: int = Field(description="The number of events that the chain had.")
    link: str


class ChainFaultOut(BaseModel):
    """The first place at which the audit trail of a town is wrong."""

    model_config = ConfigDict(from_attributes=True)
    kind: FaultKind
    sequence: int = Field(description="The place in the chain of the first event that is missing or changed.")
    event_id: int | None
    anchor: AnchorOut | None = Field(description="The first anchor outside the database that contradicts the chain.")


class AuditTrailOut(BaseModel):
    """Whether the audit trail of a town is complete and unchanged."""

    holds: bool
    events: int = Field(description="How many events were read and fit.")
    fault: ChainFaultOut | None


class AuditRootOut(BaseModel):
    """The newest root over the ends of all chains, with the proof that the chain of a town is part of it."""

    at: datetime
    root: str
    sequence: int
    link: str
    proof: list[tuple[str, str]] = Field(description="From the leaf to the root: the side and the hash of each neighbour.")


class AuditAnchorsOut(BaseModel):
    """The anchors of the audit trail of a town."""

    anchors: list[AnchorOut] = Field(description="The last of each day, oldest first.")
    daily_root: AuditRootOut | None


@router.get("/audit-trail/verify", response_model=AuditTrailOut)
def verify_audit_trail(town_id: UUID, runtime: RuntimeDep, actor: EarlyActorDep) -> AuditTrailOut:
    """Verify that the audit trail of a town is complete and unchanged, purged events included.

    Every event is read and compared with its chain, with the chain's counter, and with the anchors outside the database.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    report = audit_trail.verify_chains(runtime, audit.list_chain_keys(town_id))
    fault = ChainFaultOut.model_validate(report.faults[0]) if report.faults else None
    return AuditTrailOut(holds=fault is None, events=report.events, fault=fault)


@router.get("/audit-trail/export", response_class=StreamingResponse)
def export_audit_trail(town_id: UUID, runtime: RuntimeDep, actor: EarlyActorDep) -> StreamingResponse:
    """Export the audit trail of a town as lines of JSON, oldest first, with the link of each event.

    This reading is audited too.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    with runtime.open_unit_of_work() as work:
        audit.record_reading(work, actor, "audit.export", "town", town_id, town_id=town_id)
    events = audit_trail.export_events(runtime, audit.list_chain_keys(town_id))
    lines = (json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in events)
    return StreamingResponse(lines, media_type="application/x-ndjson")


@router.get("/audit-trail/anchors", response_model=AuditAnchorsOut)
def get_audit_anchors(town_id: UUID, runtime: RuntimeDep, actor: EarlyActorDep) -> AuditAnchorsOut:
    """Get the anchors of the audit trail of a town.

    A town that keeps a copy can later prove that no event was removed since then.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    anchor_file = AnchorFile(runtime.settings, runtime.keyring)
    [chain] = audit.list_chain_keys(town_id)
    daily, root = anchor_file.read_last(AnchorKind.DAILY), None
    if daily is not None and chain in daily.ends:
        end = daily.ends[chain]
        root = AuditRootOut(
            at=daily.at, root=daily.root, sequence=end.sequence, link=end.link, proof=build_proof(daily.ends, chain)
        )
    anchors = [AnchorOut.model_validate(anchor) for anchor in anchor_file.load_anchors(chain)]
    return AuditAnchorsOut(anchors=anchors, daily_root=root)
