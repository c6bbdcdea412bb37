"""Endpoints of restores and of the clock: what was noticed, which tablets came from after the backup, the confirmation that the clock is right."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.timeline.models import RestoreEvidence
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.restores import overview
from mdm.channel.models import ReadoptionOutcome

router = APIRouter(prefix="/system", tags=["system"])


class DatabaseRestoreOut(BaseModel):
    """A restore of the database from a backup that the server has noticed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    evidence: RestoreEvidence
    noticed_at: datetime
    data_until: datetime = Field(description="Until when the data of the backup go.")
    known_until: datetime = Field(description="How far the lost part had got, as far as is known.")
    expired_commands: int = Field(description="Commands that take something away and were not sent.")
    cancelled_bulk_erases: int


class ReadoptionOut(BaseModel):
    """A tablet with a certificate of the server's CA that the restored database does not know."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    outcome: ReadoptionOutcome
    tablet_id: UUID | None
    udid: str
    serial: str | None
    issued_at: datetime = Field(description="When its certificate was issued.")
    first_at: datetime
    last_at: datetime


class ClockOut(BaseModel):
    """The server's clock."""

    model_config = ConfigDict(from_attributes=True)
    now: datetime
    known_at: datetime | None = Field(description="The last time at which the clock was trusted.")
    paused_since: datetime | None = Field(description="Since when it is not trusted: nothing is deleted or expires.")


class ClockReleaseIn(BaseModel):
    """Why the clock is right."""

    reason: str = Field(min_length=3, max_length=300)


@router.get("/restores")
def list_restores(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[DatabaseRestoreOut]:
    """List the restores of the database that were noticed, newest first."""
    return PageOut.of(overview.list_restores(work, actor, page), DatabaseRestoreOut.model_validate)


@router.get("/readoptions")
def list_readoptions(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ReadoptionOut]:
    """List the tablets that had enrolled or renewed after a backup, newest first."""
    return PageOut.of(overview.list_readoptions(work, actor, page), ReadoptionOut.model_validate)


@router.get("/clock", response_model=ClockOut)
def get_clock(work: WorkDep, actor: ActorDep) -> object:
    """Get the server's clock, and whether it is trusted."""
    return overview.get_clock(work, actor)


@router.post("/clock/release", status_code=204)
def release_clock(body: ClockReleaseIn, work: WorkDep, actor: ActorDep) -> None:
    """Release the clock: it is right, although it has jumped."""
    overview.release_clock(work, actor, body.reason)
