"""Endpoints of service tokens, by which programs call the API."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from cartable.scope import Permission, Role
from mdm.accounts import service_tokens
from mdm.accounts.models import ServiceToken
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class ServiceTokenIn(BaseModel):
    """A token for a program: some permissions of a role, in a town or one of its schools, with an end."""

    name: str = Field(min_length=1, max_length=80, examples=["Nightly export"])
    role: Role
    permissions: list[Permission] = Field(min_length=1, max_length=20)
    school_id: UUID | None = None
    expires_at: AwareDatetime


class ServiceTokenOut(BaseModel):
    """A service token. Its text is never shown again."""

    id: UUID
    town_id: UUID
    name: str
    role: Role
    permissions: list[Permission]
    school_id: UUID | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewServiceTokenOut(ServiceTokenOut):
    """A service token with its text, for the `Authorization: Bearer` header. It is shown only here."""

    token: str


@router.post("/towns/{town_id}/service-tokens", response_model=NewServiceTokenOut, status_code=201)
def create_service_token(town_id: UUID, body: ServiceTokenIn, work: WorkDep, actor: ActorDep) -> NewServiceTokenOut:
    """Create a token for a program.

    It acts for the caller, may no more than the caller may at the time of its use, and never what asks for the password once more.
    """
    created = service_tokens.create_service_token(work, actor, town_id, **body.model_dump())
    return NewServiceTokenOut(token=created.token, **_describe(created.row))


@router.get("/towns/{town_id}/service-tokens")
def list_service_tokens(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ServiceTokenOut]:
    """List the service tokens of a town with their last use, the newest first."""
    return PageOut.of(
        service_tokens.list_service_tokens(work, actor, town_id, page), lambda row: ServiceTokenOut(**_describe(row[0]))
    )


@router.delete("/service-tokens/{token_id}", status_code=204)
def revoke_service_token(token_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Revoke a service token at once."""
    service_tokens.revoke_service_token(work, actor, token_id)


def _describe(row: ServiceToken) -> dict[str, object]:
    return {name: getattr(row, name) for name in ServiceTokenOut.model_fields}
