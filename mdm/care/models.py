"""Tables of care: lost cases and position requests (schools.md section 9), erases in bulk (section 20)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class LostCase(TownOwned, Base):
    """One loss: asked and confirmed are two different instants, at the start and at the end."""

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
    """One fix asked for a lost tablet: who, why, who approved, and the sealed answer, purged in time."""

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
    failed_why: Mapped[str | None] = mapped_column(String(200))


class BulkErase(TownOwned, Base):
    """An erase of many tablets that were given back: asked by one person, approved by another, sent half an hour later, unless
    somebody cancels (schools.md section 20).
    """

    __tablename__ = "bulk_erase"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    ticket: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(SealedText("bulk_erase.reason"))
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LeftOut(StrEnum):
    """Why a tablet of a bulk erase was not erased."""

    NOT_RETURNED = "not_returned"  # it is in a child's hands, or its campaign is over
    EVIDENCE_HOLD = "evidence_hold"
    MISSING = "missing"  # lost or stolen
    NOT_ENROLLED = "not_enrolled"  # nothing can be told to it


class BulkEraseTablet(TownOwned, Base):
    """One tablet of a bulk erase; `left_out` tells why it was not erased in the end."""

    __tablename__ = "bulk_erase_tablet"

    bulk_id: Mapped[UUID] = mapped_column(ForeignKey("bulk_erase.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), primary_key=True, index=True)
    left_out: Mapped[LeftOut | None] = mapped_column(EnumText(LeftOut))
