"""Tables of the resolvers: how the process that keeps each of them running does, and what categories have closed on a day."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, TownOwned, UtcDateTime
from cartable.ids import new_id


class ResolverProcess(Base):
    """A resolver. `answered_at`: when its probe last proved that it answers and filters; `problem`: what was wrong at the last probe.

    `address_count`: the filters that it serves; `pending_lists`: lists of categories that it does not know yet.
    """

    __tablename__ = "resolver_process"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    address_count: Mapped[int]
    pending_lists: Mapped[int]
    restarts: Mapped[int]
    problem: Mapped[str | None] = mapped_column(String(500))


class BlockedCount(TownOwned, Base):
    """How many questions a category has closed on a day of a town, from all its tablets together. Nothing of a name, a tablet or a time."""

    __tablename__ = "blocked_count"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    day: Mapped[date]
    category: Mapped[str] = mapped_column(String(64))
    questions: Mapped[int]
    __table_args__ = (UniqueConstraint("town_id", "day", "category"),)
