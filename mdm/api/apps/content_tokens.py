"""Endpoints of the content tokens of Apps and Books: install, renew, choose the schools, take an account over, remove."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.apps.apps_and_books import service
from profiles.apps.apps_and_books.service import ContentToken
from profiles.apps.models import TokenProblem

router = APIRouter(tags=["apps"])
ContentField = Field(min_length=20, max_length=8192, description="The content of the file that Apple School Manager gives.")


class ContentTokenIn(BaseModel):
    """A content token, as the file from Apple holds it, and the schools that it serves."""

    content: str = ContentField
    school_ids: list[UUID] = Field([], max_length=500, description="Empty: all schools that have no token of their own.")


class ContentTokenRenewal(BaseModel):
    """The new content of a token of the same account."""

    content: str = ContentField


class ContentTokenSchools(BaseModel):
    """The schools that a token serves."""

    school_ids: list[UUID] = Field(max_length=500, description="Empty: all schools that have no token of their own.")


class AccountTakeover(BaseModel):
    """The server from which an account is taken over."""

    claimed_by_id: str = Field(max_length=100, description="As the token names it, so that nobody takes over from another one.")


class ContentTokenOut(BaseModel):
    """The state of a content token; the token itself is never shown."""

    id: UUID
    town_id: UUID
    location: str
    is_town_wide: bool
    school_ids: list[UUID]
    expires: datetime
    checked_at: datetime | None
    problem: TokenProblem | None
    problem_detail: str | None
    claimed_by_id: str | None
    claimed_by_name: str | None
    is_takeover_requested: bool
    skipped_rows: int

    @classmethod
    def of(cls, described: ContentToken) -> ContentTokenOut:
        """Return the response that describes a token."""
        token = described.token
        return cls(
            id=token.id,
            town_id=token.town_id,
            location=token.location,
            is_town_wide=token.is_town_wide,
            school_ids=[school.id for school in described.schools],
            expires=token.expires,
            checked_at=token.checked_at,
            problem=token.problem,
            problem_detail=token.problem_detail,
            claimed_by_id=token.claimed_by_id,
            claimed_by_name=token.claimed_by_name,
            is_takeover_requested=token.takeover_of is not None,
            skipped_rows=token.skipped_rows,
        )


@router.get("/towns/{town_id}/licence-tokens", response_model=PageOut[ContentTokenOut])
def list_licence_tokens(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ContentTokenOut]:
    """List the content tokens of a town. That of all schools first, then by account; the tokens themselves are never shown."""
    tokens = paginate(
        service.list_tokens(work, actor, town_id),
        page,
        lambda each: (not each.token.is_town_wide, each.token.location, str(each.token.id)),
    )
    return PageOut.of(tokens, ContentTokenOut.of)


@router.post("/towns/{town_id}/licence-tokens", response_model=ContentTokenOut, status_code=201)
def install_licence_token(town_id: UUID, body: ContentTokenIn, work: WorkDep, actor: ActorDep) -> ContentTokenOut:
    """Install a content token of Apps and Books. The account is read at once, and claimed unless another server has it."""
    token = service.install_token(work, actor, town_id, body.content, body.school_ids)
    return ContentTokenOut.of(service.describe_token(work, token))


@router.put("/licence-tokens/{token_id}/content", response_model=ContentTokenOut)
def update_licence_token(token_id: UUID, body: ContentTokenRenewal, work: WorkDep, actor: ActorDep) -> ContentTokenOut:
    """Update a content token. With that of the new year, which must be for the same account."""
    return ContentTokenOut.of(service.describe_token(work, service.renew_token(work, actor, token_id, body.content)))


@router.put("/licence-tokens/{token_id}/schools", response_model=ContentTokenOut)
def set_licence_token_schools(token_id: UUID, body: ContentTokenSchools, work: WorkDep, actor: ActorDep) -> ContentTokenOut:
    """Set the schools of a content token. Tablets whose school changes its account give licences back and get others."""
    return ContentTokenOut.of(service.describe_token(work, service.set_token_schools(work, actor, token_id, body.school_ids)))


@router.post("/licence-tokens/{token_id}/takeover", response_model=ContentTokenOut)
def request_licence_takeover(token_id: UUID, body: AccountTakeover, work: WorkDep, actor: ActorDep) -> ContentTokenOut:
    """Request the takeover of an account from another MDM server. That server must not use it any more: two would take licences from each other."""
    token = service.take_over_account(work, actor, token_id, body.claimed_by_id)
    return ContentTokenOut.of(service.describe_token(work, token))


@router.delete("/licence-tokens/{token_id}", status_code=204)
def remove_licence_token(token_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Remove a content token. At Apple its licences stay with the tablets."""
    service.remove_token(work, actor, token_id)
