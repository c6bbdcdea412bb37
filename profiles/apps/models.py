"""Tables of apps: the town's catalogue, licences, and the content token of Apps and Books."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
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


class LicenceToken(TownOwned, Base):
    """A town's content token for Apps and Books, sealed. `problem` is what the service last refused, for people."""

    __tablename__ = "licence_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    content: Mapped[str] = mapped_column(SealedText("licence_token.content"))
    location: Mapped[str] = mapped_column(String(160))
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (UniqueConstraint("town_id"),)
