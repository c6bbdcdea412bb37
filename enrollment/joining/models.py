"""Tables of invitations, their uses, and reservations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.joining.errors import EnrollmentRefusal


class InvitationKind(StrEnum):
    """For whom a tablet enrolls."""

    PUPIL = "pupil"
    CLASS = "class"
    CART_SLOT = "cart_slot"
    STAFF = "staff"
    STOCK = "stock"


class Invitation(TownOwned, Base):
    """A permission to enroll tablets. `code` is a bearer secret: looked up by its keyed hash, shown again from the sealed text.

    A use is counted once per tablet, so that a retry costs nothing. `refusal` is the last one of a device that tried to enroll.
    """

    __tablename__ = "invitation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"), index=True)
    kind: Mapped[InvitationKind] = mapped_column(EnumText(InvitationKind))
    pupil_id: Mapped[UUID | None] = mapped_column(ForeignKey("pupil.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    cart_slot_id: Mapped[UUID | None] = mapped_column(ForeignKey("cart_slot.id"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff_member.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    code: Mapped[str] = mapped_column(SealedText("invitation.code"))
    max_uses: Mapped[int] = mapped_column(default=1)
    uses: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[UUID | None]
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[EnrollmentRefusal | None] = mapped_column(EnumText(EnrollmentRefusal))
    refused_device: Mapped[str | None] = mapped_column(String(80))


class InvitationUse(Base):
    """One tablet that enrolled by an invitation."""

    __tablename__ = "invitation_use"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    invitation_id: Mapped[UUID] = mapped_column(ForeignKey("invitation.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"))
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("invitation_id", "tablet_id"),)


class Reservation(TownOwned, Base):
    """For whom a tablet is meant that has not enrolled yet. Applied and deleted at enrollment.

    `problem`: why the reservation could not be applied at the last enrollment.
    """

    __tablename__ = "reservation"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[InvitationKind] = mapped_column(EnumText(InvitationKind))
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id", ondelete="CASCADE"), index=True)
    pupil_id: Mapped[UUID | None] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), unique=True)
    cart_slot_id: Mapped[UUID | None] = mapped_column(ForeignKey("cart_slot.id", ondelete="CASCADE"), unique=True)
    problem: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[UUID | None]
