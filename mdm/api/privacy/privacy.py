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
from mdm.api.people.rosters import attachment
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


@router.get("/dictionary", response_model=list[FieldOut], operation_id="list_personal_fields")
def fields(request: Request, _actor: ActorDep) -> list[FieldOut]:
    """Every personal field, with its purpose, ground, retention and recipients."""
    language = preferred_language(request.headers.get("accept-language"))
    return [
        FieldOut(
            table=each.table,
            field=each.field,
            what=each.words.say(language),
            of=each.of,
            owner=each.owner,
            purpose=each.purpose.say(language),
            ground=each.ground.say(language),
            retention=each.retention,
            until=each.until.say(language) if each.until else None,
            recipients=list(each.recipients),
            exported=each.exported,
        )
        for each in dictionary.entries()
    ]


@router.get("/retention", response_model=list[RuleOut], operation_id="get_retention")
def table(request: Request, town_id: UUID, work: WorkDep, actor: ActorDep) -> list[RuleOut]:
    """The retention table of a town."""
    language = preferred_language(request.headers.get("accept-language"))
    return [
        RuleOut(
            id=each.rule.id,
            what=each.rule.what.say(language),
            starts=each.rule.starts.say(language),
            does=each.rule.does.say(language),
            days=each.days,
            shortest=each.rule.shortest,
            longest=each.rule.longest,
            requirement=each.rule.requirement,
            reason=each.reason,
        )
        for each in retention.periods(work, actor, town_id)
    ]


@router.put("/retention/{rule_id}", status_code=204, operation_id="set_retention")
def choose(rule_id: str, body: PeriodIn, work: WorkDep, actor: ActorDep) -> None:
    """Choose another period for a town, within the bounds of the rule."""
    retention.choose(work, actor, body.town_id, rule_id, body.days, body.reason)


@router.get("/retention/preview", response_model=list[DueOut], operation_id="preview_retention")
def preview(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """What a run would remove now. Touches nothing."""
    return retention.preview(work, actor, town_id)


@router.post("/retention/run", response_model=ReportOut, operation_id="run_retention")
def run(body: TownIn, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Apply the table now; it happens every day by itself. The report proves what is left: nothing."""
    return report_out(work, retention.run(work, actor, body.town_id))


@router.get("/reports", response_model=list[ReportOut], operation_id="list_privacy_reports")
def listed(
    town_id: UUID, work: WorkDep, actor: ActorDep, kind: ReportKind | None = None, limit: int = Query(50, ge=1, le=200)
) -> list[ReportOut]:
    """The sealed reports of a town, newest first."""
    return [report_out(work, row) for row in reports.listed(work, actor, town_id, kind, limit)]


@router.get("/reports/{report_id}", response_model=ReportOut, operation_id="get_privacy_report")
def report(report_id: UUID, work: WorkDep, actor: ActorDep) -> ReportOut:
    """One sealed report."""
    return report_out(work, reports.get(work, actor, report_id))


@router.get("/pupils/{pupil_id}/export", operation_id="export_pupil", response_class=Response)
def export(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """All that is kept about one child, as JSON."""
    content = json.dumps(children.export(work, actor, pupil_id), ensure_ascii=False, indent=1).encode()
    return attachment(content, f"pupil-{pupil_id}.json", "application/json")


@router.get("/pupils/{pupil_id}/export.pdf", operation_id="export_pupil_paper", response_class=Response)
def export_paper(pupil_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """The same as a paper that a family can read."""
    language = preferred_language(request.headers.get("accept-language"))
    return attachment(papers.child(children.export(work, actor, pupil_id), language), f"pupil-{pupil_id}.pdf", "application/pdf")


@router.get("/pupils/{pupil_id}/accesses", response_model=list[AccessOut], operation_id="list_pupil_accesses")
def accesses(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Who has read a child's record, newest first. Asking is audited."""
    return children.accesses(work, actor, pupil_id)


@router.post("/pupils/{pupil_id}/erase", response_model=ReportOut, operation_id="erase_pupil")
def erase(pupil_id: UUID, body: EraseIn, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Erase what is kept about one child. Refused while a tablet is on loan. It cannot be undone."""
    return report_out(work, children.erase(work, actor, pupil_id, body.reason))


@router.get("/audit/verify", response_model=ChainOut, operation_id="verify_audit")
def verify(town_id: UUID, work: WorkDep, actor: ActorDep) -> ChainOut:
    """Whether the audit trail of a town is whole, purged events included."""
    actor.require_permission(Permission.PRIVACY, town_id)
    broken = audit.verify_chain(work, town_id)
    return ChainOut(holds=broken is None, first_broken=broken)
