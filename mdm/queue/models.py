"""Tables of the command queue: command bodies, one row per command and enrollment, results, and the archive of ended commands."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, CarriesTown, EnumText, SealedBytes, UtcDateTime
from cartable.tracing import TRACEPARENT_LENGTH


class Lane(IntEnum):
    """Delivery priority: within one enrollment the lowest lane is delivered first."""

    FINAL = -1  # erase: nothing queued after it can be delivered
    URGENT = 0
    NORMAL = 1
    BACKGROUND = 2


class CommandState(StrEnum):
    """States of one command for one enrollment. `mdm.queue.rules` says which may follow which."""

    QUEUED = "queued"
    SENT = "sent"
    NOT_NOW = "not_now"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"  # the tablet answered Error
    REJECTED = "rejected"  # the tablet answered CommandFormatError, or the server refused delivery
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class EndReason(StrEnum):
    """Why the open commands of an enrollment ended with it; stored as the reason of their state."""

    ENROLLED_AGAIN = "the tablet enrolled again"
    ANOTHER_UDID = "the tablet enrolled under another UDID"
    CHECKED_OUT = "the enrollment profile was removed from the tablet"
    RETIRED = "a person retired the tablet"
    READOPTED = "the database was restored from a backup; the tablet had enrolled or renewed since"
    RESTORED = "the database was restored from a backup: order it again if it is still wanted"


OPEN_STATES = (CommandState.QUEUED, CommandState.SENT, CommandState.NOT_NOW)
UNSENT_STATES = (CommandState.QUEUED, CommandState.NOT_NOW)
_OPEN = text("state IN ('queued', 'sent', 'not_now')")
_BY_A_PERSON = text("reason IS NOT NULL OR requested_by IS NOT NULL")


class CommandBody(Base):
    """The content of a command, stored once for all the enrollments it is queued for.

    `args` is the encrypted JSON of the command's arguments; `nonce` the random half of the CommandUUIDs of this body.
    `traceparent`: the trace of the act, when traces are on.
    """

    __tablename__ = "command_body"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    nonce: Mapped[int] = mapped_column(BigInteger)
    request_type: Mapped[str] = mapped_column(String(64))
    args: Mapped[bytes] = mapped_column(SealedBytes("command_body.args"))
    requested_by: Mapped[UUID | None]
    requested_by_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    traceparent: Mapped[str | None] = mapped_column(String(TRACEPARENT_LENGTH))


class QueuedCommand(CarriesTown, Base):
    """One command for one enrollment. Delivery never deletes rows: ended ones are archived some weeks later.

    `state_reason` says why the command ended as it did: the tablet's error, or the server's reason. `delivery_count` counts
    the deliveries since the tablet last answered to it.
    """

    __tablename__ = "command"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    enrollment_id: Mapped[int] = mapped_column(ForeignKey("device_enrollment.id"))
    generation: Mapped[int]
    body_id: Mapped[int] = mapped_column(ForeignKey("command_body.id"), index=True)
    lane: Mapped[int] = mapped_column(SmallInteger, default=Lane.NORMAL)
    state: Mapped[CommandState] = mapped_column(EnumText(CommandState), default=CommandState.QUEUED)
    dedupe_key: Mapped[str | None] = mapped_column(String(96))
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    delivery_count: Mapped[int] = mapped_column(SmallInteger, default=0)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state_reason: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        Index("ix_command_open", "enrollment_id", "lane", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(
            "uq_command_waiting",
            "enrollment_id",
            "dedupe_key",
            unique=True,
            sqlite_where=text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
            postgresql_where=text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
        ),
        # No index on the deadline: with a partial one the planner would look up one tablet's open commands in it, and read
        # those of all tablets. The reaper scans the open rows once a minute.
        Index("ix_command_history", "enrollment_id", "id"),
        # For the archive, which looks for the oldest.
        Index("ix_command_created", "created_at", "id"),
        # No room on the pages for changed rows: a change of `state`, which the partial indexes name, writes the indexes in any case.
    )


class CommandResult(CarriesTown, Base):
    """The result that a tablet reported: status, error chain, and the compressed raw plist, until the command is archived.

    `status` is Apple's word, or `Unreadable`: then `body` holds the bytes as received, cut when they were too many.
    """

    __tablename__ = "command_result"

    command_id: Mapped[int] = mapped_column(ForeignKey("command.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(24))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    error_chain: Mapped[list[Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class ArchivedCommand(CarriesTown, Base):
    """A command that ended some weeks ago, with its result: without its arguments and without the raw plist.

    Its row in `command` is gone; the id is the same. One partition a month on PostgreSQL, by the day of the command. It has no foreign
    keys: a partition that is made or dropped would lock the tables that they name, and every check-in needs these.
    """

    __tablename__ = "archived_command"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    enrollment_id: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int]
    request_type: Mapped[str] = mapped_column(String(64))
    state: Mapped[CommandState] = mapped_column(EnumText(CommandState))
    state_reason: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    requested_by: Mapped[UUID | None]
    requested_by_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    status: Mapped[str | None] = mapped_column(String(24))
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_chain: Mapped[list[Any] | None]
    __table_args__ = (
        Index("ix_archived_command_enrollment", "enrollment_id", "id"),
        Index("ix_archived_command_created", "created_at", "id"),
        # Only a few commands come from people; these lose their author after the term of the town.
        Index(
            "ix_archived_command_author",
            "town_id",
            "created_at",
            sqlite_where=_BY_A_PERSON,
            postgresql_where=_BY_A_PERSON,
        ),
        {"postgresql_partition_by": "RANGE (created_at)"},
    )
