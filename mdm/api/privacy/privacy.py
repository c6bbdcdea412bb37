"""Endpoints for the data protection officer: data dictionary, retention, one pupil's data and its readers, reports."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.i18n import choose_language
from cartable.paging import paginate
from enrollment.people.models import AccessKind
from mdm.api.attachments import build_attachment
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.privacy import children, dictionary, papers, reports, retention
from mdm.privacy.models import PrivacyReport, ReportKind

router = APIRouter(prefix="/privacy", tags=["privacy"])


class PersonalFieldOut(BaseModel):
    """One personal field of the data dictionary."""

    table: str
    field: str
    what: str
    of: str = Field(description="Whose data it is: pupil, guardian, staff.")
    owner: str
    purpose: str
    ground: str
    retention: str | None = Field(description="A rule of the retention table.")
    until: str | None
    recipients: list[str]
    exported: bool = Field(description="Whether it is part of a child's export.")


class RetentionRuleOut(BaseModel):
    """One rule of the retention table, as it holds in a town."""

    id: str
    what: str
    starts: str
    does: str
    days: int
    shortest: int
    longest: int
    requirement: str
    reason: str | None = Field(description="Why the town has chosen another period.")


class RetentionPeriodIn(BaseModel):
    """A town's own period for a rule."""

    town_id: UUID
    days: int = Field(ge=0, le=10_000)
    reason: str = Field(min_length=3, max_length=300)


class RetentionPreviewOut(BaseModel):
    """What applying one rule would remove now."""

    model_config = ConfigDict(from_attributes=True)
    rule_id: str
    days: int
    due: int
    deferred: int = Field(description="Waits for something else, such as a tablet's return.")


class RetentionRunIn(BaseModel):
    """The town whose rules are applied."""

    town_id: UUID


class PrivacyReportOut(BaseModel):
    """A sealed report with numbers and ids, without names."""

    id: UUID
    town_id: UUID | None
    kind: ReportKind
    subject_id: UUID | None
    content: dict[str, Any]
    created_by: UUID | None
    created_at: datetime
    genuine: bool = Field(description="Whether the seal matches the content.")


class RecordAccessOut(BaseModel):
    """How often one person has read a pupil's record on one day."""

    model_config = ConfigDict(from_attributes=True)
    actor_name: str
    kind: AccessKind
    day: date
    first_at: datetime
    last_at: datetime
    access_count: int


class PupilEraseIn(BaseModel):
    """The reason for erasing a pupil's data. It is kept, so it holds no names."""

    reason: str = Field(min_length=3, max_length=300, examples=["request of the family, file 2026-17"])


def build_report_out(work: WorkDep, row: PrivacyReport) -> PrivacyReportOut:
    """Return a sealed report for the API, and whether its seal matches."""
    values = {name: getattr(row, name) for name in PrivacyReportOut.model_fields if name != "genuine"}
    return PrivacyReportOut(**values, genuine=reports.is_genuine(work, row))


@router.get("/dictionary")
def list_personal_fields(request: Request, _actor: ActorDep, page: PageParams) -> PageOut[PersonalFieldOut]:
    """List every personal field that is stored, with its purpose, legal ground, retention and recipients."""
    language = choose_language(request.headers.get("accept-language"))
    return PageOut.of(
        paginate(dictionary.list_entries(), page, lambda each: (each.table, each.field)),
        lambda each: PersonalFieldOut(
            table=each.table,
            field=each.field,
            what=each.label.translate(language),
            of=each.subject,
            owner=each.owner,
            purpose=each.purpose.translate(language),
            ground=each.legal_ground.translate(language),
            retention=each.retention,
            until=each.until.translate(language) if each.until else None,
            recipients=list(each.recipients),
            exported=each.exported,
        ),
    )


@router.get("/retention-rules")
def list_retention_rules(
    request: Request, town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams
) -> PageOut[RetentionRuleOut]:
    """List the retention rules as they hold in a town."""
    language = choose_language(request.headers.get("accept-language"))
    return PageOut.of(
        paginate(retention.list_periods(work, actor, town_id), page, lambda each: (each.rule.id,)),
        lambda each: RetentionRuleOut(
            id=each.rule.id,
            what=each.rule.what.translate(language),
            starts=each.rule.starts.translate(language),
            does=each.rule.does.translate(language),
            days=each.days,
            shortest=each.rule.shortest,
            longest=each.rule.longest,
            requirement=each.rule.requirement,
            reason=each.reason,
        ),
    )


@router.put("/retention-rules/{rule_id}", status_code=204)
def set_retention_period(rule_id: str, body: RetentionPeriodIn, work: WorkDep, actor: ActorDep) -> None:
    """Set the retention period of a town for one rule, within the bounds of the rule."""
    retention.set_period(work, actor, body.town_id, rule_id, body.days, body.reason)


@router.get("/retention/preview")
def preview_retention(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RetentionPreviewOut]:
    """Preview what applying the retention rules would remove now.

    Nothing is changed.
    """
    rows = paginate(retention.preview_retention(work, actor, town_id), page, lambda row: (row.rule_id,))
    return PageOut.of(rows, RetentionPreviewOut.model_validate)


@router.post("/retention/run", response_model=PrivacyReportOut)
def run_retention(body: RetentionRunIn, work: WorkDep, actor: ActorDep) -> PrivacyReportOut:
    """Apply the retention rules now.

    This also happens every day; the report proves that nothing is left.
    """
    return build_report_out(work, retention.apply_retention(work, actor, body.town_id))


@router.get("/reports")
def list_privacy_reports(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, kind: ReportKind | None = None
) -> PageOut[PrivacyReportOut]:
    """List the sealed privacy reports of a town, newest first."""
    return PageOut.of(reports.list_reports(work, actor, town_id, kind, page), lambda row: build_report_out(work, row))


@router.get("/reports/{report_id}", response_model=PrivacyReportOut)
def get_privacy_report(report_id: UUID, work: WorkDep, actor: ActorDep) -> PrivacyReportOut:
    """Get one sealed privacy report."""
    return build_report_out(work, reports.get_report(work, actor, report_id))


@router.get("/pupils/{pupil_id}/export", response_class=Response)
def export_pupil(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """Export all data that is kept about one pupil, as JSON."""
    content = json.dumps(children.export_child(work, actor, pupil_id), ensure_ascii=False, indent=1).encode()
    return build_attachment(content, f"pupil-{pupil_id}.json", "application/json")


@router.get("/pupils/{pupil_id}/export.pdf", response_class=Response)
def export_pupil_document(pupil_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """Export all data that is kept about one pupil, as a PDF that a family can read."""
    language = choose_language(request.headers.get("accept-language"))
    return build_attachment(
        papers.render_child_export(children.export_child(work, actor, pupil_id), language),
        f"pupil-{pupil_id}.pdf",
        "application/pdf",
    )


@router.get("/pupils/{pupil_id}/accesses")
def list_pupil_accesses(pupil_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RecordAccessOut]:
    """List who has read a pupil's record, newest first.

    This reading is audited too.
    """
    rows = paginate(children.list_accesses(work, actor, pupil_id), page, lambda row: (row.day, row.actor_id, row.kind))
    return PageOut.of(rows, RecordAccessOut.model_validate)


@router.post("/pupils/{pupil_id}/erase", response_model=PrivacyReportOut)
def erase_pupil(pupil_id: UUID, body: PupilEraseIn, work: WorkDep, actor: ActorDep) -> PrivacyReportOut:
    """Erase the data that is kept about one pupil.

    Refused while a tablet is on loan; it cannot be undone.
    """
    return build_report_out(work, children.erase_child(work, actor, pupil_id, body.reason))
