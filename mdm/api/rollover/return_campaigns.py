"""Endpoints of the return of tablets at the end of a school year: days, progress, what is still out."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from enrollment.rollover import returns
from enrollment.rollover.returns import TabletReturn
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["rollover"])


class ReturnDayIn(BaseModel):
    """The return day of a class, or of the whole school."""

    class_id: UUID | None = None
    day: date


class ReturnDaysIn(BaseModel):
    """The return days of one school."""

    school_id: UUID
    days: list[ReturnDayIn] = Field(max_length=100)


class ReturnDayOut(BaseModel):
    """One return day."""

    model_config = ConfigDict(from_attributes=True)
    school_id: UUID
    class_id: UUID | None
    day: date


class CampaignTabletOut(BaseModel):
    """A tablet of the return campaign."""

    tablet_id: UUID
    tag: str
    school_id: UUID
    class_id: UUID | None
    still_out: bool = Field(description="The leaver still holds it.")
    missing: bool = Field(description="Lost or stolen.")


class ReturnCampaignOut(BaseModel):
    """The return campaign of a rollover, for the schools that the caller may see."""

    opened_at: datetime | None
    closed_at: datetime | None
    days: list[ReturnDayOut]
    tablets: int = Field(description="How many tablets are to be returned.")
    still_out: int = Field(description="How many of them leavers still hold.")
    missing: int = Field(description="How many of them are lost or stolen.")


class HeldTabletOut(BaseModel):
    """A tablet that a leaver still holds."""

    tablet_id: UUID
    tag: str
    school_id: UUID


@router.get("/rollovers/{rollover_id}/tablets-to-return")
def list_tablets_to_return(rollover_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[HeldTabletOut]:
    """List the tablets that leavers still hold.

    It shows tags and no names.
    """
    return PageOut.of(
        returns.list_tablets_of_leavers(work, actor, rollover_id, page),
        lambda row: HeldTabletOut(tablet_id=row[0].id, tag=row[0].tag, school_id=row[1]),
    )


@router.get("/rollovers/{rollover_id}/return-campaign")
def get_return_campaign(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> ReturnCampaignOut:
    """Get the return campaign of a rollover: its days and its progress."""
    campaign, days = returns.get_campaign(work, actor, rollover_id)
    progress = returns.list_tablet_returns(work, actor, rollover_id)
    return ReturnCampaignOut(
        opened_at=campaign.opened_at if campaign else None,
        closed_at=campaign.closed_at if campaign else None,
        days=[ReturnDayOut.model_validate(day) for day in days],
        tablets=len(progress),
        still_out=sum(tablet.is_out for tablet in progress),
        missing=sum(tablet.is_missing for tablet in progress),
    )


@router.get("/rollovers/{rollover_id}/return-campaign/tablets")
def list_return_tablets(rollover_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[CampaignTabletOut]:
    """List the tablets of the return campaign.

    It shows tags and no names.
    """
    return PageOut.of(returns.list_tablet_returns_page(work, actor, rollover_id, page), _build_campaign_tablet_out)


@router.put("/rollovers/{rollover_id}/return-campaign")
def set_return_days(rollover_id: UUID, body: ReturnDaysIn, work: WorkDep, actor: ActorDep) -> ReturnCampaignOut:
    """Set the return days of one school."""
    returns.plan_return_days(work, actor, rollover_id, body.school_id, [(day.class_id, day.day) for day in body.days])
    return get_return_campaign(rollover_id, work, actor)


@router.post("/rollovers/{rollover_id}/return-campaign/open")
def open_return_campaign(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> ReturnCampaignOut:
    """Open the return campaign with the tablets of the present leavers.

    A repeated call adds those who have joined them since.
    """
    returns.open_campaign(work, actor, rollover_id)
    return get_return_campaign(rollover_id, work, actor)


@router.post("/rollovers/{rollover_id}/return-campaign/close")
def close_return_campaign(rollover_id: UUID, work: WorkDep, actor: ActorDep) -> ReturnCampaignOut:
    """Close the return campaign."""
    returns.close_campaign(work, actor, rollover_id)
    return get_return_campaign(rollover_id, work, actor)


def _build_campaign_tablet_out(row: TabletReturn) -> CampaignTabletOut:
    return CampaignTabletOut(
        tablet_id=row.tablet.id,
        tag=row.tablet.tag,
        school_id=row.line.school_id,
        class_id=row.line.class_id,
        still_out=row.is_out,
        missing=row.is_missing,
    )
