"""Endpoints of reports of losses: made by teachers and agents, confirmed or declined by the helpdesk."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.tablets.models import Reporter, Tablet
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.care.lost_mode import reports
from mdm.care.lost_mode.models import LossReport, LossReportState

router = APIRouter(tags=["care"])


class LossReportIn(BaseModel):
    """That a tablet is lost."""

    tag: str = Field(min_length=1, max_length=64, description="The tag on the tablet.", examples=["VAL-00042"])
    description: str = Field(min_length=3, max_length=300, description="What is known. No names.")
    place: str | None = Field(None, max_length=120, description="Where it was last seen. No names.")
    happened_on: date | None = None


class DeclineIn(BaseModel):
    """Why the tablet is not marked lost, for who reported it."""

    answer: str = Field(min_length=3, max_length=300, description="No names.")


class LossReportOut(BaseModel):
    """A report, and what has become of it."""

    id: UUID
    town_id: UUID
    school_id: UUID | None
    tablet_id: UUID
    tag: str
    reporter: Reporter
    reported_at: datetime
    description: str
    place: str | None
    happened_on: date | None
    state: LossReportState
    decided_at: datetime | None
    answer: str | None


@router.post("/loss-reports", status_code=201)
def report_loss(body: LossReportIn, work: WorkDep, actor: ActorDep) -> LossReportOut:
    """Report that a tablet is lost.

    For people who may not enable lost mode: of a school in which they work, by its tag. The helpdesk confirms it. A repeated call answers with
    the report that waits.
    """
    report = reports.report_loss(work, actor, body.tag, body.description, place=body.place, happened_on=body.happened_on)
    return _build_out(report, work.session.get_one(Tablet, report.tablet_id))


@router.get("/loss-reports")
def list_loss_reports(
    work: WorkDep, actor: ActorDep, page: PageParams, state: LossReportState | None = None
) -> PageOut[LossReportOut]:
    """List the reports about tablets that the caller cares for, oldest first."""
    return PageOut.of(reports.list_reports(work, actor, state, page), lambda row: _build_out(*row))


@router.get("/loss-reports/own")
def list_own_loss_reports(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[LossReportOut]:
    """List what the caller has reported, newest first."""
    return PageOut.of(reports.list_own_reports(work, actor, page), lambda row: _build_out(*row))


@router.post("/loss-reports/{report_id}/confirm")
def confirm_loss_report(report_id: UUID, work: WorkDep, actor: ActorDep) -> LossReportOut:
    """Confirm a report: the tablet is marked lost, and lost mode is enabled on it."""
    report = reports.confirm_report(work, actor, report_id)
    return _build_out(report, work.session.get_one(Tablet, report.tablet_id))


@router.post("/loss-reports/{report_id}/decline")
def decline_loss_report(report_id: UUID, body: DeclineIn, work: WorkDep, actor: ActorDep) -> LossReportOut:
    """Decline a report: nothing happens to the tablet, and who reported it reads why."""
    report = reports.decline_report(work, actor, report_id, body.answer)
    return _build_out(report, work.session.get_one(Tablet, report.tablet_id))


def _build_out(report: LossReport, tablet: Tablet) -> LossReportOut:
    names = LossReportOut.model_fields.keys() - {"tag"}
    return LossReportOut(tag=tablet.tag, **{name: getattr(report, name) for name in names})
