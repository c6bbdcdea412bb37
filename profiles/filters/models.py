"""Tables of web filters: the town's own, what places add per mode, how it reaches tablets, and imported categories."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from profiles.policy.kinds import LayerKind


class WebFilter(TownOwned, Base):
    """A town's built-in web filter: hosts denied, hosts permitted although the heuristic would refuse them."""

    __tablename__ = "web_filter"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    auto_filter: Mapped[bool] = mapped_column(default=True)
    denied: Mapped[list[Any]]
    permitted: Mapped[list[Any]]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id"),)


class FilterPolicy(TownOwned, Base):
    """What one place adds to the filter, in all modes or in one. `categories` maps a category to `block` or `allow`."""

    __tablename__ = "filter_policy"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[LayerKind] = mapped_column(EnumText(LayerKind))
    target: Mapped[str] = mapped_column(String(36), default="")
    mode: Mapped[str] = mapped_column(String(32))
    denied: Mapped[list[Any]]
    permitted: Mapped[list[Any]]
    openable: Mapped[list[Any]]
    categories: Mapped[dict[str, Any]]
    only_permitted: Mapped[bool] = mapped_column(default=False)
    written_by: Mapped[UUID | None]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "kind", "target", "mode"),)


class DeliveryKind(StrEnum):
    """How the filter reaches tablets, by choice of the town."""

    BUILT_IN = "built_in"
    PLUGIN = "plugin"
    DNS = "dns"


class FilterDelivery(TownOwned, Base):
    """The town's choice, with what a plug-in or a DNS service needs to know. Without a row: built in."""

    __tablename__ = "filter_delivery"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[DeliveryKind] = mapped_column(EnumText(DeliveryKind))
    options: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id"),)


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
