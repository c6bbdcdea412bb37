"""The desk of people's rights, the breach kit, and the notices that people are given."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.privacy.privacy import ReportOut, report_out
from mdm.privacy import breaches, notices, requests
from mdm.privacy.models import NoticeAudience, PrivacyRequest, RequestKind, RequestOutcome

router = APIRouter(prefix="/privacy", tags=["privacy"])
Said = Annotated[str, Field(min_length=3, max_length=2000)]


class RequestIn(BaseModel):
    """What somebody asks."""

    town_id: UUID
    kind: RequestKind
    asked_by: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=2000)
    pupil_id: UUID | None = None
    received_on: date | None = Field(None, description="Today when nothing is said; the month runs from that day.")


class ExtendIn(BaseModel):
    """Why two more months are needed."""

    because: Said


class AnswerIn(BaseModel):
    """What was answered."""

    outcome: RequestOutcome
    answer: Said


class RequestOut(BaseModel):
    """A request and its terms."""

    id: UUID
    town_id: UUID
    kind: RequestKind
    pupil_id: UUID | None
    asked_by: str
    note: str
    received_on: date
    due_on: date
    late: bool = Field(description="Not answered, and the term is over.")
    extended_because: str | None
    answered_on: date | None
    outcome: RequestOutcome | None
    answer: str | None


class BreachIn(BaseModel):
    """What is known of a breach. Without an account everybody of the town, or of the school, is touched."""

    town_id: UUID
    known_at: AwareDatetime
    school_id: UUID | None = None
    account_id: UUID | None = Field(None, description="An account that was misused: the records that it read.")
    since: date | None = None
    until: date | None = None


class NoticeOut(BaseModel):
    """A notice as it would be now, and the last version that was given out."""

    audience: NoticeAudience
    version: int | None
    published_at: datetime | None
    changed: bool = Field(description="What the program does differs from what was given out: publish, and tell people.")
    content: dict[str, Any]


class VersionOut(BaseModel):
    """A version that was given out."""

    model_config = ConfigDict(from_attributes=True)
    audience: NoticeAudience
    version: int
    published_at: datetime
    content_sha256: str


@router.post("/requests", response_model=RequestOut, status_code=201, operation_id="receive_privacy_request")
def receive(body: RequestIn, work: WorkDep, actor: ActorDep) -> RequestOut:
    """Enter a request; it is due in a month."""
    row = requests.receive(
        work, actor, body.town_id, body.kind, body.asked_by, body.note, subject_id=body.pupil_id, received_on=body.received_on
    )
    return _out(work, row)


@router.get("/requests", response_model=list[RequestOut], operation_id="list_privacy_requests")
def listed(
    town_id: UUID, work: WorkDep, actor: ActorDep, *, only_open: bool = False, limit: int = Query(200, ge=1, le=500)
) -> list[RequestOut]:
    """The requests of a town, open ones first, the most urgent at the top."""
    return [_out(work, row) for row in requests.listed(work, actor, town_id, only_open=only_open, limit=limit)]


@router.post("/requests/{request_id}/extend", response_model=RequestOut, operation_id="extend_privacy_request")
def extend(request_id: UUID, body: ExtendIn, work: WorkDep, actor: ActorDep) -> RequestOut:
    """Two more months, once, with the reason that the person is told."""
    return _out(work, requests.extend(work, actor, request_id, body.because))


@router.post("/requests/{request_id}/answer", response_model=RequestOut, operation_id="answer_privacy_request")
def answer(request_id: UUID, body: AnswerIn, work: WorkDep, actor: ActorDep) -> RequestOut:
    """Note what was answered."""
    return _out(work, requests.answer(work, actor, request_id, body.outcome, body.answer))


@router.post("/breaches", response_model=ReportOut, status_code=201, operation_id="report_breach")
def breach(body: BreachIn, work: WorkDep, actor: ActorDep) -> ReportOut:
    """Who is touched by a breach and by which fields, in one sealed report; `notify_by` is 72 hours after it was known."""
    return report_out(work, breaches.report(work, actor, **body.model_dump()))


@router.get("/notices/{audience}", response_model=NoticeOut, operation_id="get_privacy_notice")
def notice(audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep) -> NoticeOut:
    """The notice for guardians, children or staff as the program now works, and whether that differs from what was given out."""
    last, content = notices.current(work, actor, town_id, audience)
    return NoticeOut(
        audience=audience,
        version=last.version if last else None,
        published_at=last.published_at if last else None,
        changed=last is None or last.content_sha256 != notices.digest(content),
        content=content,
    )


@router.post("/notices/{audience}", response_model=VersionOut, status_code=201, operation_id="publish_privacy_notice")
def publish(audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Give out a new version; refused when nothing has changed."""
    return notices.publish(work, actor, town_id, audience)


@router.get("/notices/{audience}/to-notify", response_model=list[UUID], operation_id="list_whom_to_notify")
def to_notify(audience: NoticeAudience, town_id: UUID, work: WorkDep, actor: ActorDep) -> list[UUID]:
    """Whom a new version concerns, by id."""
    return notices.to_notify(work, actor, town_id, audience)


def _out(work: WorkDep, row: PrivacyRequest) -> RequestOut:
    told = {name: getattr(row, name) for name in RequestOut.model_fields if name not in ("late", "pupil_id")}
    return RequestOut(**told, pupil_id=row.subject_id, late=row.answered_on is None and work.now.date() > row.due_on)
