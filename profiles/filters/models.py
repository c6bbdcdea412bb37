"""Tables of the web filter: imported categories with their hosts, their updates, and the addresses at which a resolver serves filters."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id


class UpdateProblem(StrEnum):
    """Why the newest archive of a mirror was not imported."""

    UNREACHABLE = "unreachable"
    TOO_LARGE = "too_large"
    CHECKSUM = "checksum"  # it is not the archive that the mirror's checksum names
    UNREADABLE = "unreadable"
    SHRUNK = "shrunk"  # categories would lose too many hosts: a person looks at it


class FilterCategory(TownOwned, Base):
    """A category of imported lists, in the format of the University of Toulouse (UT1). The lists are CC BY-SA 4.0.

    `content_sha256` is the hash of its blocks: towns that imported the same list share one store of the resolver.
    """

    __tablename__ = "filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool] = mapped_column(default=False)
    hosts: Mapped[int]
    urls: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(String(64))
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


class FormerCategory(TownOwned, Base):
    """The content that a category had before its last change, kept for some days so that a person can put it back."""

    __tablename__ = "former_filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool]
    hosts: Mapped[int]
    urls: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(String(64))
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FormerBlock(Base):
    """A block of a former content, as `FilterBlock`."""

    __tablename__ = "former_filter_block"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    category_id: Mapped[UUID] = mapped_column(ForeignKey("former_filter_category.id", ondelete="CASCADE"))
    first: Mapped[bytes] = mapped_column(LargeBinary)
    last: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index("ix_former_filter_block_first", "category_id", "first"),)


class FilterAddress(TownOwned, Base):
    """An address of the town's resolver: one for each distinct filter, shared by the tablets that are in the same situation.

    `key_sha256` is what the address stands for (places, mode, lesson), never its hosts: a changed host changes `filter`, and no tablet
    needs a new profile. `last_used_at`: when the address was last computed as needed; tablets that are away may still use it for long.
    """

    __tablename__ = "filter_address"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    key_sha256: Mapped[str] = mapped_column(String(64))
    filter: Mapped[dict[str, Any]]
    content_sha256: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "key_sha256"),)


class ListUpdates(TownOwned, Base):
    """Whether a town wishes that its lists come by themselves, and how the last attempt went.

    `etag` is the mirror's name for the archive that was imported last; `problem` says why the newest one was not, and `shrunk` names the
    categories that would have lost too many hosts.
    """

    __tablename__ = "filter_list_updates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    is_wanted: Mapped[bool]
    etag: Mapped[str | None] = mapped_column(String(200))
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[UpdateProblem | None] = mapped_column(EnumText(UpdateProblem))
    shrunk: Mapped[list[Any] | None]
    __table_args__ = (UniqueConstraint("town_id"),)
