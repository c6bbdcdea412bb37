"""Endpoints of identity providers: entering them for a town, and the roles that their groups give."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.scope import Role
from mdm.accounts.oidc import providers
from mdm.accounts.oidc.models import IdentityProvider, ProviderRole
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class IdentityProviderIn(BaseModel):
    """An OpenID provider, and how this server is known there. The redirect URI to enter there ends in `/sign-in/callback`."""

    name: str = Field(min_length=1, max_length=80, examples=["Ville de Valmont"])
    issuer: str = Field(max_length=300, pattern=r"^https?://\S+$", examples=["https://login.valmont.example"])
    client_id: str = Field(min_length=1, max_length=200)
    client_secret: str | None = Field(None, max_length=1000)
    scopes: str = Field(providers.DEFAULT_SCOPES, max_length=200)
    claim: str = Field(providers.DEFAULT_CLAIM, min_length=1, max_length=80, description="The claim with the groups of a person.")


class ProviderRoleIn(BaseModel):
    """A group of the provider, and the role that it gives."""

    claim_value: str = Field(min_length=1, max_length=200, examples=["cartable-helpdesk"])
    role: Role
    school_id: UUID | None = None


class ProviderRoleOut(BaseModel):
    """A role that a group gives."""

    id: UUID
    claim_value: str
    role: Role
    school_id: UUID | None


class IdentityProviderOut(BaseModel):
    """An OpenID provider of a town. Its secret is never shown."""

    id: UUID
    town_id: UUID
    name: str
    issuer: str
    client_id: str
    scopes: str
    claim: str
    active: bool
    created_at: datetime
    roles: list[ProviderRoleOut]


@router.post("/towns/{town_id}/identity-providers", response_model=IdentityProviderOut, status_code=201)
def create_identity_provider(town_id: UUID, body: IdentityProviderIn, work: WorkDep, actor: ActorDep) -> IdentityProviderOut:
    """Create an identity provider for a town.

    Nobody gets a role by it until one of its groups is mapped.
    """
    return _build_provider_out(providers.create_provider(work, actor, town_id, **body.model_dump()), ())


@router.get("/towns/{town_id}/identity-providers")
def list_identity_providers(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[IdentityProviderOut]:
    """List the identity providers of a town, with the roles that their groups give."""
    return PageOut.of(providers.list_providers(work, actor, town_id, page), lambda row: _build_provider_out(*row))


@router.put("/identity-providers/{provider_id}", response_model=IdentityProviderOut)
def update_identity_provider(provider_id: UUID, body: IdentityProviderIn, work: WorkDep, actor: ActorDep) -> IdentityProviderOut:
    """Update an identity provider.

    Without a client secret the former one stays. The issuer cannot change once people have signed in there.
    """
    return _build_provider_out(providers.update_provider(work, actor, provider_id, **body.model_dump()), ())


@router.post("/identity-providers/{provider_id}/enable", response_model=IdentityProviderOut)
def enable_identity_provider(provider_id: UUID, work: WorkDep, actor: ActorDep) -> IdentityProviderOut:
    """Enable sign-in at a provider again."""
    return _build_provider_out(providers.set_provider_active(work, actor, provider_id, active=True), ())


@router.post("/identity-providers/{provider_id}/disable", response_model=IdentityProviderOut)
def disable_identity_provider(provider_id: UUID, work: WorkDep, actor: ActorDep) -> IdentityProviderOut:
    """Disable sign-in at a provider.

    Open sessions go on; end them where needed.
    """
    return _build_provider_out(providers.set_provider_active(work, actor, provider_id, active=False), ())


@router.post("/identity-providers/{provider_id}/roles", response_model=ProviderRoleOut, status_code=201)
def create_provider_role(provider_id: UUID, body: ProviderRoleIn, work: WorkDep, actor: ActorDep) -> ProviderRoleOut:
    """Create the rule that a group of the provider gives a role.

    Only roles whose rights the caller holds can be given.
    """
    return _build_role_out(providers.map_group(work, actor, provider_id, **body.model_dump()))


@router.delete("/identity-providers/{provider_id}/roles/{role_id}", status_code=204)
def delete_provider_role(provider_id: UUID, role_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete the rule that a group gives a role.

    Who has the role by it loses it at the next sign-in.
    """
    providers.unmap_group(work, actor, provider_id, role_id)


def _build_role_out(row: ProviderRole) -> ProviderRoleOut:
    return ProviderRoleOut(**{name: getattr(row, name) for name in ProviderRoleOut.model_fields})


def _build_provider_out(row: IdentityProvider, mappings: Iterable[ProviderRole]) -> IdentityProviderOut:
    values = {name: getattr(row, name) for name in IdentityProviderOut.model_fields if name != "roles"}
    return IdentityProviderOut(roles=[_build_role_out(each) for each in mappings], **values)
