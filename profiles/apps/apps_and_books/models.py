"""Table of content tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class LicenceToken(TownOwned, Base):
    """A town's content token for Apps and Books, sealed. `problem` is what the service last refused, for people."""

    __tablename__ = "licence_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    content: Mapped[str] = mapped_column(SealedText("licence_token.content"))
    location: Mapped[str] = mapped_column(String(160))
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (UniqueConstraint("town_id"),)
