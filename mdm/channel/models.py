"""The table of the device channel: notes about unexpected messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, UtcDateTime


class ChannelNote(Base):
    """A message that the server did not understand or rejected: its kind and details, for support staff."""

    __tablename__ = "channel_note"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    udid: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(48))
    details: Mapped[dict[str, Any]]
    __table_args__ = (Index("ix_channel_note_udid", "udid", "id"),)
