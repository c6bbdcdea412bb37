"""Tables of tablets: the inventory, custody (loans, cart slots)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mdm.kit.db import Base, EnumText, TownOwned, Utc
from mdm.kit.ids import new_id


class TabletState(StrEnum):
    """Life cycle of a tablet (schools.md section 8), the part that exists so far."""

    PREPARED = "prepared"
    STOCK = "stock"
    ASSIGNED = "assigned"
    IN_USE = "in_use"
    LOST = "lost"
    FOUND = "found"
    RETIRED = "retired"


class Tablet(TownOwned, Base):
    """One tablet of the town, known by its serial number for ever; survives every erase and re-enrolment.

    `class_id` is set while a class holds it without naming a pupil; an open loan goes before it.
    """

    __tablename__ = "tablet"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    serial: Mapped[str] = mapped_column(String(64), unique=True)
    tag: Mapped[str] = mapped_column(String(24))
    state: Mapped[TabletState] = mapped_column(EnumText(TabletState))
    product_name: Mapped[str | None] = mapped_column(String(40))
    model_name: Mapped[str | None] = mapped_column(String(80))
    os_version: Mapped[str | None] = mapped_column(String(24))
    build_version: Mapped[str | None] = mapped_column(String(24))
    supervised: Mapped[bool | None]
    battery_level: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(Utc)
    evidence_hold: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (UniqueConstraint("town_id", "tag"),)


class Cart(TownOwned, Base):
    """A charging cart with numbered slots."""

    __tablename__ = "cart"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    label: Mapped[str] = mapped_column(String(80))


class CartSlot(TownOwned, Base):
    """One place of a cart; holds at most one tablet."""

    __tablename__ = "cart_slot"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id"), index=True)
    number: Mapped[int]
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), unique=True)
    __table_args__ = (UniqueConstraint("cart_id", "number"),)


class Loan(TownOwned, Base):
    """A tablet in a pupil's hands. One open loan per pupil and per tablet, held by the database."""

    __tablename__ = "loan"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"))
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id"))
    opened_at: Mapped[datetime] = mapped_column(Utc)
    closed_at: Mapped[datetime | None] = mapped_column(Utc)
    __table_args__ = (
        Index(
            "uq_loan_open_tablet",
            "tablet_id",
            unique=True,
            sqlite_where=closed_at.is_(None),
            postgresql_where=closed_at.is_(None),
        ),
        Index(
            "uq_loan_open_pupil", "pupil_id", unique=True, sqlite_where=closed_at.is_(None), postgresql_where=closed_at.is_(None)
        ),
        Index("ix_loan_pupil", "pupil_id"),
    )
