"""Tables of care: lost cases and position requests, bulk erases and their tablets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class LostCase(TownOwned, Base):
    """One loss. Request and confirmation are separate instants, for enabling lost mode and for lifting it."""

    __tablename__ = "lost_case"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    reason: Mapped[str] = mapped_column(SealedText("lost_case.reason"))
    message: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(40))
    footnote: Mapped[str | None] = mapped_column(String(120))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lift_requested_by: Mapped[UUID | None]
    lift_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lift_reason: Mapped[str | None] = mapped_column(SealedText("lost_case.lift_reason"))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index(
            "uq_lost_case_open", "tablet_id", unique=True, sqlite_where=lifted_at.is_(None), postgresql_where=lifted_at.is_(None)
        ),
    )


class PositionRequest(TownOwned, Base):
    """A request for one position of a lost tablet: requester, reason, approver, and the sealed position until it is purged."""

    __tablename__ = "position_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("lost_case.id"), index=True)
    reason: Mapped[str] = mapped_column(SealedText("position_request.reason"))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[str | None] = mapped_column(SealedText("position_request.position"))
    failure_reason: Mapped[str | None] = mapped_column(String(200))


class BulkErase(TownOwned, Base):
    """An erase of many returned tablets: requested by one person, approved by another, sent after a delay unless it is cancelled."""

    __tablename__ = "bulk_erase"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    ticket: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(SealedText("bulk_erase.reason"))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SkipReason(StrEnum):
    """Why a tablet of a bulk erase was not erased."""

    NOT_RETURNED = "not_returned"  # it is lent, or its campaign has ended
    EVIDENCE_HOLD = "evidence_hold"
    MISSING = "missing"  # lost or stolen
    NOT_ENROLLED = "not_enrolled"  # no command can be sent to it


class BulkEraseTablet(TownOwned, Base):
    """One tablet of a bulk erase. `skip_reason` is set when it was not erased."""

    __tablename__ = "bulk_erase_tablet"

    bulk_id: Mapped[UUID] = mapped_column(ForeignKey("bulk_erase.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), primary_key=True, index=True)
    skip_reason: Mapped[SkipReason | None] = mapped_column(EnumText(SkipReason))
