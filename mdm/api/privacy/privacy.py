"""What the data protection officer needs: dictionary, retention, one child's data, who read it, proofs."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable import audit
from cartable.i18n import preferred_language
from cartable.scope import Permission
from enrollment.people.models import AccessKind
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.people.rosters import build_attachment
from mdm.privacy import children, dictionary, papers, reports, retention
from mdm.privacy.models import PrivacyReport, ReportKind

router = APIRouter(prefix="/privacy", tags=["privacy"])


class FieldOut(BaseModel):
    """One personal field."""

    table: str
    field: str
    what: str
    of: str = Field(description="Whose: pupil, guardian, staff.")
    owner: str
    purpose: str
    ground: str
    retention: str | None = Field(description="A rule of the retention table.")
    until: str | None
    recipients: list[str]
    exported: bool = Field(description="Whether it is part of a child's export.")


class RuleOut(BaseModel):
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


class PeriodIn(BaseModel):
    """A town's own period for a rule."""

    town_id: UUID
    days: int = Field(ge=0, le=10_000)
    reason: str = Field(min_length=3, max_length=300)


class DueOut(BaseModel):
    """What a run would do now."""

    model_config = ConfigDict(from_attributes=True)
    rule_id: str
    days: int
    found: int
    held: int = Field(description="Waits for something else, such as a tablet's return.")


class TownIn(BaseModel):
    """The town."""

    town_id: UUID


class ReportOut(BaseModel):
    """A sealed report: numbers and ids, no names."""

    id: UUID
    town_id: UUID | None
    kind: ReportKind
    subject_id: UUID | None
    content: dict[str, Any]
    made_by: UUID | None
    made_at: datetime
    genuine: bool = Field(description="The seal fits.")


class AccessOut(BaseModel):
    """One person's readings of a child's record on one day."""

    model_config = ConfigDict(from_attributes=True)
    actor_name: str
    kind: AccessKind
    day: date
    first_at: datetime
    last_at: datetime
    times: int


class EraseIn(BaseModel):
    """Why a child's data are erased. No names: it is kept."""

    reason: str = Field(min_length=3, max_length=300, examples=["request of the family, file 2026-17"])


class ChainOut(BaseModel):
    """Whether the audit trail holds."""

    holds: bool
    first_broken: int | None


def report_out(work: WorkDep, row: PrivacyReport) -> ReportOut:
    """A sealed report, and whether its seal fits."""
    told = {name: getattr(row, name) for name in ReportOut.model_fields if name != "genuine"}
    return ReportOut(**told, genuine=reports.is_genuine(work, row))


@router.get("/dictionary", response_model=list[FieldOut])
def list_personal_fields(request: Request, _actor: ActorDep) -> list[FieldOut]:
    """List every personal field that is stored, with its purpose, legal ground, retention and recipients."""
    language = preferred_language(request.headers.get("accept-language"))
    return [
        FieldOut(
            table=each.table,
            field=each.field,
            what=each.words.translate(language),
            of=each.of,
            owner=each.owner,
            purpose=each.purpose.translate(language),
            ground=each.ground.translate(language),
            retention=each.retention,
            until=each.until.translate(language) if each.until else None,
            recipients=list(each.recipients),
            exported=each.exported,
        )
        for each in dictionary.entries()
    ]


@router.get("/retention-rules", response_model=list[RuleOut])
def list_retention_rules(request: Request, town_id: UUID, work: WorkDep, actor: ActorDep) -> list[RuleOut]:
    """List the retention rules as they hold in a town."""
    language = preferred_language(request.headers.get("accept-language"))
    return [
        RuleOut(
            id=each.rule.id,
            what=each.rule.what.translate(language),
            starts=each.rule.starts.translate(language),
            does=each.rule.does.translate(language),
            days=each.days,
            shortest=each.rule.shortest,
            longest=each.rule.longest,
            requirement=each.rule.requirement,
            reason=each.reason,
        )
        for each in retention.periods(work, actor, town_id)
    ]


@router.put("/retention-rules/{rule_id}", status_code=204)
def set_retention_period(rule_id: str, body: PeriodIn, work: WorkDep, actor: ActorDep) -> None:
    """Set the retention period of a town for one rule, within the bounds of the rule."""
    retention.choose(work, actor, body.town_id, rule_id, body.days, body.reason)


@router.get("/retention/preview", response_model=list[DueOut])
def preview_retention(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Preview what applying the retention rules would remove now.

    Nothing is changed.
    """
    return retention.preview(work, actor, town_id)


@router.post("/retention/run", response_model=ReportOut)
def run_retention(body: TownIn, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Apply the retention rules now.

    This also happens every day; the report proves that nothing is left.
    """
    return report_out(work, retention.run(work, actor, body.town_id))


@router.get("/reports", response_model=list[ReportOut])
def list_privacy_reports(
    town_id: UUID, work: WorkDep, actor: ActorDep, kind: ReportKind | None = None, limit: int = Query(50, ge=1, le=200)
) -> list[ReportOut]:
    """List the sealed privacy reports of a town, newest first."""
    return [report_out(work, row) for row in reports.listed(work, actor, town_id, kind, limit)]


@router.get("/reports/{report_id}", response_model=ReportOut)
def get_privacy_report(report_id: UUID, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Get one sealed privacy report."""
    return report_out(work, reports.get(work, actor, report_id))


@router.get("/pupils/{pupil_id}/export", response_class=Response)
def export_pupil(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """Export all data that is kept about one pupil, as JSON."""
    content = json.dumps(children.export(work, actor, pupil_id), ensure_ascii=False, indent=1).encode()
    return build_attachment(content, f"pupil-{pupil_id}.json", "application/json")


@router.get("/pupils/{pupil_id}/export.pdf", response_class=Response)
def export_pupil_document(pupil_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """Export all data that is kept about one pupil, as a PDF that a family can read."""
    language = preferred_language(request.headers.get("accept-language"))
    return build_attachment(papers.child(children.export(work, actor, pupil_id), language), f"pupil-{pupil_id}.pdf", "application/pdf")


@router.get("/pupils/{pupil_id}/accesses", response_model=list[AccessOut])
def list_pupil_accesses(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """List who has read a pupil's record, newest first.

    This reading is audited too.
    """
    return children.accesses(work, actor, pupil_id)


@router.post("/pupils/{pupil_id}/erase", response_model=ReportOut)
def erase_pupil(pupil_id: UUID, body: EraseIn, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Erase the data that is kept about one pupil.

    Refused while a tablet is on loan; it cannot be undone.
    """
    return report_out(work, children.erase(work, actor, pupil_id, body.reason))


@router.get("/audit-trail/verify", response_model=ChainOut)
def verify_audit_trail(town_id: UUID, work: WorkDep, actor: ActorDep) -> ChainOut:
    """Verify that the audit trail of a town is complete and unchanged, purged events included."""
    actor.require_permission(Permission.PRIVACY, town_id)
    broken = audit.verify_chain(work, town_id)
    return ChainOut(holds=broken is None, first_broken=broken)
