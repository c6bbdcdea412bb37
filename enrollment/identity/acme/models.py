"""Tables of the ACME server: accounts, orders, used nonces. `service.purge_expired` deletes their rows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, UtcDateTime
from cartable.ids import new_id


class AcmeAccount(Base):
    """An ACME account: the public key of a client. No contact is stored."""

    __tablename__ = "acme_account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    thumbprint: Mapped[str] = mapped_column(String(43), unique=True)
    jwk: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deactivated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OrderState(StrEnum):
    """State of an order (RFC 8555 section 7.1.6); those of its authorization and challenge follow from it."""

    PENDING = "pending"
    READY = "ready"
    VALID = "valid"
    INVALID = "invalid"
    WITHDRAWN = "withdrawn"  # the client has deactivated its authorization


class AcmeOrder(Base):
    """An order with its only authorization and challenge: it has one identifier, and there is one way to prove it.

    `serial` to `sep_version` are set after a complete attestation, `key_sha256` also after one that contains only the key.
    """

    __tablename__ = "acme_order"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("acme_account.id"), index=True)
    challenge_id: Mapped[UUID] = mapped_column(ForeignKey("identity_challenge.id"), index=True)
    identifier: Mapped[str] = mapped_column(SealedText("acme_order.identifier"))
    token: Mapped[str] = mapped_column(String(43))
    state: Mapped[OrderState] = mapped_column(EnumText(OrderState), default=OrderState.PENDING)
    validated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(160))
    key_sha256: Mapped[str | None] = mapped_column(String(64))
    serial: Mapped[str | None] = mapped_column(String(64))
    udid: Mapped[str | None] = mapped_column(String(64))
    os_version: Mapped[str | None] = mapped_column(String(24))
    sep_version: Mapped[str | None] = mapped_column(String(24))
    certificate_id: Mapped[UUID | None] = mapped_column(ForeignKey("device_certificate.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_acme_order_expires_at", "expires_at"),)


class AcmeNonce(Base):
    """A used nonce, stored until it would have expired."""

    __tablename__ = "acme_nonce"

    value: Mapped[str] = mapped_column(String(43), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
