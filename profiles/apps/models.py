"""Tables of apps: the town's catalogue, and licences."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id


class App(TownOwned, Base):
    """An approved app: exactly one of a store id or a manifest URL says where it comes from; neither: built in."""

    __tablename__ = "app"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    bundle_identifier: Mapped[str] = mapped_column(String(155))
    app_store_id: Mapped[int | None] = mapped_column(BigInteger)
    manifest_url: Mapped[str | None] = mapped_column(String(500))
    __table_args__ = (UniqueConstraint("town_id", "bundle_identifier"),)


class LicencePool(TownOwned, Base):
    """How many device licences of an app a town owns. An app without a pool is not counted."""

    __tablename__ = "licence_pool"

    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), primary_key=True)
    total: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LicenceState(StrEnum):
    """Life of one licence on one tablet."""

    RESERVED = "reserved"
    ASSIGNED = "assigned"
    IN_GRACE = "in_grace"


class Licence(TownOwned, Base):
    """A licence of an app for a tablet. After release it is in grace for 30 days: the app may still open there, while
    the number is the town's again.
    """

    __tablename__ = "licence"

    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)
    state: Mapped[LicenceState] = mapped_column(EnumText(LicenceState))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether the licence service has taken it back.
    returned: Mapped[bool] = mapped_column(default=False)
