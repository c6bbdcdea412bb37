"""Tables of places: towns, schools, classes. See docs/domain/schools.md#structure."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned
from cartable.ids import new_id
from enrollment.places.hosts import MAX_HOST
from enrollment.places.zones import PARIS, HolidayZone


class Grade(StrEnum):
    """School grades of nursery and primary school, in their order. Sort by `rank`, never by name."""

    PS = "PS"
    MS = "MS"
    GS = "GS"
    CP = "CP"
    CE1 = "CE1"
    CE2 = "CE2"
    CM1 = "CM1"
    CM2 = "CM2"

    @property
    def rank(self) -> int:
        """The position of the grade, from 0 for the youngest pupils."""
        return list(Grade).index(self)


class Town(Base):
    """A local authority, the tenant: it owns the tablets, and every tenant-owned row carries its id.

    `support_phone` and `lost_message` are shown on a lost tablet; without them the tablet shows a sentence that names the town.
    `host` is the name that is written into its tablets for ever; without one they are given the address of the installation.
    `is_demonstration`: its people and tablets are invented, so nobody is made to protect them by a second factor.
    """

    __tablename__ = "town"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    zone: Mapped[HolidayZone] = mapped_column(EnumText(HolidayZone), default=HolidayZone.C)
    time_zone: Mapped[str] = mapped_column(String(40), default=PARIS)
    tag_prefix: Mapped[str] = mapped_column(String(8))
    host: Mapped[str | None] = mapped_column(String(MAX_HOST), unique=True)
    support_phone: Mapped[str | None] = mapped_column(String(40))
    lost_message: Mapped[str | None] = mapped_column(String(200))
    is_demonstration: Mapped[bool] = mapped_column(default=False)


class School(TownOwned, Base):
    """One school, identified by its UAI, the national code of a school. Without `zone` or `time_zone` it has those of its town.

    `phone` stands on the emergency card of the tablets.

    A closed school keeps its history, and is offered nowhere.
    """

    __tablename__ = "school"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    uai: Mapped[str] = mapped_column(String(8), unique=True)
    name: Mapped[str] = mapped_column(String(160))
    phone: Mapped[str | None] = mapped_column(String(40))
    zone: Mapped[HolidayZone | None] = mapped_column(EnumText(HolidayZone))
    time_zone: Mapped[str | None] = mapped_column(String(40))
    closed_on: Mapped[date | None]


class SchoolClass(TownOwned, Base):
    """A class of one school year.

    `label` is displayed as received; `label_key` is what labels are compared by; by `label_order` classes are listed, from nursery
    school up (`enrollment.people.class_order`).
    """

    __tablename__ = "school_class"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    school_year: Mapped[str] = mapped_column(String(9))
    label: Mapped[str] = mapped_column(String(200))
    label_key: Mapped[str] = mapped_column(String(200))
    label_order: Mapped[str] = mapped_column(String(200))
    onde_id: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (UniqueConstraint("school_id", "school_year", "label_key"),)

    @classmethod
    def is_of_class(cls, class_id: UUID) -> ColumnElement[bool]:
        """Return the SQL condition for the class itself."""
        return cls.id == class_id
