"""Tables of identity providers, of the roles that their claims give, and of the accounts that are linked with them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from cartable.scope import Role


class IdentityProvider(TownOwned, Base):
    """A service at which people of a town sign in. `claim` names what it tells of their groups."""

    __tablename__ = "identity_provider"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    issuer: Mapped[str] = mapped_column(String(300))
    client_id: Mapped[str] = mapped_column(String(200))
    client_secret: Mapped[str | None] = mapped_column(SealedText("identity_provider.client_secret"))
    scopes: Mapped[str] = mapped_column(String(200))
    claim: Mapped[str] = mapped_column(String(80))
    active: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProviderRole(Base):
    """A role that people get whose claim contains `claim_value`, as long as it does."""

    __tablename__ = "provider_role"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"), index=True)
    claim_value: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(EnumText(Role))
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    granted_by: Mapped[UUID | None]


class ExternalIdentity(Base):
    """A person at a provider, known by the subject that the provider never gives to another, and the account here."""

    __tablename__ = "external_identity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(String(255))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        UniqueConstraint("provider_id", "subject", name="uq_external_identity_subject"),
        Index("ix_external_identity_account", "account_id"),
    )
