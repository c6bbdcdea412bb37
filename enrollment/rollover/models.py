"""Tables of the rollover: one rollover per town and year, its lines per pupil and progress per school, school successions, and the
return campaign of the leavers' tablets.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Grade


class RolloverState(StrEnum):
    """How far a rollover is. It can be applied and undone repeatedly until it is closed."""

    DRAFT = "draft"
    APPLIED = "applied"
    CLOSED = "closed"


class RolloverDecision(StrEnum):
    """What becomes of a pupil at the rollover."""

    PROMOTED = "promoted"
    RETAINED = "retained"
    SKIPPING = "skipping"
    LEAVER = "leaver"  # leaves the town's schools, after CM2 or because the family moves: the tablet is returned
    ABSENT = "absent"  # no roster lists the pupil: the grade stays
    ARRIVED = "arrived"  # a roster of the incoming year added the pupil, already in the right place


class Rollover(TownOwned, Base):
    """The rollover of one town from one school year to the next.

    From `freezes_on` to the day before `starts_on` no roster removes anybody. With `auto_apply_enabled_at` set, the rollover applies
    itself on 1 September.
    """

    __tablename__ = "rollover"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    from_year: Mapped[str] = mapped_column(String(9))
    to_year: Mapped[str] = mapped_column(String(9))
    state: Mapped[RolloverState] = mapped_column(EnumText(RolloverState))
    freezes_on: Mapped[date]
    starts_on: Mapped[date]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    auto_apply_enabled_by: Mapped[UUID | None]
    auto_apply_enabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "from_year"),)


class RolloverLine(TownOwned, Base):
    """The rollover of one pupil. `applied_at` is set while the line is applied, `pupil_changed` when applying it changed the pupil.

    `decided_by_head`: a head chose the decision. `decided_by_roster`: a roster of the incoming year sets the decision and the place.
    A refresh of the draft keeps both. `proposed_decision`: what a roster of the ending year says; it counts where neither has decided.
    """

    __tablename__ = "rollover_line"

    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    decision: Mapped[RolloverDecision] = mapped_column(EnumText(RolloverDecision))
    decided_by_head: Mapped[bool] = mapped_column(default=False)
    decided_by_roster: Mapped[bool] = mapped_column(default=False, server_default=false())
    proposed_decision: Mapped[RolloverDecision | None] = mapped_column(EnumText(RolloverDecision))
    ulis: Mapped[bool] = mapped_column(default=False)
    grade_before: Mapped[Grade] = mapped_column(EnumText(Grade))
    grade_after: Mapped[Grade] = mapped_column(EnumText(Grade))
    class_before: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    class_after: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    school_after: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pupil_changed: Mapped[bool] = mapped_column(default=False, server_default=false())
    __table_args__ = (Index("ix_rollover_line_school", "rollover_id", "school_id", "class_before"),)


class RolloverSchool(TownOwned, Base):
    """The progress of one school: when its head completed the decisions (June) and confirmed the class lists (September)."""

    __tablename__ = "rollover_school"

    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True)
    decisions_completed_by: Mapped[UUID | None]
    decisions_completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lists_confirmed_by: Mapped[UUID | None]
    lists_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SchoolSuccession(TownOwned, Base):
    """A school that is continued by another: a merger, or a new UAI."""

    __tablename__ = "school_succession"

    old_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True)
    new_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))


class ReturnCampaign(TownOwned, Base):
    """The days on which leavers return their tablets. Only tablets of an open campaign may be erased in bulk."""

    __tablename__ = "return_campaign"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), unique=True)
    opened_by: Mapped[UUID | None]
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReturnDay(TownOwned, Base):
    """The return day of one class, or of a whole school when `class_id` is empty."""

    __tablename__ = "return_day"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("return_campaign.id", ondelete="CASCADE"), index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    day: Mapped[date]


class ReturnTablet(TownOwned, Base):
    """A tablet to be returned, with the school and class that return it. It is returned once the loan that was open at `added_at` is
    closed.
    """

    __tablename__ = "return_tablet"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("return_campaign.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
