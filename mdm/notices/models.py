"""Tables of notices: who wants which, addresses outside the system, webhooks, and each notice with what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.alarms import AlarmKind
from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class NoticeLevel(StrEnum):
    """Of which alarms a person is written to."""

    ALL = "all"
    CRITICAL = "critical"
    NONE = "none"


class RecipientKind(StrEnum):
    """What the recipient of a notice is."""

    ACCOUNT = "account"  # a person who governs the town, or the operator
    ADDRESS = "address"  # a mail address outside the system
    OPERATOR_ADDRESS = "operator_address"  # the addresses in the settings of the server
    WEBHOOK = "webhook"


class NoticeChoice(Base):
    """What a person has chosen. Without a row: all alarms."""

    __tablename__ = "notice_choice"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[NoticeLevel] = mapped_column(EnumText(NoticeLevel))
    chosen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class NoticeAddress(TownOwned, Base):
    """A mail address that gets every alarm of a town, which still arrives when all accounts were taken over."""

    __tablename__ = "notice_address"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(SealedText("notice_address.email"))
    language: Mapped[str] = mapped_column(String(16))
    added_by: Mapped[UUID | None]
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Webhook(TownOwned, Base):
    """An address that gets every alarm of a town as signed JSON (Standard Webhooks)."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(SealedText("webhook.secret"))
    added_by: Mapped[UUID | None]
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Notice(Base):
    """One alarm for one recipient. `due_at` is later than the alarm where it waits for a digest."""

    __tablename__ = "notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alarm_id: Mapped[UUID] = mapped_column(ForeignKey("alarm.id", ondelete="CASCADE"), index=True)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    kind: Mapped[AlarmKind] = mapped_column(EnumText(AlarmKind))
    recipient_kind: Mapped[RecipientKind] = mapped_column(EnumText(RecipientKind))
    recipient_id: Mapped[UUID]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        Index("ix_notice_recipient", "recipient_id", "kind", "due_at"),
        Index("ix_notice_town", "town_id", "due_at", "id"),
    )
