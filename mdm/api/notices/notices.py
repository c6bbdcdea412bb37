"""Endpoints of notices: the caller's own choice, addresses outside the system, webhooks, and what became of each notice."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.alarms import AlarmKind
from mdm.api.deps import ActorDep, AuthenticationDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.notices import service
from mdm.notices.models import NoticeLevel, RecipientKind

router = APIRouter(tags=["notices"])


class NoticeChoiceIn(BaseModel):
    """Of which alarms the caller is written to, where, and in which language."""

    level: NoticeLevel
    email: str = Field("", max_length=200)
    language: str = Field("fr", max_length=16)


class NoticeChoiceOut(BaseModel):
    """What the caller has chosen."""

    level: NoticeLevel
    email: str | None
    language: str


class NoticeAddressIn(BaseModel):
    """A mail address outside the system."""

    email: str = Field(max_length=200, examples=["mayor@elsewhere.example"])
    language: str = Field("fr", max_length=16)


class NoticeAddressOut(BaseModel):
    """A mail address that gets every alarm of a town."""

    id: UUID
    email: str
    language: str
    added_at: datetime


class WebhookIn(BaseModel):
    """An address that takes signed JSON by POST."""

    url: str = Field(max_length=500, examples=["https://alarms.valmont.example/cartable"])


class WebhookOut(BaseModel):
    """A webhook of a town."""

    id: UUID
    url: str
    added_at: datetime


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown only here."""

    secret: str


class NoticeOut(BaseModel):
    """One alarm for one recipient, and what became of it."""

    id: UUID
    alarm_id: UUID
    kind: AlarmKind
    recipient_kind: RecipientKind
    due_at: datetime
    sent_at: datetime | None
    failed_at: datetime | None = Field(description="When it was given up; a person can let the parked job run again.")
    last_error: str | None


@router.get("/me/notices", response_model=NoticeChoiceOut)
def get_notice_choice(work: WorkDep, authentication: AuthenticationDep) -> NoticeChoiceOut:
    """Get of which alarms the caller is written to."""
    level = service.get_choice(work, authentication.account)
    return NoticeChoiceOut(level=level, email=authentication.account.email, language=authentication.account.language)


@router.put("/me/notices", response_model=NoticeChoiceOut)
def save_notice_choice(body: NoticeChoiceIn, work: WorkDep, authentication: AuthenticationDep) -> NoticeChoiceOut:
    """Save of which alarms the caller is written to."""
    service.save_choice(work, authentication.account, **body.model_dump())
    return get_notice_choice(work, authentication)


@router.post("/towns/{town_id}/notice-addresses", response_model=NoticeAddressOut, status_code=201)
def create_notice_address(town_id: UUID, body: NoticeAddressIn, work: WorkDep, actor: ActorDep) -> NoticeAddressOut:
    """Create a mail address outside the system that gets every alarm of a town."""
    row = service.add_address(work, actor, town_id, body.email, body.language)
    return NoticeAddressOut(**{name: getattr(row, name) for name in NoticeAddressOut.model_fields})


@router.get("/towns/{town_id}/notice-addresses")
def list_notice_addresses(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[NoticeAddressOut]:
    """List the mail addresses outside the system that get the alarms of a town."""
    return PageOut.of(
        service.list_addresses(work, actor, town_id, page),
        lambda row: NoticeAddressOut(**{name: getattr(row, name) for name in NoticeAddressOut.model_fields}),
    )


@router.post("/towns/{town_id}/webhooks", response_model=NewWebhookOut, status_code=201)
def create_webhook(town_id: UUID, body: WebhookIn, work: WorkDep, actor: ActorDep) -> NewWebhookOut:
    """Create a webhook that gets every alarm of a town, signed as Standard Webhooks says.

    Its secret is shown only in this answer.
    """
    row = service.add_webhook(work, actor, town_id, body.url)
    return NewWebhookOut(**{name: getattr(row, name) for name in NewWebhookOut.model_fields})


@router.get("/towns/{town_id}/webhooks")
def list_webhooks(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[WebhookOut]:
    """List the webhooks of a town."""
    return PageOut.of(
        service.list_webhooks(work, actor, town_id, page),
        lambda row: WebhookOut(**{name: getattr(row, name) for name in WebhookOut.model_fields}),
    )


@router.delete("/towns/{town_id}/notice-recipients/{recipient_id}", status_code=204)
def remove_notice_recipient(town_id: UUID, recipient_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Remove a mail address outside the system, or a webhook."""
    service.remove_recipient(work, actor, town_id, recipient_id)


@router.get("/towns/{town_id}/notices")
def list_notices(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[NoticeOut]:
    """List the notices of a town of the last thirty days, newest first."""
    return PageOut.of(
        service.list_notices(work, actor, town_id, page),
        lambda row: NoticeOut(**{name: getattr(row[0], name) for name in NoticeOut.model_fields}),
    )
