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
    PROGRAM_MISSING = "program_missing"  # it is an rsync daemon, and rsync is not installed
    TOO_LARGE = "too_large"
    CHECKSUM = "checksum"  # it is not the archive that the mirror's checksum names
    UNREADABLE = "unreadable"
    SHRUNK = "shrunk"  # categories would lose too many hosts: a person looks at it


class ReleaseStatus(StrEnum):
    """What became of lists that came by themselves."""

    WAITING = "waiting"  # categories would lose too many hosts: a person looks at it
    TRIAL = "trial"  # in force in the schools that the town chose for trials
    IN_FORCE = "in_force"
    STOPPED = "stopped"  # by a person
    REPLACED = "replaced"  # by newer lists, before it was in force
    UNDONE = "undone"  # by a person, after it was in force: the former lists are back


class FilterContent(Base):
    """The hosts of a list, named by the hash of its blocks and shared by the categories of all towns that have it.

    `used_at`: when a category was last given it. One that no category has any more is deleted later.
    """

    __tablename__ = "filter_content"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FilterBlock(Base):
    """Some thousand sorted hosts of a list, compressed, with the first and the last of them as bytes: the same order
    everywhere. Blocks of a list that was not sorted may overlap.
    """

    __tablename__ = "filter_block"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    content_sha256: Mapped[str] = mapped_column(ForeignKey("filter_content.sha256", ondelete="CASCADE"))
    first: Mapped[bytes] = mapped_column(LargeBinary)
    last: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index("ix_filter_block_first", "content_sha256", "first"),)


class FilterCategory(TownOwned, Base):
    """A category of imported lists, in the format of the University of Toulouse (UT1). The lists are CC BY-SA 4.0."""

    __tablename__ = "filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool] = mapped_column(default=False)
    hosts: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(ForeignKey("filter_content.sha256"), index=True)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class FormerCategory(TownOwned, Base):
    """What a category was before its last change, kept for some days so that a person can put it back."""

    __tablename__ = "former_filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool]
    hosts: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(ForeignKey("filter_content.sha256"), index=True)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class ListRelease(TownOwned, Base):
    """New lists of a town that came by themselves: what they change, and what became of them.

    `changes`: for each category that differs its name, its hosts before and after, how many leave and come, and samples of both.
    `shrunk` names those that would lose too many. A trial ends at `trial_until`: then the lists are in force everywhere.
    """

    __tablename__ = "filter_list_release"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    status: Mapped[ReleaseStatus] = mapped_column(EnumText(ReleaseStatus))
    arrived_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changes: Mapped[list[Any]]
    shrunk: Mapped[list[Any]]
    trial_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StagedCategory(TownOwned, Base):
    """A category of a release that waits or is on trial."""

    __tablename__ = "staged_filter_category"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("filter_list_release.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    white: Mapped[bool]
    hosts: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(ForeignKey("filter_content.sha256"), index=True)
    __table_args__ = (UniqueConstraint("release_id", "name"),)


class FilterOptions(TownOwned, Base):
    """What a town chose for its filter beside the rules of places.

    `own_hosts`: sites of the town and its schools, which only the categories closed to every child close. `trial_schools`: ids of the
    schools that get new lists first, for `trial_hours`. `counts_questions`: the resolver counts what categories close, by day.
    """

    __tablename__ = "filter_options"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    own_hosts: Mapped[list[Any]]
    trial_schools: Mapped[list[Any]]
    trial_hours: Mapped[int]
    counts_questions: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (UniqueConstraint("town_id"),)


class FilterAddress(TownOwned, Base):
    """An address of the town's resolver: one for each distinct filter, shared by the tablets that are in the same situation.

    `key_sha256` is what the address stands for (places, mode, lesson), never its hosts: a changed host changes `filter`, and no tablet
    needs a new profile. `is_trial`: it serves the lists that are on trial. `last_used_at`: when the address was last computed as needed; tablets that are away may still use it for long.
    """

    __tablename__ = "filter_address"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    key_sha256: Mapped[str] = mapped_column(String(64))
    filter: Mapped[dict[str, Any]]
    content_sha256: Mapped[str] = mapped_column(String(64))
    is_trial: Mapped[bool] = mapped_column(default=False)
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
