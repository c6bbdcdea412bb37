"""What people do to tablets: lost mode, position, lock, refresh, erase, the stop switch."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.tablets.incidents import Account
from enrollment.tablets.models import Reporter
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.tablets import LostOut
from mdm.care.erasing import service as erasing
from mdm.care.lost_mode import positions
from mdm.care.lost_mode import service as lost_mode
from mdm.care.models import LostCase, PositionRequest

router = APIRouter(tags=["care"])


class Reason(BaseModel):
    """Why; read by those who answer for it, and kept for a year."""

    reason: str = Field(min_length=3, max_length=300, examples=["Signalée par la famille, bus 189"])


class LostIn(Reason):
    """What the screen shows is the town's message and phone, unless others are given."""

    reporter: Reporter | None = Field(None, description="Who told of it.")
    place: str | None = Field(None, max_length=120, description="Where it was last seen; no names.")
    happened_on: date | None = None

    message: str | None = Field(None, max_length=200)
    phone: str | None = Field(None, max_length=40)
    footnote: str | None = Field(None, max_length=120)


class LiftIn(Reason):
    """A loss is ended from afar only after a call back, except when the tablet was scanned in hand."""

    called_back: bool = Field(False, description="The family was called back on a number that was known before.")


class EraseIn(Reason):
    """An erase answers to a ticket (schools.md section 13)."""

    ticket: str = Field(pattern=r"^[A-Za-z0-9#/_.-]{1,40}$", examples=["INC-2026-0412"], description="Its number; no names.")


class LockIn(BaseModel):
    """An optional text for the lock screen."""

    message: str | None = Field(None, max_length=200)


class PositionOut(BaseModel):
    """A request for one fix, and its answer."""

    id: UUID
    case_id: UUID
    requested_at: datetime
    approved_at: datetime | None
    expires_at: datetime
    answered_at: datetime | None
    failed_why: str | None
    position: dict[str, Any] | None = Field(description="Degrees and metres; purged seven days after the case is closed.")


class SwitchOut(BaseModel):
    """Whether destructive commands are stopped in the town."""

    town_id: UUID
    stopped_at: datetime | None


@router.post("/tablets/{tablet_id}/lost", response_model=LostOut, operation_id="mark_lost")
def mark_lost(tablet_id: UUID, body: LostIn, work: WorkDep, actor: ActorDep) -> LostOut:
    """Mark a tablet lost. A second call finds the open case: one order, one message."""
    told = Account(body.reason, reporter=body.reporter, place=body.place, happened_on=body.happened_on)
    return _lost(
        lost_mode.mark_lost(
            work, actor, tablet_id, body.reason, message=body.message, phone=body.phone, footnote=body.footnote, told=told
        )
    )


@router.post("/tablets/{tablet_id}/lift", response_model=LostOut, operation_id="lift_lost")
def lift(tablet_id: UUID, body: LiftIn, work: WorkDep, actor: ActorDep) -> LostOut:
    """Ask for the end of lost mode; the case closes when the tablet confirms."""
    return _lost(lost_mode.lift(work, actor, tablet_id, body.reason, called_back=body.called_back))


@router.post("/tablets/{tablet_id}/position-requests", response_model=PositionOut, status_code=201, operation_id="ask_position")
def ask_position(tablet_id: UUID, body: Reason, work: WorkDep, actor: ActorDep) -> PositionOut:
    """Ask for one fix of a tablet whose lost mode is confirmed; a town administrator approves."""
    return _position(positions.ask_position(work, actor, tablet_id, body.reason))


@router.post("/position-requests/{request_id}/approve", response_model=PositionOut, operation_id="approve_position")
def approve_position(request_id: UUID, work: WorkDep, actor: ActorDep) -> PositionOut:
    """Let the fix be asked. Nobody approves a request of his own."""
    return _position(positions.approve_position(work, actor, request_id))


@router.get("/position-requests", response_model=list[PositionOut], operation_id="list_position_requests")
def listed(work: WorkDep, actor: ActorDep, limit: int = Query(100, ge=1, le=200)) -> list[PositionOut]:
    """Requests in the caller's reach that wait for an approval or for the tablet, oldest first."""
    return [_position(row) for row in positions.open_positions(work, actor, limit)]


@router.get("/position-requests/{request_id}", response_model=PositionOut, operation_id="get_position")
def position(request_id: UUID, work: WorkDep, actor: ActorDep) -> PositionOut:
    """A request and its answer. The reading is audited."""
    return _position(positions.read_position(work, actor, request_id))


@router.post("/tablets/{tablet_id}/lock", status_code=202, operation_id="lock_tablet")
def lock(tablet_id: UUID, body: LockIn, work: WorkDep, actor: ActorDep) -> None:
    """Switch the screen off. It blocks nothing on a tablet without passcode: lost mode does."""
    lost_mode.lock(work, actor, tablet_id, body.message)


@router.post("/tablets/{tablet_id}/sound", status_code=202, operation_id="play_sound")
def sound(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Let a lost tablet ring."""
    lost_mode.play_sound(work, actor, tablet_id)


@router.post("/tablets/{tablet_id}/refresh", status_code=202, operation_id="refresh_tablet")
def refresh(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Ask the tablet anew what it is and has."""
    lost_mode.refresh(work, actor, tablet_id)


@router.post("/tablets/{tablet_id}/erase", status_code=202, operation_id="erase_tablet")
def erase(tablet_id: UUID, body: EraseIn, work: WorkDep, actor: ActorDep) -> None:
    """Erase one tablet, within the quotas. A second call while the order waits changes nothing."""
    erasing.erase(work, actor, tablet_id, body.reason, body.ticket)


@router.put("/towns/{town_id}/destructive-stop", response_model=SwitchOut, operation_id="stop_destructive")
def stop(town_id: UUID, body: Reason, work: WorkDep, actor: ActorDep) -> SwitchOut:
    """Stop every destructive command of the town, also those that wait."""
    row = erasing.set_stop(work, actor, town_id, body.reason, stopped=True)
    return SwitchOut(town_id=town_id, stopped_at=row.stopped_at)


@router.delete("/towns/{town_id}/destructive-stop", response_model=SwitchOut, operation_id="resume_destructive")
def resume(town_id: UUID, work: WorkDep, actor: ActorDep) -> SwitchOut:
    """Let destructive commands go out again."""
    row = erasing.set_stop(work, actor, town_id, "", stopped=False)
    return SwitchOut(town_id=town_id, stopped_at=row.stopped_at)


def _lost(case: LostCase) -> LostOut:
    return LostOut(
        case_id=case.id, requested_at=case.requested_at, confirmed_at=case.confirmed_at, lift_requested_at=case.lift_requested_at
    )


def _position(row: PositionRequest) -> PositionOut:
    values = {name: getattr(row, name) for name in PositionOut.model_fields if name != "position"}
    return PositionOut(position=json.loads(row.position) if row.position else None, **values)
