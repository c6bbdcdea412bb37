"""Table of authored policy. So far one layer, the town's floor."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from mdm.kit.db import Base, TownOwned, Utc
from mdm.kit.ids import new_id


class TownFloor(TownOwned, Base):
    """The settings of a town's floor: catalogue keys to values. One row per town and version; the newest holds."""

    __tablename__ = "town_floor"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int]
    settings: Mapped[dict[str, Any]]
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(Utc)
