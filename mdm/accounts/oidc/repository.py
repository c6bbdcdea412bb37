"""All SQL of identity providers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from enrollment.places.models import Town
from mdm.accounts.models import Account
from mdm.accounts.oidc.models import ExternalIdentity, IdentityProvider, ProviderRole


class ProviderRepository:
    """Reads identity providers, their roles, and linked accounts."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, provider_id: UUID) -> IdentityProvider | None:
        return self.session.get(IdentityProvider, provider_id)

    def list_by_town(self, town_id: UUID, page: PageRequest) -> Page[IdentityProvider]:
        statement = select(IdentityProvider).where(IdentityProvider.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, IdentityProvider.id)

    def list_active(self, slug: str | None, limit: int = 50) -> Sequence[Row[IdentityProvider, Town]]:
        """List the providers at which people can sign in, with their towns; of one town by its slug, or of all."""
        statement = select(IdentityProvider, Town).join(Town, Town.id == IdentityProvider.town_id).where(IdentityProvider.active)
        if slug:
            statement = statement.where(Town.slug == slug)
        return self.session.execute(statement.order_by(Town.name, IdentityProvider.name, IdentityProvider.id).limit(limit)).all()

    def list_active_of_towns(self, town_ids: Collection[UUID], limit: int = 50) -> Sequence[Row[IdentityProvider, Town]]:
        """List the providers of these towns at which people can sign in."""
        statement = select(IdentityProvider, Town).join(Town, Town.id == IdentityProvider.town_id)
        statement = statement.where(IdentityProvider.active, IdentityProvider.town_id.in_(town_ids))
        return self.session.execute(statement.order_by(IdentityProvider.name, IdentityProvider.id).limit(limit)).all()

    def list_roles(self, provider_ids: Collection[UUID]) -> Sequence[ProviderRole]:
        statement = select(ProviderRole).where(ProviderRole.provider_id.in_(provider_ids))
        return self.session.scalars(statement.order_by(ProviderRole.claim_value, ProviderRole.id)).all()

    def get_role(self, provider_id: UUID, role_id: UUID) -> ProviderRole | None:
        return self.session.scalar(
            select(ProviderRole).where(ProviderRole.id == role_id, ProviderRole.provider_id == provider_id)
        )

    def get_identity(self, provider_id: UUID, subject: str) -> Row[ExternalIdentity, Account] | None:
        return self.session.execute(
            select(ExternalIdentity, Account)
            .join(Account, Account.id == ExternalIdentity.account_id)
            .where(ExternalIdentity.provider_id == provider_id, ExternalIdentity.subject == subject)
        ).one_or_none()

    def has_identities(self, provider_id: UUID) -> bool:
        """Return whether anybody has signed in at a provider."""
        statement = select(ExternalIdentity.id).where(ExternalIdentity.provider_id == provider_id)
        return self.session.scalar(statement.limit(1)) is not None

    def list_identities(self, account_id: UUID) -> Sequence[Row[ExternalIdentity, IdentityProvider]]:
        """List the providers that an account is linked with."""
        return self.session.execute(
            select(ExternalIdentity, IdentityProvider)
            .join(IdentityProvider, IdentityProvider.id == ExternalIdentity.provider_id)
            .where(ExternalIdentity.account_id == account_id)
            .order_by(ExternalIdentity.id)
        ).all()
