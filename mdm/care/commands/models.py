"""Tables of commands to many tablets, and of the bypass codes of activation lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Grade
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.rules import Obstacle


class BulkCommand(TownOwned, Base):
    """A command that a person gives to many tablets at once. `parameters` are its texts and pictures, as JSON.

    `school_id`, `class_id` and `grade` say whose tablets were chosen; all empty: those of the town. It is sent at once, or by a second
    person where `needs_approval`. `sent_at`: when the commands were enqueued; `cancelled_at`: when what had not left was cancelled.
    """

    __tablename__ = "bulk_command"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    kind: Mapped[CommandKind] = mapped_column(EnumText(CommandKind))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id", ondelete="SET NULL"))
    grade: Mapped[Grade | None] = mapped_column(EnumText(Grade))
    parameters: Mapped[str] = mapped_column(SealedText("bulk_command.parameters"))
    reason: Mapped[str | None] = mapped_column(SealedText("bulk_command.reason"))
    requested_by: Mapped[UUID | None]
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    needs_approval: Mapped[bool]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_bulk_command_requested", "town_id", "requested_at", "id"),)


class BulkCommandTablet(TownOwned, Base):
    """One tablet of a bulk command: its command in the queue, or the obstacle that kept it from getting one.

    Before the bulk command is sent both are empty. `command_id` stays when the command is archived, so it is no foreign key.
    """

    __tablename__ = "bulk_command_tablet"

    bulk_id: Mapped[UUID] = mapped_column(ForeignKey("bulk_command.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)
    command_id: Mapped[int | None] = mapped_column(BigInteger)
    obstacle: Mapped[Obstacle | None] = mapped_column(EnumText(Obstacle))


class ActivationBypassCode(TownOwned, Base):
    """The code that removes the activation lock of a tablet, as the tablet reported it after its enrollment.

    It stays until the next enrollment gives another: it is needed when the tablet was erased and asks for an Apple Account.
    """

    __tablename__ = "activation_bypass_code"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(SealedText("activation_bypass_code.code"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
