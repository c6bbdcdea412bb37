"""Tables of device enrolments with their generations, and the narrow hot row of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, SealedBytes, SealedText, TownOwned, UtcDateTime


class EnrollmentState(StrEnum):
    """Where an enrolment stands. `pending`: Authenticate seen, no token yet."""

    PENDING = "pending"
    ENROLLED = "enrolled"
    CHECKED_OUT = "checked_out"
    RETIRED = "retired"  # an explicit decision: only then is the tablet told to unenrol


class DeviceEnrollment(TownOwned, Base):
    """One protocol channel: a tablet, or one Shared iPad user on it (`parent_id` set).

    `channel_key` is the canonical enrolment id of the protocol: the UDID in upper case, or `UDID:UserShortName`.
    `generation` grows with each Authenticate. `fingerprint` pins the identity certificate; during a renewal
    `next_fingerprint` is accepted too until it has been seen once.
    """

    __tablename__ = "device_enrollment"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("device_enrollment.id"))
    channel_key: Mapped[str] = mapped_column(String(255), unique=True)
    udid: Mapped[str] = mapped_column(String(128))
    generation: Mapped[int] = mapped_column(default=1)
    state: Mapped[EnrollmentState] = mapped_column(EnumText(EnrollmentState))
    fingerprint: Mapped[str] = mapped_column(String(64))
    next_fingerprint: Mapped[str | None] = mapped_column(String(64))
    topic: Mapped[str | None] = mapped_column(String(255))
    awaiting_configuration: Mapped[bool] = mapped_column(default=False)
    unlock_token: Mapped[bytes | None] = mapped_column(SealedBytes("device_enrollment.unlock_token"))
    bootstrap_token: Mapped[bytes | None] = mapped_column(SealedBytes("device_enrollment.bootstrap_token"))
    authenticated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    enrolled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("ix_device_enrollment_fingerprint", "fingerprint"),
        Index("ix_device_enrollment_udid", "udid"),
    )


class Heartbeat(Base):
    """The hot row: touched by every request of the tablet and by nothing else, so it never waits for an enqueue."""

    __tablename__ = "heartbeat"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PushTarget(Base):
    """Where to wake an enrolment. `invalid_since` is set when APNs said the token is dead; a TokenUpdate clears it."""

    __tablename__ = "push_target"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    token: Mapped[bytes] = mapped_column(SealedBytes("push_target.token"))
    magic: Mapped[str] = mapped_column(SealedText("push_target.magic"))
    topic: Mapped[str] = mapped_column(String(255))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    pushed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    invalid_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    invalid_why: Mapped[str | None] = mapped_column(String(64))


class DeclarativeState(Base):
    """What an enrolment was announced by declarations, and what it reported. The announced manifest is the one served.

    `set_sha256` names the shared declarations, `mode` the property beside them. `items` are the status items as last known;
    `declarations` the last report on each kind. `problem` is set where declarations do not work: then commands are used.
    """

    __tablename__ = "declarative_state"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    set_sha256: Mapped[str | None] = mapped_column(String(64))
    mode: Mapped[str | None] = mapped_column(String(32))
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seen_mode: Mapped[str | None] = mapped_column(String(32))
    reported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    items: Mapped[dict[str, Any] | None]
    declarations: Mapped[dict[str, Any] | None]
    errors: Mapped[list[Any] | None]
    repairs: Mapped[int] = mapped_column(default=0)
    #: Since when the declared policy holds alone: the profile that a command had installed is gone.
    alone_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(200))
