"""Tables of schedules: timetables, calendars, day exceptions, exams, class sessions, activities, guardians' rules, tablet modes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Grade
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.modes import Mode
from profiles.schedule.session_rules import SessionPreset


class Timetable(TownOwned, Base):
    """A version of the weekly timetable of a town or of one school; the newest applies. Times are local minutes after midnight.

    `removed`: from this version on the school has none of its own, and the town's holds.
    """

    __tablename__ = "timetable"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    version: Mapped[int]
    week: Mapped[dict[str, Any]]
    calendar: Mapped[str] = mapped_column(String(80))
    night_from: Mapped[int | None]
    night_to: Mapped[int | None]
    removed: Mapped[bool] = mapped_column(default=False)
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "school_id", "version"),)


class TownCalendar(TownOwned, Base):
    """A calendar that a town maintains itself: holiday periods, public holidays, and the last date for which they are known."""

    __tablename__ = "town_calendar"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    periods: Mapped[list[Any]]
    public_holidays: Mapped[list[Any]]
    known_until: Mapped[date | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class CalendarOverride(TownOwned, Base):
    """A day exception of a town, a school or a class. Withdrawn ones are kept as history."""

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
    template_weekday: Mapped[int | None]
    label: Mapped[str] = mapped_column(String(120), default="")
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ExamDay(TownOwned, Base):
    """An exam: a day and its hours, for one grade or all grades, of one school or of the whole town."""

    __tablename__ = "exam_day"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    grade: Mapped[Grade | None] = mapped_column(EnumText(Grade))
    day: Mapped[date]
    starts: Mapped[int]
    ends: Mapped[int]


class PupilAfterSchool(TownOwned, Base):
    """Whether a pupil stays at school in after-school bands, as the family declared it."""

    __tablename__ = "pupil_after_school"

    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True)
    after_school: Mapped[AfterSchool] = mapped_column(EnumText(AfterSchool))


class ClassAbsence(TownOwned, Base):
    """A pupil who is absent from class until `until`, the next midnight. Kept no longer: this is no attendance register."""

    __tablename__ = "class_absence"

    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class GuardianRule(TownOwned, Base):
    """A rule of one guardian for one pupil. It can only restrict."""

    __tablename__ = "guardian_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), index=True)
    guardian_id: Mapped[UUID]
    kind: Mapped[GuardianRuleKind] = mapped_column(EnumText(GuardianRuleKind))
    subject: Mapped[str] = mapped_column(String(155), default="")
    window_from: Mapped[int | None]
    window_to: Mapped[int | None]
    starts: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends: Mapped[datetime | None] = mapped_column(UtcDateTime)
    priority: Mapped[bool] = mapped_column(default=False)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ClassSession(TownOwned, Base):
    """A class session that a teacher started. It always has an end."""

    __tablename__ = "class_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    class_id: Mapped[UUID] = mapped_column(ForeignKey("school_class.id"))
    starts: Mapped[datetime] = mapped_column(UtcDateTime)
    ends: Mapped[datetime] = mapped_column(UtcDateTime)
    preset: Mapped[SessionPreset] = mapped_column(EnumText(SessionPreset))
    apps: Mapped[list[Any]]
    sites: Mapped[list[Any]]
    started_by: Mapped[UUID | None]
    __table_args__ = (Index("ix_class_session_class", "class_id", "ends"),)


class Activity(TownOwned, Base):
    """An after-school activity of some tablets. It always has an end."""

    __tablename__ = "activity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    starts: Mapped[datetime] = mapped_column(UtcDateTime)
    ends: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_by: Mapped[UUID | None]


class ActivityTablet(Base):
    """A tablet that takes part in an activity."""

    __tablename__ = "activity_tablet"

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activity.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)


class TabletMode(TownOwned, Base):
    """The mode that a tablet should be in, since when, and when it must be evaluated again.

    `mode_only_until` is set while nothing but the mode of the tablet changes with the clock: until then a change of mode needs no full
    decision. `mode_only_basis` names what the last full decision depended on beside the tables. See docs/domain/modes.md#switching-a-town.
    """

    __tablename__ = "tablet_mode"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    mode: Mapped[Mode] = mapped_column(EnumText(Mode))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    next_evaluation_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    mode_only_until: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    mode_only_basis: Mapped[str | None] = mapped_column(String(64))
