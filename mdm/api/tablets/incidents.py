"""Endpoints of incidents: breakage with loaner and repair, recovery of a lost tablet, theft; loans and incidents of a tablet."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cartable.scope import Permission
from enrollment.tablets import desk, incidents, lookup, recovery
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import (
    BreakageCause,
    Condition,
    Incident,
    IncidentKind,
    Reporter,
)
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.custody import DeskTabletOut, LoanOut, ReasonIn, Scan, build_desk_tablet_out, build_loan_out
from mdm.care.lost_mode.recovery import recover_device

router = APIRouter(tags=["custody"])


class BreakageIn(BaseModel):
    """The report of a breakage by the family or the teacher."""

    description: str = Field(min_length=3, max_length=1000)
    cause: BreakageCause
    intentional: bool | None = None
    insured_on: date | None = None
    reporter: Reporter | None = None
    place: str | None = Field(None, max_length=120)
    happened_on: date | None = None


class RecoveryIn(BaseModel):
    """The scan of a missing tablet that was found, and its condition."""

    scan: Scan
    condition: Condition


class LoanerIn(BaseModel):
    """The scan of the loaner."""

    scan: Scan


class TheftIn(BaseModel):
    """The receipt of the police report, without its content."""

    receipt_number: str = Field(min_length=1, max_length=40)
    receipt_on: date


class SettlementIn(BaseModel):
    """Whether the pupil keeps the loaner."""

    keep_loaner: bool = False


class IncidentOut(BaseModel):
    """An incident, without its description."""

    id: UUID
    tablet_id: UUID
    kind: IncidentKind
    reporter: Reporter | None
    happened_on: date | None
    cause: BreakageCause | None
    intentional: bool | None
    reported_at: datetime
    receipt_number: str | None
    receipt_on: date | None
    insured_on: date | None
    loaner_id: UUID | None
    closed_at: datetime | None


class IncidentReportOut(IncidentOut):
    """An incident with its report: what was reported, and where it happened."""

    description: str
    place: str | None


class CustodyOut(BaseModel):
    """The loans and incidents of a tablet, newest first."""

    loans: list[LoanOut]
    incidents: list[IncidentOut]


@router.post("/tablets/{tablet_id}/breakages", status_code=201)
def report_breakage(tablet_id: UUID, body: BreakageIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Report that a tablet is broken.

    The loan stays open.
    """
    incident = IncidentReport(body.description, **body.model_dump(exclude={"description"}))
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return build_incident_out(incidents.report_breakage(work, actor, tablet, incident))


@router.post("/tablets/{tablet_id}/loaner")
def lend_loaner(tablet_id: UUID, body: LoanerIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Lend the pupil of a broken tablet another one.

    The loaner gets the same rules and apps.
    """
    broken = lookup.get_tablet_for_update(work, actor, tablet_id)
    return build_incident_out(
        incidents.lend_loaner(work, actor, broken, lookup.get_scanned_for_update(work, actor, broken.town_id, body.scan))
    )


@router.post("/tablets/{tablet_id}/repair")
def send_tablet_to_repair(tablet_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Record that the repair service has collected a broken tablet."""
    return build_desk_tablet_out(
        incidents.send_to_repair(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.reason)
    )


@router.post("/tablets/{tablet_id}/repair/complete")
def complete_repair(tablet_id: UUID, body: ReasonIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Record that a tablet is back from repair.

    `reason` names the tests that it passed.
    """
    return build_desk_tablet_out(
        incidents.record_repair(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.reason)
    )


@router.post("/tablets/{tablet_id}/settle")
def settle_breakage(tablet_id: UUID, body: SettlementIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Settle a breakage: the pupil gets the repaired tablet back, or keeps the loaner."""
    return build_incident_out(
        incidents.settle_breakage(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), keep_loaner=body.keep_loaner)
    )


@router.post("/tablets/{tablet_id}/theft")
def report_theft(tablet_id: UUID, body: TheftIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Report that a lost tablet is stolen, with the receipt of the police report."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    return build_incident_out(incidents.record_theft(work, actor, tablet, body.receipt_number, body.receipt_on))


@router.post("/towns/{town_id}/recoveries")
def recover_tablet(town_id: UUID, body: RecoveryIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Record that a missing tablet has been found.

    Lost mode is lifted, the identity renewed and an inventory asked for.
    """
    return build_desk_tablet_out(
        recovery.mark_found(work, actor, town_id, body.scan, body.condition, recover_device=recover_device)
    )


@router.get("/towns/{town_id}/incidents")
def list_incidents(
    town_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    kind: IncidentKind | None = None,
    is_open: bool | None = Query(None, alias="open"),
) -> PageOut[IncidentOut]:
    """List the incidents of a town that the caller may see, newest first."""
    return PageOut.of(desk.list_incidents(work, actor, town_id, kind, is_open=is_open, page=page), build_incident_out)


@router.get("/incidents/{incident_id}")
def get_incident(incident_id: UUID, work: WorkDep, actor: ActorDep) -> IncidentReportOut:
    """Get an incident with its report.

    Each reading is audited.
    """
    row = incidents.read_incident(work, actor, incident_id)
    return IncidentReportOut(**{name: getattr(row, name) for name in IncidentReportOut.model_fields})


@router.get("/tablets/{tablet_id}/custody")
def get_tablet_custody(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> CustodyOut:
    """Get the loans and the incidents of a tablet, newest first."""
    loans, incidents_of_tablet = desk.get_history(work, actor, tablet_id)
    return CustodyOut(
        loans=[build_loan_out(row) for row in loans], incidents=[build_incident_out(row) for row in incidents_of_tablet]
    )


def build_incident_out(row: Incident) -> IncidentOut:
    """Return an incident for the API, without its description."""
    return IncidentOut(**{name: getattr(row, name) for name in IncidentOut.model_fields})
