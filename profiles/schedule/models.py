"""Tables of the rhythm: timetables, calendars, exceptions, evaluations, sessions, activities, guardians' rules, seen modes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Level
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.guardian_rules import RuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.modes import Mode
from profiles.schedule.session_rules import Preset


class Timetable(TownOwned, Base):
    """The week of a town, or of one of its schools. The newest version holds. Times are minutes of the local clock."""

    __tablename__ = "timetable"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    version: Mapped[int]
    week: Mapped[dict[str, Any]]
    calendar: Mapped[str] = mapped_column(String(80))
    night_from: Mapped[int | None]
    night_to: Mapped[int | None]
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "school_id", "version"),)


class OwnCalendar(TownOwned, Base):
    """A calendar that a town keeps itself: periods off, public holidays, and until when they are known."""

    __tablename__ = "own_calendar"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    periods: Mapped[list[Any]]
    public: Mapped[list[Any]]
    known_until: Mapped[date | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class CalendarOverride(TownOwned, Base):
    """What a town, a school or a class says of single days. Withdrawn ones stay as history."""

    __tablename__ = "calendar_override"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    first: Mapped[date]
    last: Mapped[date]
    kind: Mapped[OverrideKind] = mapped_column(EnumText(OverrideKind))
    at: Mapped[int | None]
    window_from: Mapped[int | None]
    window_to: Mapped[int | None]
    like: Mapped[int | None]
    label: Mapped[str] = mapped_column(String(120), default="")
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ExamDay(TownOwned, Base):
    """An evaluation: a day and its hours, for one level of a school or of the whole town."""

    __tablename__ = "exam_day"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    level: Mapped[Level | None] = mapped_column(EnumText(Level))
    day: Mapped[date]
    starts: Mapped[int]
    ends: Mapped[int]


class PupilRhythm(TownOwned, Base):
    """Where a pupil is in after-school bands, as far as the family has said (schools.md section 4.6)."""

    __tablename__ = "pupil_rhythm"

    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True)
    after_school: Mapped[AfterSchool] = mapped_column(EnumText(AfterSchool))


class GuardianRule(TownOwned, Base):
    """A rule of one guardian for one child; it only takes something away (schools.md section 12)."""

    __tablename__ = "guardian_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), index=True)
    guardian_id: Mapped[UUID]
    kind: Mapped[RuleKind] = mapped_column(EnumText(RuleKind))
    subject: Mapped[str] = mapped_column(String(155), default="")
    window_from: Mapped[int | None]
    window_to: Mapped[int | None]
    starts: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends: Mapped[datetime | None] = mapped_column(UtcDateTime)
    priority: Mapped[bool] = mapped_column(default=False)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LessonSession(TownOwned, Base):
    """A class session of a teacher: it always has an end."""

    __tablename__ = "lesson_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    class_id: Mapped[UUID] = mapped_column(ForeignKey("school_class.id"))
    starts: Mapped[datetime] = mapped_column(UtcDateTime)
    ends: Mapped[datetime] = mapped_column(UtcDateTime)
    preset: Mapped[Preset] = mapped_column(EnumText(Preset))
    apps: Mapped[list[Any]]
    sites: Mapped[list[Any]]
    started_by: Mapped[UUID | None]
    __table_args__ = (Index("ix_lesson_session_class", "class_id", "ends"),)


class Activity(TownOwned, Base):
    """An after-school activity: the tablets that an agent took into it, until its end."""

    __tablename__ = "activity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    starts: Mapped[datetime] = mapped_column(UtcDateTime)
    ends: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_by: Mapped[UUID | None]


class ActivityTablet(Base):
    """A tablet in an activity."""

    __tablename__ = "activity_tablet"

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activity.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)


class TabletMode(TownOwned, Base):
    """The mode that a tablet should be in, and when it is looked at next."""

    __tablename__ = "tablet_mode"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    mode: Mapped[Mode] = mapped_column(EnumText(Mode))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    next_look: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
