"""Identity providers of a town, for its administrators: entering, changing, trying, and the roles that groups give. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.ids import new_id
from cartable.outgoing import UnsafeAddress, check_address
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission, Role
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import roles
from mdm.accounts.oidc.errors import IssuerInUse, UnsafeIssuer
from mdm.accounts.oidc.models import IdentityProvider, ProviderRole
from mdm.accounts.oidc.repository import ProviderRepository

DEFAULT_SCOPES, DEFAULT_CLAIM = "openid profile email", "groups"


def create_provider(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str | None = None,
    scopes: str = DEFAULT_SCOPES,
    claim: str = DEFAULT_CLAIM,
) -> IdentityProvider:
    """Enter a provider for a town, and return it. Nobody gets a role by it until a group is mapped.

    Raises `Forbidden`, `ReauthenticationRequired`, `UnsafeIssuer`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    _check_issuer(work, issuer)
    provider_id = new_id()
    audit.record_event(work, actor, "provider.create", "provider", provider_id, town_id=town_id, issuer=issuer)
    provider = IdentityProvider(
        id=provider_id, town_id=town_id, name=name.strip(), issuer=issuer.strip(), client_id=client_id.strip(),
        client_secret=client_secret or None, scopes=_complete_scopes(scopes), claim=claim.strip(), active=True, created_by=actor.account_id,
        created_at=work.now,
    )  # fmt: skip
    work.session.add(provider)
    work.session.flush()
    return provider


def update_provider(
    work: UnitOfWork,
    actor: Actor,
    provider_id: UUID,
    *,
    name: str,
    issuer: str,
    client_id: str,
    scopes: str,
    claim: str,
    client_secret: str | None = None,
) -> IdentityProvider:
    """Change a provider and return it. Without `client_secret` the former one stays.

    The issuer stays once people have signed in there: another provider could name its own people as they were named there.
    Raises `NotFound`, `ReauthenticationRequired`, `UnsafeIssuer`, `IssuerInUse`.
    """
    provider = require_provider(work, actor, provider_id)
    actor.require_reauthentication()
    issuer = issuer.strip()
    if issuer != provider.issuer and ProviderRepository(work.session).has_identities(provider.id):
        raise IssuerInUse(field="issuer")
    _check_issuer(work, issuer)
    audit.record_event(work, actor, "provider.update", "provider", provider.id, town_id=provider.town_id, issuer=issuer)
    provider.name, provider.issuer, provider.client_id = name.strip(), issuer, client_id.strip()
    provider.scopes, provider.claim = _complete_scopes(scopes), claim.strip()
    if client_secret:
        provider.client_secret = client_secret
    work.session.flush()
    return provider


def _check_issuer(work: UnitOfWork, issuer: str) -> None:
    try:
        check_address(issuer, allow_private=work.settings.allow_private_addresses)
    except UnsafeAddress:
        raise UnsafeIssuer(field="issuer") from None


def _complete_scopes(scopes: str) -> str:
    return (scopes if "openid" in scopes.split() else f"openid {scopes}").strip()


def set_provider_active(work: UnitOfWork, actor: Actor, provider_id: UUID, *, active: bool) -> IdentityProvider:
    """Switch sign-in at a provider on or off. Raises `NotFound`, `ReauthenticationRequired`."""
    provider = require_provider(work, actor, provider_id)
    actor.require_reauthentication()
    audit.record_event(
        work, actor, "provider.enable" if active else "provider.disable", "provider", provider.id, town_id=provider.town_id
    )
    provider.active = active
    return provider


def map_group(
    work: UnitOfWork, actor: Actor, provider_id: UUID, *, claim_value: str, role: Role, school_id: UUID | None = None
) -> ProviderRole:
    """Let a group of the provider give a role. Raises `NotFound`, and what `roles.check_new_role` raises."""
    provider = require_provider(work, actor, provider_id)
    roles.check_new_role(work, actor, role, provider.town_id, school_id, None)
    audit.record_event(
        work, actor, "provider.map_group", "provider", provider.id, town_id=provider.town_id, role=role.value, group=claim_value
    )
    row = ProviderRole(
        provider_id=provider.id, claim_value=claim_value.strip(), role=role, school_id=school_id, granted_by=actor.account_id
    )
    work.session.add(row)
    work.session.flush()
    return row


def unmap_group(work: UnitOfWork, actor: Actor, provider_id: UUID, role_id: UUID) -> None:
    """Let a group give a role no longer; who has it by the group loses it at the next sign-in. Raises `NotFound`."""
    provider = require_provider(work, actor, provider_id)
    actor.require_reauthentication()
    row = ProviderRepository(work.session).get_role(provider.id, role_id)
    if row is None:
        raise NotFound
    audit.record_event(
        work,
        actor,
        "provider.unmap_group",
        "provider",
        provider.id,
        town_id=provider.town_id,
        role=row.role.value,
        group=row.claim_value,
    )
    work.session.delete(row)


def list_providers(
    work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE
) -> Page[tuple[IdentityProvider, Sequence[ProviderRole]]]:
    """List the providers of a town, each with the roles that its groups give. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    repository = ProviderRepository(work.session)
    providers = repository.list_by_town(town_id, page)
    mappings = repository.list_roles([provider.id for provider in providers.items])
    return providers.map(lambda provider: (provider, [row for row in mappings if row.provider_id == provider.id]))


def list_group_roles(work: UnitOfWork, actor: Actor, provider_id: UUID) -> Sequence[ProviderRole]:
    """List the roles that the groups of a provider give. Raises `NotFound`."""
    return ProviderRepository(work.session).list_roles([require_provider(work, actor, provider_id).id])


def require_provider(work: UnitOfWork, actor: Actor, provider_id: UUID) -> IdentityProvider:
    """Return a provider of a town that the actor governs. Raises `NotFound`."""
    provider = ProviderRepository(work.session).get(provider_id)
    if provider is None or not actor.has_permission(Permission.GOVERN, provider.town_id):
        raise NotFound
    return provider
