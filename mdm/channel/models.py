"""Tables of the device channel: notes about unexpected messages, and tablets that a restored database does not know as they are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, UtcDateTime
from cartable.ids import new_id


class ChannelNote(Base):
    """A message that the server did not understand or rejected: its kind and details, for support staff.

    `udid` is what the message says; `fingerprint` is of the certificate that signed it.
    """

    __tablename__ = "channel_note"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    udid: Mapped[str] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(48))
    details: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("ix_channel_note_udid", "udid", "id"),
        Index("ix_channel_note_fingerprint", "fingerprint", "at"),
        Index("ix_channel_note_at", "at"),
    )


class ReadoptionOutcome(StrEnum):
    """What became of a tablet whose certificate is ours, although the database does not know it."""

    READOPTED = "readopted"
    UNKNOWN_TABLET = "unknown_tablet"  # neither its UDID nor its serial number is known, and its invitation is not either
    OTHER_TABLET = "other_tablet"  # the certificate was issued for another tablet than the one with this UDID or serial number
    ALREADY_ENROLLED = "already_enrolled"  # the tablet with this serial number is enrolled under another UDID


class Readoption(Base):
    """A tablet with a certificate of our CA that the database does not know: it was issued after the backup that was restored."""

    __tablename__ = "readoption"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    outcome: Mapped[ReadoptionOutcome] = mapped_column(EnumText(ReadoptionOutcome))
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"), index=True)
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), index=True)
    udid: Mapped[str] = mapped_column(String(128))
    serial: Mapped[str | None] = mapped_column(String(64))
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
