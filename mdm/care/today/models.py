"""The table of the figures of each day."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base


class FleetDay(Base):
    """The tablets of a town on one day (UTC), as last counted on it. Numbers only: nothing of a person."""

    __tablename__ = "fleet_day"

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    in_use: Mapped[int]
    seen: Mapped[int]
    complete: Mapped[int]
