"""Tables of apps: the town's catalogue, bundles, and to which grade each is given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from enrollment.places.models import Level
from mdm.kit.db import Base, EnumText, TownOwned, Utc
from mdm.kit.ids import new_id


class App(TownOwned, Base):
    """An approved app: exactly one of a store id or a manifest URL says where it comes from; neither: built in."""

    __tablename__ = "app"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    bundle_identifier: Mapped[str] = mapped_column(String(155))
    app_store_id: Mapped[int | None] = mapped_column(BigInteger)
    manifest_url: Mapped[str | None] = mapped_column(String(500))
    __table_args__ = (UniqueConstraint("town_id", "bundle_identifier"),)


class AppBundle(TownOwned, Base):
    """A named set of apps that a town gives together."""

    __tablename__ = "app_bundle"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(Utc)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class BundleApp(Base):
    """One app of a bundle."""

    __tablename__ = "bundle_app"

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("app_bundle.id", ondelete="CASCADE"), primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id"), primary_key=True)


class BundleAssignment(TownOwned, Base):
    """A bundle given to a grade of the town (a pupil's level decides, never the class label)."""

    __tablename__ = "bundle_assignment"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("app_bundle.id", ondelete="CASCADE"), index=True)
    level: Mapped[Level] = mapped_column(EnumText(Level))
    assigned_at: Mapped[datetime] = mapped_column(Utc)
    assigned_by: Mapped[UUID | None]
    __table_args__ = (UniqueConstraint("town_id", "bundle_id", "level"),)
