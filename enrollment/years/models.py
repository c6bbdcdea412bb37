"""Tables of the school year: passages, what each means for each pupil, and which school follows which."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from enrollment.places.models import Level
from mdm.kit.db import Base, EnumText, TownOwned, Utc
from mdm.kit.ids import new_id


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


class Rollover(TownOwned, Base):
    """The passage of one town from one school year to the next."""

    __tablename__ = "rollover"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    from_year: Mapped[str] = mapped_column(String(9))
    to_year: Mapped[str] = mapped_column(String(9))
    state: Mapped[RolloverState] = mapped_column(EnumText(RolloverState))
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime] = mapped_column(Utc)
    applied_at: Mapped[datetime | None] = mapped_column(Utc)
    closed_at: Mapped[datetime | None] = mapped_column(Utc)
    __table_args__ = (UniqueConstraint("town_id", "from_year"),)


class RolloverLine(TownOwned, Base):
    """One pupil's passage. `ticked`: a head said so; a new preview leaves it. `applied_at` is set while it is in force."""

    __tablename__ = "rollover_line"

    rollover_id: Mapped[UUID] = mapped_column(ForeignKey("rollover.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    decision: Mapped[Decision] = mapped_column(EnumText(Decision))
    ticked: Mapped[bool] = mapped_column(default=False)
    ulis: Mapped[bool] = mapped_column(default=False)
    level_before: Mapped[Level] = mapped_column(EnumText(Level))
    level_after: Mapped[Level] = mapped_column(EnumText(Level))
    class_before: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    class_after: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    school_after: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    applied_at: Mapped[datetime | None] = mapped_column(Utc)


class SchoolSuccession(TownOwned, Base):
    """A school that goes on under another code: a merger, a new UAI."""

    __tablename__ = "school_succession"

    old_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True)
    new_school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
