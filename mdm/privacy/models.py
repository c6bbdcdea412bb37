"""Tables of privacy: periods of towns, requests, published notices, sealed reports, and how far the audit trail is verified."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.audit_verification import FaultKind
from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class RetentionOverride(TownOwned, Base):
    """The period that a town has set for one rule of the retention table, within the rule's bounds."""

    __tablename__ = "retention_override"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rule: Mapped[str] = mapped_column(String(40))
    days: Mapped[int]
    reason: Mapped[str] = mapped_column(String(300))
    set_by: Mapped[UUID | None]
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("uq_retention_override_rule", "town_id", "rule", unique=True),)


class ReportKind(StrEnum):
    """What a report proves."""

    RETENTION = "retention"
    ERASURE = "erasure"
    EXPORT = "export"
    BREACH = "breach"


class RequestKind(StrEnum):
    """Which right a person exercises (GDPR, articles 15 to 21)."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    INFORMATION = "information"


class RequestOutcome(StrEnum):
    """How a request was answered."""

    DONE = "done"
    PARTLY = "partly"
    REFUSED = "refused"


class PrivacyRequest(TownOwned, Base):
    """A person's privacy request and its term (PRIV-09). Requester, note and answer are sealed. `subject_id` is the pupil it concerns,
    kept after the erasure; it is no foreign key, so that it does not keep the pupil's row.
    """

    __tablename__ = "privacy_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[RequestKind] = mapped_column(EnumText(RequestKind))
    subject_id: Mapped[UUID | None] = mapped_column(index=True)
    requester: Mapped[str] = mapped_column(SealedText("privacy_request.requester"))
    note: Mapped[str] = mapped_column(SealedText("privacy_request.note"))
    received_on: Mapped[date]
    due_on: Mapped[date]
    extension_reason: Mapped[str | None] = mapped_column(SealedText("privacy_request.extension_reason"))
    answered_on: Mapped[date | None]
    outcome: Mapped[RequestOutcome | None] = mapped_column(EnumText(RequestOutcome))
    answer: Mapped[str | None] = mapped_column(SealedText("privacy_request.answer"))
    opened_by: Mapped[UUID | None]
    __table_args__ = (Index("ix_privacy_request_town", "town_id", "answered_on", "due_on"),)


class NoticeAudience(StrEnum):
    """Whom a notice informs."""

    GUARDIANS = "guardians"
    CHILDREN = "children"
    STAFF = "staff"


class PrivacyNotice(TownOwned, Base):
    """One published version of a notice (PRIV-10): its text and the hash of its content."""

    __tablename__ = "privacy_notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    audience: Mapped[NoticeAudience] = mapped_column(EnumText(NoticeAudience))
    version: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[dict[str, Any]]
    published_by: Mapped[UUID | None]
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "audience", "version"),)


class PrivacyReport(Base):
    """Proof of what was removed or exported, in numbers and ids, without names. `seal` is an HMAC of the other columns, stored in the
    audit trail too. A report without a town concerns data of no town: sign-ins.
    """

    __tablename__ = "privacy_report"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    kind: Mapped[ReportKind] = mapped_column(EnumText(ReportKind))
    subject_id: Mapped[UUID | None] = mapped_column(index=True)
    content: Mapped[dict[str, Any]]
    seal: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_privacy_report_town", "town_id", "created_at"),)


class AuditCheckpoint(Base):
    """How far the scheduled verification of one chain of the audit trail has come, what it found, and which end was anchored last.

    `seal` is an HMAC over the position, so that nobody can make the verification skip events. `fault_kind` and `fault_sequence` say
    what was found first; they stay until a later pass finds nothing.
    """

    __tablename__ = "audit_checkpoint"

    chain: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(default=0)
    link: Mapped[str] = mapped_column(String(64), default="")
    seal: Mapped[str] = mapped_column(String(64), default="")
    pass_started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    anchored_sequence: Mapped[int] = mapped_column(default=0)
    fault_kind: Mapped[FaultKind | None] = mapped_column(EnumText(FaultKind))
    fault_sequence: Mapped[int | None]
