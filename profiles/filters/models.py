"""Tables of imported filter lists: categories and their hosts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, TownOwned, UtcDateTime
from cartable.ids import new_id


class FilterCategory(TownOwned, Base):
    """A category of imported lists, in the format of the University of Toulouse (UT1). The lists are CC BY-SA 4.0."""

    __tablename__ = "filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool] = mapped_column(default=False)
    hosts: Mapped[int]
    urls: Mapped[int]
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class FilterBlock(Base):
    """Some thousand sorted hosts of a category, compressed, with the first and the last of them as bytes: the same order
    everywhere. Blocks of a list that was not sorted may overlap.
    """

    __tablename__ = "filter_block"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    category_id: Mapped[UUID] = mapped_column(ForeignKey("filter_category.id", ondelete="CASCADE"))
    first: Mapped[bytes] = mapped_column(LargeBinary)
    last: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index("ix_filter_block_first", "category_id", "first"),)
