"""Tables of the timeline: its single row, the restores that were noticed, and the times in which the clock was not trusted."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, UtcDateTime
from cartable.ids import new_id


class Timeline(Base):
    """The single row that says how far the database has got. `position` grows every minute and with each irreversible order.

    `known_at` is the last time at which the clock was trusted. `epoch` counts the restores that were noticed.
    """

    __tablename__ = "timeline"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    database_id: Mapped[UUID]
    epoch: Mapped[int]
    position: Mapped[int]
    known_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RestoreEvidence(StrEnum):
    """How it was noticed that the database is older than it was."""

    TIMELINE = "timeline"  # the file beside the secrets is ahead of it
    CERTIFICATE = "certificate"  # a tablet showed a certificate of our CA that the database does not know


class DatabaseRestore(Base):
    """A restore that was noticed: the database had got to `data_until`, and what came after it is lost.

    `known_until` is how far the lost part had got, as far as is known.
    """

    __tablename__ = "database_restore"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    evidence: Mapped[RestoreEvidence] = mapped_column(EnumText(RestoreEvidence))
    noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    data_until: Mapped[datetime] = mapped_column(UtcDateTime)
    known_until: Mapped[datetime] = mapped_column(UtcDateTime)
    expired_commands: Mapped[int]
    cancelled_bulk_erases: Mapped[int]


class ClockPause(Base):
    """A time in which the clock was not trusted: nothing was deleted and nothing expired.

    It ends when the clock comes back, or when a person says that the clock is right: then `released_by_name` and `reason` are set.
    """

    __tablename__ = "clock_pause"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    known_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_by_name: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(300))
