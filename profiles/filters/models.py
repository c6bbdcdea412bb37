"""Table of web filters. So far one filter per town."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mdm.kit.db import Base, TownOwned, Utc
from mdm.kit.ids import new_id


class WebFilter(TownOwned, Base):
    """A town's built-in web filter: hosts denied, hosts permitted although the heuristic would refuse them."""

    __tablename__ = "web_filter"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    auto_filter: Mapped[bool] = mapped_column(default=True)
    denied: Mapped[list[Any]]
    permitted: Mapped[list[Any]]
    updated_at: Mapped[datetime] = mapped_column(Utc)
    __table_args__ = (UniqueConstraint("town_id"),)
