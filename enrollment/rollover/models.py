"""Tables of the school year: passages, what each means for each pupil and school, successions, the return of the leavers' tablets."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Level


class RolloverState(StrEnum):
    """Where a passage stands. It may be applied in turns; until it is closed it can be undone."""

    DRAFT = "draft"
    APPLIED = "applied"
    CLOSED = "closed"


class Decision(StrEnum):
    """What becomes of a pupil."""

    PROMOTED = "promoted"
    RETAINED = "retained"
    SKIPPING = "skipping"
    LEAVER = "leaver"  # CM2, or a family that moves: the tablet comes back
    ABSENT = "absent"  # no roster names them: they stay at their level
    ARRIVED = "arrived"  # a roster of the coming year brought them: they are where they belong


class Rollover(TownOwned, Base):
    """The passage of one town from one school year to the next.

    Between `freezes_on` and the day before `starts_on` no roster takes anybody away. `armed_at`: it applies itself at the hour.
    """

    __tablename__ = "rollover"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    from_year: Mapped[str] = mapped_column(String(9))
    to_year: Mapped[str] = mapped_column(String(9))
    state: Mapped[RolloverState] = mapped_column(EnumText(RolloverState))
    freezes_on: Mapped[date]
    starts_on: Mapped[date]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    armed_by: Mapped[UUID | None]
    armed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "from_year"),)


class RolloverLine(TownOwned, Base):
    """One pupil's passage. `applied_at` is set while it is in force, `moved` when it has changed the pupil.

    `ticked`: a head said so; `told`: a roster of the coming year says so, and where the pupil will be. A new preview leaves both.
    `proposed`: what a roster of the year that ends says; the preview follows it where neither of them has spoken.
    """

    __tablename__ = "rollover_line"

    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    decision: Mapped[Decision] = mapped_column(EnumText(Decision))
    ticked: Mapped[bool] = mapped_column(default=False)
    told: Mapped[bool] = mapped_column(default=False, server_default=false())
    proposed: Mapped[Decision | None] = mapped_column(EnumText(Decision))
    ulis: Mapped[bool] = mapped_column(default=False)
    level_before: Mapped[Level] = mapped_column(EnumText(Level))
    level_after: Mapped[Level] = mapped_column(EnumText(Level))
    class_before: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    class_after: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    school_after: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    moved: Mapped[bool] = mapped_column(default=False, server_default=false())
    __table_args__ = (Index("ix_rollover_line_school", "rollover_id", "school_id", "class_before"),)


class RolloverSchool(TownOwned, Base):
    """How far one school is: its head has said what becomes of whom (June), and that the new lists are right (September)."""

    __tablename__ = "rollover_school"

    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True)
    ticked_by: Mapped[UUID | None]
    ticked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    listed_by: Mapped[UUID | None]
    listed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SchoolSuccession(TownOwned, Base):
    """A school that goes on under another code: a merger, a new UAI."""

    __tablename__ = "school_succession"

    old_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True)
    new_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))


class ReturnCampaign(TownOwned, Base):
    """The days on which leavers give their tablets back. While it is open, and only for its tablets, an act in bulk may wipe."""

    __tablename__ = "return_campaign"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), unique=True)
    opened_by: Mapped[UUID | None]
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReturnDay(TownOwned, Base):
    """The day of one class, or of a whole school where no class is named."""

    __tablename__ = "return_day"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("return_campaign.id", ondelete="CASCADE"), index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    day: Mapped[date]


class ReturnTablet(TownOwned, Base):
    """A tablet that is to come back, with where and of which class. It is back once the loan of `listed_at` is over."""

    __tablename__ = "return_tablet"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("return_campaign.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    listed_at: Mapped[datetime] = mapped_column(UtcDateTime)
