"""Tables of erasing: bulk erases and their tablets. The stop switch is in `enrollment.safeguards`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class BulkErase(TownOwned, Base):
    """An erase of many returned tablets: requested by one person, approved by another, sent by stages after a delay unless it is cancelled.

    `due_at`: when the next stage is sent. `sent_at`: when the last one was.
    """

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
    """One tablet of a bulk erase. `decided_at` is set when its stage was sent, `skip_reason` too when it was not erased."""

    __tablename__ = "bulk_erase_tablet"

    bulk_id: Mapped[UUID] = mapped_column(ForeignKey("bulk_erase.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), primary_key=True, index=True)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    skip_reason: Mapped[SkipReason | None] = mapped_column(EnumText(SkipReason))
