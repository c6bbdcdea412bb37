"""Table of the resolvers: the process that keeps each of them running says how it does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, UtcDateTime


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
