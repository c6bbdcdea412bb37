"""Tables of device assignment: the town's servers in Apple's portal, their profiles, and the devices assigned to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedBytes, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.joining.ade.ports import ProfileStatus, Result


class Phase(StrEnum):
    """What the cursor is good for."""

    FETCH = "fetch"  # the whole list is being read
    SYNC = "sync"


class Alarm(StrEnum):
    """What only a person can mend. Named as in `ports.Trouble`."""

    TERMS = "terms_not_signed"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a word
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 - a word
    DENIED = "access_denied"
    CLOCK = "clock_skew"
    PROFILE = "profile_refused"
    OTHER_SERVER = "other_server"


class AssignmentServer(TownOwned, Base):
    """One server entry of Apple's portal. Key and token are sealed; the key outlives every token, and signs service tokens.

    `generation` numbers the readings of the whole list: what one does not show again is no longer assigned. One worker talks at
    a time: it holds the row (`holder`) until `held_until`.
    """

    __tablename__ = "assignment_server"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    private_key: Mapped[bytes] = mapped_column(SealedBytes("assignment_server.private_key"))
    certificate: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    consumer_key: Mapped[str | None] = mapped_column(String(512), unique=True)
    secrets: Mapped[str | None] = mapped_column(SealedText("assignment_server.secrets"))
    expires: Mapped[datetime | None] = mapped_column(UtcDateTime)
    server_uuid: Mapped[str | None] = mapped_column(String(80))
    server_name: Mapped[str | None] = mapped_column(String(160))
    org_name: Mapped[str | None] = mapped_column(String(160))
    phase: Mapped[Phase] = mapped_column(EnumText(Phase), default=Phase.FETCH)
    cursor: Mapped[str | None] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(default=0)
    whole_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    holder: Mapped[UUID | None]
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rest_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    alarm: Mapped[Alarm | None] = mapped_column(EnumText(Alarm))
    alarm_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(String(80), default="")
    support_phone: Mapped[str] = mapped_column(String(40), default="")
    support_email: Mapped[str] = mapped_column(String(120), default="")
    skipped: Mapped[list[Any]]
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class Variant(StrEnum):
    """Profiles of a server: one for everybody, one for cart tablets, which may erase themselves and come back (26+)."""

    USUAL = "usual"
    CART = "cart"


class AssignmentProfile(TownOwned, Base):
    """A profile as it was defined at Apple's. It never changes: another content is another profile."""

    __tablename__ = "assignment_profile"

    server_id: Mapped[UUID] = mapped_column(ForeignKey("assignment_server.id", ondelete="CASCADE"), primary_key=True)
    variant: Mapped[Variant] = mapped_column(EnumText(Variant), primary_key=True)
    content_sha256: Mapped[str] = mapped_column(String(64))
    uuid: Mapped[str] = mapped_column(String(64))
    defined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AssignedDevice(TownOwned, Base):
    """A device as the service tells it. `removed_at`: no longer assigned to this server; the inventory does not forget it.

    `result`, `attempts` and `retry_at` tell how assigning its profile went.
    """

    __tablename__ = "assigned_device"

    server_id: Mapped[UUID] = mapped_column(ForeignKey("assignment_server.id", ondelete="CASCADE"), primary_key=True)
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
    result: Mapped[Result | None] = mapped_column(EnumText(Result))
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lock_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lock_code: Mapped[str | None] = mapped_column(SealedText("assigned_device.lock_code"))
    lock_result: Mapped[Result | None] = mapped_column(EnumText(Result))
    __table_args__ = (
        Index("ix_assigned_device_serial", "serial"),
        Index(
            "ix_assigned_device_lock", "server_id",
            sqlite_where=lock_asked_at.is_not(None), postgresql_where=lock_asked_at.is_not(None),
        ),
    )  # fmt: skip
