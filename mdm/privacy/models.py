"""Tables of privacy: the towns' own retention periods, and the sealed reports that prove what was done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from mdm.kit.db import Base, EnumText, TownOwned, Utc
from mdm.kit.ids import new_id


class RetentionChoice(TownOwned, Base):
    """A period that a town has chosen for one rule of the retention table, within the rule's bounds."""

    __tablename__ = "retention_choice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rule: Mapped[str] = mapped_column(String(40))
    days: Mapped[int]
    reason: Mapped[str] = mapped_column(String(300))
    set_by: Mapped[UUID | None]
    set_at: Mapped[datetime] = mapped_column(Utc)
    __table_args__ = (Index("uq_retention_choice_rule", "town_id", "rule", unique=True),)


class ReportKind(StrEnum):
    """What a report proves."""

    RETENTION = "retention"
    ERASURE = "erasure"
    EXPORT = "export"


class PrivacyReport(Base):
    """What was removed or handed out, in numbers and ids, never names. `seal` is an HMAC over the rest; the audit trail holds
    it too. Without a town it speaks of what belongs to no town: sign-ins.
    """

    __tablename__ = "privacy_report"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    kind: Mapped[ReportKind] = mapped_column(EnumText(ReportKind))
    subject_id: Mapped[UUID | None] = mapped_column(index=True)
    content: Mapped[dict[str, Any]]
    seal: Mapped[str] = mapped_column(String(64))
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime] = mapped_column(Utc)
    __table_args__ = (Index("ix_privacy_report_town", "town_id", "made_at"),)
