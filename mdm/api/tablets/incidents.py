"""Who held a tablet, and its mishaps: breakage with loaner and repair, loss found again, theft; incidents by town."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.tablets import desk, incidents, lookup
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import (
    Cause,
    Condition,
    Incident,
    IncidentKind,
    Reporter,
)
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import DeskTablet, LoanOut, Scan, WhyIn, desk_tablet, loan_out
from mdm.care import custody as acts
from mdm.care.lost_mode import recovery

router = APIRouter(tags=["custody"])


class BreakageIn(BaseModel):
    """What the family or the teacher tells."""

    account: str = Field(min_length=3, max_length=1000)
    cause: Cause
    intentional: bool | None = None
    insured_on: date | None = None
    reporter: Reporter | None = None
    place: str | None = Field(None, max_length=120)
    happened_on: date | None = None


class FoundIn(BaseModel):
    """A missing tablet in hand: what was scanned, and how it looks."""

    scan: Scan
    condition: Condition


class LoanerIn(BaseModel):
    """The tablet that stands in."""

    scan: Scan


class TheftIn(BaseModel):
    """The receipt of the police report; never what it says."""

    receipt_number: str = Field(min_length=1, max_length=40)
    receipt_on: date


class SettleIn(BaseModel):
    """Who keeps what when a repair is over."""

    keep_loaner: bool = False


class IncidentOut(BaseModel):
    """One incident."""

    id: UUID
    tablet_id: UUID
    kind: IncidentKind
    reporter: Reporter | None
    happened_on: date | None
    cause: Cause | None
    intentional: bool | None
    reported_at: datetime
    receipt_number: str | None
    receipt_on: date | None
    insured_on: date | None
    loaner_id: UUID | None
    closed_at: datetime | None


class CustodyOut(BaseModel):
    """Who held a tablet, and what happened to it, newest first."""

    loans: list[LoanOut]
    incidents: list[IncidentOut]


@router.post("/tablets/{tablet_id}/breakage", status_code=201, operation_id="report_breakage")
def breakage(tablet_id: UUID, body: BreakageIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Report a breakage. The loan stays open."""
    account = Account(body.account, **body.model_dump(exclude={"account"}))
    return incident_out(acts.report_breakage(work, actor, tablet_id, account))


@router.post("/tablets/{tablet_id}/loaner", operation_id="lend_loaner")
def loaner(tablet_id: UUID, body: LoanerIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Give the pupil of a broken tablet a loaner, with the same rules and apps."""
    broken = lookup.held(work, actor, tablet_id)
    return incident_out(incidents.lend_loaner(work, actor, broken, lookup.scanned(work, actor, broken.town_id, body.scan)))


@router.post("/tablets/{tablet_id}/repair", operation_id="send_to_repair")
def repair(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """The repair service has picked it up."""
    return desk_tablet(incidents.send_to_repair(work, actor, lookup.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/repaired", operation_id="repaired")
def repaired(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """It has come back; `why` names the tests it passed."""
    return desk_tablet(incidents.repaired(work, actor, lookup.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/settle", operation_id="settle_breakage")
def settle(tablet_id: UUID, body: SettleIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """End a breakage: the own tablet comes back, or the loaner stays."""
    return incident_out(incidents.settle(work, actor, lookup.held(work, actor, tablet_id), keep_loaner=body.keep_loaner))


@router.post("/tablets/{tablet_id}/theft", operation_id="report_theft")
def theft(tablet_id: UUID, body: TheftIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """A lost tablet is stolen: the police report was made."""
    return incident_out(acts.report_theft(work, actor, tablet_id, body.receipt_number, body.receipt_on))


@router.post("/towns/{town_id}/found", operation_id="found_tablet")
def found(town_id: UUID, body: FoundIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A missing tablet is held in hand again: lost mode is lifted, its identity renewed, what it has asked anew."""
    return desk_tablet(recovery.found(work, actor, town_id, body.scan, body.condition))


@router.get("/towns/{town_id}/incidents", operation_id="list_incidents")
def listed(
    town_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    kind: IncidentKind | None = None,
    is_open: bool | None = Query(None, alias="open"),
    after: Annotated[UUID | None, Query(description="The last incident of the page before.")] = None,
    limit: int = Query(50, ge=1, le=200),
) -> list[IncidentOut]:
    """Incidents of a town in the caller's reach, newest first."""
    return [incident_out(row) for row in desk.incidents_of(work, actor, town_id, kind, is_open=is_open, after=after, limit=limit)]


@router.get("/tablets/{tablet_id}/custody", operation_id="get_custody")
def history(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> CustodyOut:
    """Who held a tablet and what happened to it."""
    loans, happened = desk.history(work, actor, tablet_id)
    return CustodyOut(loans=[loan_out(row) for row in loans], incidents=[incident_out(row) for row in happened])


def incident_out(row: Incident) -> IncidentOut:
    """An incident, without its account."""
    return IncidentOut(**{name: getattr(row, name) for name in IncidentOut.model_fields})
