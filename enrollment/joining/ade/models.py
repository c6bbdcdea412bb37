"""Tables of Automated Device Enrollment: the town's MDM servers in Apple's portal, their profiles and their devices."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedBytes, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.joining.ade.ports import DeviceResult, ProfileStatus


class SyncPhase(StrEnum):
    """Which operation the stored cursor belongs to."""

    FETCH = "fetch"  # a full fetch has not ended
    SYNC = "sync"


class AdeAlarm(StrEnum):
    """An error that only a person can resolve; values as in `ports.AdeErrorKind`."""

    TERMS = "terms_not_signed"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a word
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 - a word
    DENIED = "access_denied"
    CLOCK = "clock_skew"
    PROFILE = "profile_refused"
    OTHER_SERVER = "other_server"


class AdeServer(TownOwned, Base):
    """One MDM server in Apple's portal. Key and token are sealed; the key stays when the token is renewed and signs service tokens.

    `generation` counts full fetches: a device that the latest one has not listed is no longer assigned. `lease_holder` and
    `lease_until` are the lease of the worker that synchronises (`sync_lease`).
    """

    __tablename__ = "ade_server"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    private_key: Mapped[bytes] = mapped_column(SealedBytes("ade_server.private_key"))
    certificate: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    consumer_key: Mapped[str | None] = mapped_column(String(512), unique=True)
    token_secrets: Mapped[str | None] = mapped_column(SealedText("ade_server.token_secrets"))
    token_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    server_uuid: Mapped[str | None] = mapped_column(String(80))
    server_name: Mapped[str | None] = mapped_column(String(160))
    org_name: Mapped[str | None] = mapped_column(String(160))
    phase: Mapped[SyncPhase] = mapped_column(EnumText(SyncPhase), default=SyncPhase.FETCH)
    cursor: Mapped[str | None] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(default=0)
    full_fetch_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_holder: Mapped[UUID | None]
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    alarm: Mapped[AdeAlarm | None] = mapped_column(EnumText(AdeAlarm))
    alarm_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(String(80), default="")
    support_phone: Mapped[str] = mapped_column(String(40), default="")
    support_email: Mapped[str] = mapped_column(String(120), default="")
    skip_setup_items: Mapped[list[Any]]
    #: The school to which the tablets go that this server brings into the inventory.
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id", ondelete="SET NULL"))
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class ProfileVariant(StrEnum):
    """Which profile of a server: the standard one, or that of cart tablets with return to service (iPadOS 26+)."""

    STANDARD = "standard"
    CART = "cart"


class AdeProfile(TownOwned, Base):
    """A profile that was defined at Apple. It cannot be changed: another content is another profile."""

    __tablename__ = "ade_profile"

    server_id: Mapped[UUID] = mapped_column(ForeignKey("ade_server.id", ondelete="CASCADE"), primary_key=True)
    variant: Mapped[ProfileVariant] = mapped_column(EnumText(ProfileVariant), primary_key=True)
    content_sha256: Mapped[str] = mapped_column(String(64))
    uuid: Mapped[str] = mapped_column(String(64))
    defined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AdeDevice(TownOwned, Base):
    """A device that Apple assigns to the server. `removed_at`: when it was no longer assigned; the tablet stays in the inventory.

    `result`, `attempts` and `retry_at` are of the last assignment of its profile.
    """

    __tablename__ = "ade_device"

    server_id: Mapped[UUID] = mapped_column(ForeignKey("ade_server.id", ondelete="CASCADE"), primary_key=True)
    serial: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str | None] = mapped_column(String(80))
    description: Mapped[str | None] = mapped_column(String(200))
    color: Mapped[str | None] = mapped_column(String(40))
    asset_tag: Mapped[str | None] = mapped_column(String(80))
    family: Mapped[str | None] = mapped_column(String(40))
    os: Mapped[str | None] = mapped_column(String(24))
    profile_status: Mapped[ProfileStatus | None] = mapped_column(EnumText(ProfileStatus))
    profile_uuid: Mapped[str | None] = mapped_column(String(64))
    profile_assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    profile_pushed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    migrate_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    op_date: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    generation: Mapped[int] = mapped_column(default=0)
    result: Mapped[DeviceResult | None] = mapped_column(EnumText(DeviceResult))
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lock_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lock_bypass_key: Mapped[str | None] = mapped_column(SealedText("ade_device.lock_bypass_key"))
    lock_result: Mapped[DeviceResult | None] = mapped_column(EnumText(DeviceResult))
    __table_args__ = (
        Index("ix_ade_device_serial", "serial"),
        Index(
            "ix_ade_device_lock", "server_id",
            sqlite_where=lock_requested_at.is_not(None), postgresql_where=lock_requested_at.is_not(None),
        ),
    )  # fmt: skip
