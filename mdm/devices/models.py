"""Tables of device enrollments, and of what is stored per enrollment: last contact, push token, declarative state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import HOT_ROWS, Base, BigKey, CarriesTown, EnumText, SealedBytes, SealedText, TownOwned, UtcDateTime
from profiles.schedule.modes import Mode


class EnrollmentState(StrEnum):
    """State of an enrollment. `pending`: Authenticate has been received, TokenUpdate not yet."""

    PENDING = "pending"
    ENROLLED = "enrolled"
    CHECKED_OUT = "checked_out"
    RETIRED = "retired"  # decided by a person: the only state in which the server tells the tablet to unenroll


class DeviceEnrollment(TownOwned, Base):
    """One protocol channel: the device channel of a tablet, or the user channel of one Shared iPad user (`parent_id` set).

    `channel_key` is the canonical enrollment id of the protocol: the UDID in upper case, or `UDID:UserShortName`.
    `generation` grows with each Authenticate. `fingerprint` pins the identity certificate. During a renewal
    `next_fingerprint` is accepted too, until the tablet has used the new certificate once. `refreshed_at`: when the server last asked
    the tablet by itself for what it knows of itself. `erased_at`: when the tablet acknowledged its erase; it comes back with the next
    generation.
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
    refreshed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("ix_device_enrollment_fingerprint", "fingerprint"),
        Index("ix_device_enrollment_udid", "udid"),
    )


class LastSeen(CarriesTown, Base):
    """When an enrollment last contacted the server.

    A table of its own: every request of the tablet updates it and nothing else does, so no request waits for an enqueue.
    """

    __tablename__ = "last_seen"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = ({"postgresql_with": HOT_ROWS},)


class PushTarget(CarriesTown, Base):
    """Push token and magic of an enrollment. `invalid_since`: since when APNs refuses the token; a TokenUpdate clears it."""

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
    invalid_reason: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = ({"postgresql_with": HOT_ROWS},)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which declarations a tablet has: a shared set, the mode beside it, and how often each declaration was renewed."""

    set_sha256: str
    mode: Mode
    repairs: Mapping[str, int]

    @classmethod
    def build(cls, set_sha256: str | None, mode: str | None, repairs: Mapping[str, int] | None) -> Manifest | None:
        """Return the manifest of three columns; None when the first two are empty."""
        return cls(set_sha256, Mode(mode), repairs or {}) if set_sha256 is not None and mode is not None else None


class DeclarationStatus(StrEnum):
    """What a tablet has proved of the declarations that were announced to it."""

    WAITING = "waiting"  # it has not reported them yet
    IN_PROGRESS = "in_progress"
    CONFIRMED = "confirmed"  # active and valid, and so is all that they name
    FAILED = "failed"  # invalid, lost again, or in progress for too long


class DeclarativeState(CarriesTown, Base):
    """The declarations announced to an enrollment, those that its manifest named, and what the tablet reported about them.

    `set_sha256` names the shared declarations, `mode` the value of the property declaration beside them, and `repairs` how often
    each troubled declaration was renewed: the three together are the announced manifest. `published_at` is its timestamp, and
    `publication` counts announcements, so that a report never confirms another one than it was compared with. `served_*` is the
    manifest that the tablet fetched last: single declarations are served from it until it fetches the next one.

    `status_items` are the status items as last known, `reported_declarations` the last report on each kind. `next_check_at`: when
    declarations that are not confirmed are looked at again. `fallback_reason` is set where declarations do not work: then
    commands are used.
    """

    __tablename__ = "declarative_state"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    set_sha256: Mapped[str | None] = mapped_column(String(64))
    mode: Mapped[str | None] = mapped_column(String(32))
    repairs: Mapped[dict[str, Any] | None]
    publication: Mapped[int] = mapped_column(default=0)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    served_set_sha256: Mapped[str | None] = mapped_column(String(64))
    served_mode: Mapped[str | None] = mapped_column(String(32))
    served_repairs: Mapped[dict[str, Any] | None]
    served_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[DeclarationStatus] = mapped_column(EnumText(DeclarationStatus), default=DeclarationStatus.WAITING)
    status_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(300))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_mode: Mapped[str | None] = mapped_column(String(32))
    reported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status_items: Mapped[dict[str, Any] | None]
    reported_declarations: Mapped[dict[str, Any] | None]
    errors: Mapped[list[Any] | None]
    repair_attempts: Mapped[int] = mapped_column(default=0)
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Since when the policy comes from declarations only: the profile that a command had installed was removed.
    declarative_only_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fallback_reason: Mapped[str | None] = mapped_column(String(300))
    __table_args__ = (
        Index(
            "ix_declarative_state_check",
            "next_check_at",
            sqlite_where=next_check_at.is_not(None),
            postgresql_where=next_check_at.is_not(None),
        ),
        {"postgresql_with": HOT_ROWS},
    )

    @property
    def is_proved(self) -> bool:
        """Whether the tablet has proved by a status report that it applies declarations, and they have not been given up since."""
        return self.fallback_reason is None and self.reported_at is not None

    @property
    def announced(self) -> Manifest | None:
        """The announced manifest; None when no set is announced."""
        return Manifest.build(self.set_sha256, self.mode, self.repairs)

    @property
    def served(self) -> Manifest | None:
        """The manifest that the tablet fetched last; None when it had no declarations, or was never fetched."""
        return Manifest.build(self.served_set_sha256, self.served_mode, self.served_repairs)
