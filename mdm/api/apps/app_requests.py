"""Endpoints of requests for apps: a teacher asks, the head supports, the town decides."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.effective.app_requests import service
from profiles.effective.app_requests.models import AppRequestState
from profiles.effective.app_requests.service import RequestedApp
from profiles.effective.bundles import Consent

router = APIRouter(tags=["apps"])


class AppRequestIn(BaseModel):
    """What is asked for a class."""

    class_id: UUID
    name: str = Field(min_length=1, max_length=120, examples=["ScratchJr"])
    store_link: str | None = Field(None, max_length=300, examples=["https://apps.apple.com/fr/app/scratchjr/id895485086"])
    reason: str = Field(min_length=1, max_length=300, examples=["programmer au cycle 2"])
    until: date | None = Field(None, examples=[None])


class AppRequestApprovalIn(BaseModel):
    """The app of the catalogue that is given, and what the requester reads."""

    app_id: UUID
    answer: str | None = Field(None, max_length=300)
    accept_shortage: bool = False
    confirmation: str | None = Field(None, max_length=8, description="The code of the risks that were shown.")


class AppRequestRefusalIn(BaseModel):
    """Why a request is refused; the requester reads it."""

    answer: str = Field(min_length=1, max_length=300, examples=["une application de la ville fait cela"])


class AppRequestOut(BaseModel):
    """A request for an app."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    school_id: UUID
    class_id: UUID
    name: str
    store_link: str | None
    reason: str
    until: date | None
    state: AppRequestState
    requested_at: datetime
    supported_at: datetime | None = Field(description="When the head of the school supported it.")
    app_id: UUID | None = Field(description="The app that was given.")
    answer: str | None
    decided_at: datetime | None


@router.post("/app-requests", response_model=AppRequestOut, status_code=201)
def create_app_request(body: AppRequestIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a request for an app, for a class that the caller teaches."""
    return service.create_request(work, actor, body.class_id, RequestedApp(body.name, body.reason, body.store_link, body.until))


@router.get("/app-requests", response_model=PageOut[AppRequestOut])
def list_app_requests(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AppRequestOut]:
    """List the requests for apps that concern the caller. What waits first."""
    rows = [row[0] for row in service.list_requests(work, actor, town_id)]
    ordered = paginate(rows, page, lambda row: (row.state is not AppRequestState.ASKED, row.requested_at.isoformat(), row.id))
    return PageOut.of(ordered, AppRequestOut.model_validate)


@router.post("/app-requests/{app_request_id}/support", response_model=AppRequestOut)
def support_app_request(app_request_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Support a request as the head of the school."""
    return service.support_request(work, actor, app_request_id)


@router.post("/app-requests/{app_request_id}/approve", response_model=AppRequestOut)
def approve_app_request(app_request_id: UUID, body: AppRequestApprovalIn, work: WorkDep, actor: ActorDep) -> object:
    """Approve a request. The app goes into the bundle of requested apps of the class, and is published."""
    consent = Consent(body.accept_shortage, body.confirmation)
    return service.approve_request(work, actor, app_request_id, body.app_id, body.answer, consent)


@router.post("/app-requests/{app_request_id}/decline", response_model=AppRequestOut)
def decline_app_request(app_request_id: UUID, body: AppRequestRefusalIn, work: WorkDep, actor: ActorDep) -> object:
    """Decline a request, with the reason."""
    return service.refuse_request(work, actor, app_request_id, body.answer)


@router.post("/app-requests/{app_request_id}/end", response_model=AppRequestOut)
def end_app_request(app_request_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """End an approved request. Its app leaves the class, unless another request gives it."""
    return service.end_request(work, actor, app_request_id)
