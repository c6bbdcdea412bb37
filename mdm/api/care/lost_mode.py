"""Endpoints of lost mode: marking a tablet lost, the end of a loss, sound, positions."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import Reporter
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.custody import ReasonIn
from mdm.api.tablets.tablets import LostCaseOut, build_lost_case_out
from mdm.care.lost_mode import positions
from mdm.care.lost_mode import service as lost_mode
from mdm.care.lost_mode.models import PositionRequest

router = APIRouter(tags=["care"])


class LossIn(ReasonIn):
    """The report of a loss. The screen shows the town's message and phone unless others are given."""

    reporter: Reporter | None = Field(None, description="Who reported it.")
    place: str | None = Field(None, max_length=120, description="Where it was last seen; no names.")
    happened_on: date | None = None

    message: str | None = Field(None, max_length=200)
    phone: str | None = Field(None, max_length=40)
    footnote: str | None = Field(None, max_length=120)


class LostModeEndIn(ReasonIn):
    """The end of a loss. Without a scan of the tablet it needs a call back to the family."""

    called_back: bool = Field(False, description="The family was called back on a number that was known before.")


class PositionRequestOut(BaseModel):
    """A request for one fix, and its answer."""

    id: UUID
    case_id: UUID
    requested_at: datetime
    approved_at: datetime | None
    expires_at: datetime
    answered_at: datetime | None
    failure_reason: str | None
    position: dict[str, Any] | None = Field(description="Degrees and metres; purged seven days after the case is closed.")


@router.post("/tablets/{tablet_id}/lost-mode/enable", response_model=LostCaseOut)
def enable_lost_mode(tablet_id: UUID, body: LossIn, work: WorkDep, actor: ActorDep) -> LostCaseOut:
    """Mark a tablet lost and enable lost mode on it.

    A repeated call answers with the open case and sends nothing new.
    """
    incident_report = IncidentReport(body.reason, reporter=body.reporter, place=body.place, happened_on=body.happened_on)
    return build_lost_case_out(
        lost_mode.mark_lost(
            work,
            actor,
            tablet_id,
            body.reason,
            message=body.message,
            phone=body.phone,
            footnote=body.footnote,
            incident_report=incident_report,
        )
    )


@router.post("/tablets/{tablet_id}/lost-mode/disable", response_model=LostCaseOut)
def disable_lost_mode(tablet_id: UUID, body: LostModeEndIn, work: WorkDep, actor: ActorDep) -> LostCaseOut:
    """Ask for the end of lost mode.

    The case closes when the tablet confirms.
    """
    return build_lost_case_out(lost_mode.request_lift(work, actor, tablet_id, body.reason, called_back=body.called_back))


@router.post("/tablets/{tablet_id}/lost-mode/retry", response_model=LostCaseOut, status_code=202)
def retry_lost_mode(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> LostCaseOut:
    """Retry a refused lost mode, or its refused end, now."""
    return build_lost_case_out(lost_mode.retry_lost_mode(work, actor, tablet_id))


@router.post("/tablets/{tablet_id}/position-requests", response_model=PositionRequestOut, status_code=201)
def request_position(tablet_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> PositionRequestOut:
    """Request one position of a tablet whose lost mode is confirmed.

    A town administrator approves.
    """
    return _build_request_out(positions.request_position(work, actor, tablet_id, body.reason))


@router.post("/position-requests/{request_id}/approve", response_model=PositionRequestOut)
def approve_position_request(request_id: UUID, work: WorkDep, actor: ActorDep) -> PositionRequestOut:
    """Approve a request for a position.

    Nobody approves a request of their own.
    """
    return _build_request_out(positions.approve_position(work, actor, request_id))


@router.get("/position-requests")
def list_position_requests(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[PositionRequestOut]:
    """List the requests for positions that wait for an approval or for the tablet, oldest first."""
    return PageOut.of(positions.list_open_requests(work, actor, page), _build_request_out)


@router.get("/position-requests/{request_id}", response_model=PositionRequestOut)
def get_position_request(request_id: UUID, work: WorkDep, actor: ActorDep) -> PositionRequestOut:
    """Get a request for a position with its result.

    The reading is audited.
    """
    return _build_request_out(positions.read_position(work, actor, request_id))


@router.post("/tablets/{tablet_id}/lost-mode/sound", status_code=202)
def play_lost_mode_sound(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Play a sound on a lost tablet."""
    lost_mode.play_sound(work, actor, tablet_id)


def _build_request_out(row: PositionRequest) -> PositionRequestOut:
    values = {name: getattr(row, name) for name in PositionRequestOut.model_fields if name != "position"}
    return PositionRequestOut(position=json.loads(row.position) if row.position else None, **values)
