"""Tables of the command queue. One body serves every tablet the same order goes to."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, SealedBytes, TownOwned, UtcDateTime
from cartable.ids import new_id


class Lane(IntEnum):
    """Urgent orders overtake; background ones never drown the rest."""

    FINAL = -1  # nothing behind it can be delivered: an erase
    URGENT = 0
    NORMAL = 1
    BACKGROUND = 2


class CommandState(StrEnum):
    """States of one command on one tablet (design section 3.7)."""

    QUEUED = "queued"
    SENT = "sent"
    NOT_NOW = "not_now"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"  # the tablet said Error
    REJECTED = "rejected"  # the tablet said CommandFormatError, or the order was refused at delivery
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


OPEN_STATES = (CommandState.QUEUED, CommandState.SENT, CommandState.NOT_NOW)
_OPEN = text("state IN ('queued', 'sent', 'not_now')")


class CommandBody(Base):
    """What is ordered, once, for one or many tablets. `args` is the sealed JSON of the command's arguments;
    `nonce` is the random half of every CommandUUID made from this body.
    """

    __tablename__ = "command_body"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    nonce: Mapped[int] = mapped_column(BigInteger)
    request_type: Mapped[str] = mapped_column(String(64))
    args: Mapped[bytes] = mapped_column(SealedBytes("command_body.args"))
    asked_by: Mapped[UUID | None]
    asked_by_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Command(Base):
    """One order to one enrolment. Rows are never deleted by delivery: they are the history."""

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
    deliveries: Mapped[int] = mapped_column(SmallInteger, default=0)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    why: Mapped[str | None] = mapped_column(String(200))
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
        # No index on the deadline: the planner takes a partial one of few rows for a way to find one tablet's open commands,
        # and then reads everybody's. The reaper walks the open rows once a minute.
        Index("ix_command_history", "enrollment_id", "id"),
    )


class CommandAnswer(Base):
    """What the tablet answered: its status, error chain, and the raw plist, compressed, until it has been read."""

    __tablename__ = "command_answer"

    command_id: Mapped[int] = mapped_column(ForeignKey("command.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(24))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    error_chain: Mapped[list[Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class SafetySwitch(TownOwned, Base):
    """The stop switch for destructive commands of a town: while `stopped_at` is set none leaves the queue."""

    __tablename__ = "safety_switch"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stopped_by: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(String(300))
