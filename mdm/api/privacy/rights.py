"""Endpoints of privacy requests, data breaches and privacy notices."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.privacy.privacy import PrivacyReportOut, build_report_out
from mdm.privacy import breaches, notices, requests
from mdm.privacy.models import NoticeAudience, PrivacyRequest, RequestKind, RequestOutcome

router = APIRouter(prefix="/privacy", tags=["privacy"])
Statement = Annotated[str, Field(min_length=3, max_length=2000)]


class PrivacyRequestIn(BaseModel):
    """A privacy request that somebody has made."""

    town_id: UUID
    kind: RequestKind
    requester: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=2000)
    pupil_id: UUID | None = None
    received_on: date | None = Field(None, description="Today unless given; the term of a month begins that day.")


class ExtensionIn(BaseModel):
    """The reason for two more months."""

    reason: Statement


class PrivacyAnswerIn(BaseModel):
    """The answer to a privacy request."""

    outcome: RequestOutcome
    answer: Statement


class PrivacyRequestOut(BaseModel):
    """A privacy request and its term."""

    id: UUID
    town_id: UUID
    kind: RequestKind
    pupil_id: UUID | None
    requester: str
    note: str
    received_on: date
    due_on: date
    late: bool = Field(description="Whether the term is over without an answer.")
    extension_reason: str | None
    answered_on: date | None
    outcome: RequestOutcome | None
    answer: str | None


class BreachIn(BaseModel):
    """What is known of a data breach. Without an account it concerns everybody of the town, or of the school."""

    town_id: UUID
    known_at: AwareDatetime
    school_id: UUID | None = None
    account_id: UUID | None = Field(
        None, description="The account that was misused: the breach concerns the records that it read."
    )
    since: date | None = None
    until: date | None = None


class PrivacyNoticeOut(BaseModel):
    """A privacy notice as it would be now, and the version published last."""

    audience: NoticeAudience
    version: int | None
    published_at: datetime | None
    changed: bool = Field(
        description="Whether the program does something else than the published version says: publish again and inform people."
    )
    content: dict[str, Any]


class NoticeVersionOut(BaseModel):
    """A published version of a privacy notice."""

    model_config = ConfigDict(from_attributes=True)
    audience: NoticeAudience
    version: int
    published_at: datetime
    content_sha256: str


@router.post("/requests", response_model=PrivacyRequestOut, status_code=201)
def create_privacy_request(body: PrivacyRequestIn, work: WorkDep, actor: ActorDep) -> PrivacyRequestOut:
    """Record a privacy request.

    It is due in a month.
    """
    row = requests.receive_request(
        work, actor, body.town_id, body.kind, body.requester, body.note, subject_id=body.pupil_id, received_on=body.received_on
    )
    return _build_request_out(work, row)


@router.get("/requests")
def list_privacy_requests(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, *, only_open: bool = False
) -> PageOut[PrivacyRequestOut]:
    """List the privacy requests of a town, open ones first, the most urgent at the top."""
    rows = requests.list_requests(work, actor, town_id, only_open=only_open, page=page)
    return PageOut.of(rows, lambda row: _build_request_out(work, row))


@router.post("/requests/{request_id}/extend", response_model=PrivacyRequestOut)
def extend_privacy_request(request_id: UUID, body: ExtensionIn, work: WorkDep, actor: ActorDep) -> PrivacyRequestOut:
    """Extend the term of a privacy request by two months, once, with the reason that the person is given."""
    return _build_request_out(work, requests.extend_request(work, actor, request_id, body.reason))


@router.post("/requests/{request_id}/answer", response_model=PrivacyRequestOut)
def answer_privacy_request(request_id: UUID, body: PrivacyAnswerIn, work: WorkDep, actor: ActorDep) -> PrivacyRequestOut:
    """Record the answer to a privacy request."""
    return _build_request_out(work, requests.answer_request(work, actor, request_id, body.outcome, body.answer))


@router.post("/breaches", response_model=PrivacyReportOut, status_code=201)
def report_breach(body: BreachIn, work: WorkDep, actor: ActorDep) -> PrivacyReportOut:
    """Report a data breach and list who is affected by which fields, in one sealed report.

    `notify_by` is 72 hours after it was known.
    """
    return build_report_out(work, breaches.report_breach(work, actor, **body.model_dump()))


@router.get("/notices/{audience}", response_model=PrivacyNoticeOut)
def get_privacy_notice(audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep) -> PrivacyNoticeOut:
    """Get the privacy notice for guardians, children or staff as the program works now, and whether it differs from the
    published version.
    """
    last, content = notices.get_notice(work, actor, town_id, audience)
    return PrivacyNoticeOut(
        audience=audience,
        version=last.version if last else None,
        published_at=last.published_at if last else None,
        changed=last is None or last.content_sha256 != notices.hash_content(content),
        content=content,
    )


@router.post("/notices/{audience}", response_model=NoticeVersionOut, status_code=201)
def publish_privacy_notice(audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Publish a new version of a privacy notice.

    Refused when nothing has changed.
    """
    return notices.publish_notice(work, actor, town_id, audience)


@router.get("/notices/{audience}/recipients")
def list_notice_recipients(
    audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams
) -> PageOut[UUID]:
    """List the ids of the people whom a new version of a privacy notice concerns."""
    return PageOut.of(notices.list_recipients(work, actor, town_id, audience, page), lambda person_id: person_id)


def _build_request_out(work: WorkDep, row: PrivacyRequest) -> PrivacyRequestOut:
    values = {name: getattr(row, name) for name in PrivacyRequestOut.model_fields if name not in ("late", "pupil_id")}
    return PrivacyRequestOut(**values, pupil_id=row.subject_id, late=row.answered_on is None and work.now.date() > row.due_on)
