"""All SQL of the rhythm: what towns, schools, teachers and guardians said about time, and the modes of tablets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.places.models import School, Town
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import (
    Activity,
    ActivityTablet,
    CalendarOverride,
    ExamDay,
    GuardianRule,
    LessonSession,
    OwnCalendar,
    PupilRhythm,
    TabletMode,
    Timetable,
)


class ModeRepository:
    """Reads and writes in sets: a constant number of queries for any number of tablets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def towns(self, town_ids: Sequence[UUID]) -> dict[UUID, Town]:
        return {town.id: town for town in self.session.scalars(select(Town).where(Town.id.in_(town_ids)))}

    def schools(self, town_ids: Sequence[UUID]) -> dict[UUID, School]:
        return {school.id: school for school in self.session.scalars(select(School).where(School.town_id.in_(town_ids)))}

    def timetables(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID | None], Timetable]:
        """The newest timetable of each town and school."""
        newest = (
            select(func.max(Timetable.version))
            .where(Timetable.town_id.in_(town_ids))
            .group_by(Timetable.town_id, Timetable.school_id)
            .with_only_columns(Timetable.town_id, Timetable.school_id, func.max(Timetable.version).label("version"))
            .subquery()
        )
        same_school = or_(newest.c.school_id == Timetable.school_id, newest.c.school_id.is_(None) & Timetable.school_id.is_(None))
        rows = self.session.scalars(
            select(Timetable).join(
                newest, (newest.c.town_id == Timetable.town_id) & same_school & (newest.c.version == Timetable.version)
            )
        )
        return {(row.town_id, row.school_id): row for row in rows}

    def timetable(self, town_id: UUID, school_id: UUID | None) -> Timetable | None:
        return self.timetables([town_id]).get((town_id, school_id))

    def calendars(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, str], OwnCalendar]:
        rows = self.session.scalars(select(OwnCalendar).where(OwnCalendar.town_id.in_(town_ids)))
        return {(row.town_id, row.name): row for row in rows}

    def overrides(self, town_ids: Sequence[UUID]) -> Sequence[CalendarOverride]:
        return self.session.scalars(
            select(CalendarOverride)
            .where(CalendarOverride.town_id.in_(town_ids), CalendarOverride.withdrawn_at.is_(None))
            .order_by(CalendarOverride.written_at, CalendarOverride.id)
        ).all()

    def override(self, actor: Actor, override_id: UUID) -> CalendarOverride | None:
        statement = select(CalendarOverride).where(CalendarOverride.id == override_id)
        return self.session.scalar(actor.restrict(statement, CalendarOverride))

    def exams(self, town_ids: Sequence[UUID]) -> Sequence[ExamDay]:
        return self.session.scalars(
            select(ExamDay).where(ExamDay.town_id.in_(town_ids)).order_by(ExamDay.day, ExamDay.starts, ExamDay.id)
        ).all()

    def after_school(self, pupil_ids: Iterable[UUID]) -> dict[UUID, AfterSchool]:
        rows = self.session.scalars(select(PupilRhythm).where(PupilRhythm.pupil_id.in_(list(pupil_ids))))
        return {row.pupil_id: row.after_school for row in rows}

    def guardian_rules(self, pupil_ids: Iterable[UUID]) -> dict[UUID, list[GuardianRule]]:
        found: dict[UUID, list[GuardianRule]] = {}
        rows = self.session.scalars(
            select(GuardianRule)
            .where(GuardianRule.pupil_id.in_(list(pupil_ids)), GuardianRule.withdrawn_at.is_(None))
            .order_by(GuardianRule.id)
        )
        for row in rows:
            found.setdefault(row.pupil_id, []).append(row)
        return found

    def guardian_rule(self, actor: Actor, rule_id: UUID) -> GuardianRule | None:
        return self.session.scalar(actor.restrict(select(GuardianRule).where(GuardianRule.id == rule_id), GuardianRule))

    def pupil_rhythm(self, pupil_id: UUID) -> PupilRhythm | None:
        return self.session.get(PupilRhythm, pupil_id)

    def one_of_class(self, class_id: UUID) -> list[UUID]:
        """A tablet of a class, if it has one."""
        return list(self.session.scalars(TabletRepository(self.session).of_class(class_id).limit(1)))

    def sessions(self, class_ids: Iterable[UUID], now: datetime) -> dict[UUID, LessonSession]:
        """The last session of each class that is not over."""
        rows = self.session.scalars(
            select(LessonSession)
            .where(LessonSession.class_id.in_(list(class_ids)), LessonSession.ends > now)
            .order_by(LessonSession.starts, LessonSession.id)
        )
        return {row.class_id: row for row in rows}

    def lesson(self, actor: Actor, session_id: UUID) -> LessonSession | None:
        return self.session.scalar(actor.restrict(select(LessonSession).where(LessonSession.id == session_id), LessonSession))

    def activities(self, tablet_ids: Sequence[UUID], now: datetime) -> dict[UUID, Activity]:
        """The activity that each tablet is in."""
        rows = self.session.execute(
            select(ActivityTablet.tablet_id, Activity)
            .join(Activity, Activity.id == ActivityTablet.activity_id)
            .where(ActivityTablet.tablet_id.in_(tablet_ids), Activity.ends > now)
            .order_by(Activity.starts, Activity.id)
        )
        return {row.tablet_id: row.Activity for row in rows}

    def modes(self, tablet_ids: Sequence[UUID]) -> dict[UUID, TabletMode]:
        return {
            row.tablet_id: row for row in self.session.scalars(select(TabletMode).where(TabletMode.tablet_id.in_(tablet_ids)))
        }

    def due(self, now: datetime) -> Select[UUID]:
        """Statement: the tablets whose mode must be looked at."""
        return select(TabletMode.tablet_id).where(TabletMode.next_look <= now)

    def looked_at(self, now: datetime, later: datetime) -> None:
        """The due ones are in hand; if that comes to nothing they are looked at again at `later`."""
        self.session.execute(update(TabletMode).where(TabletMode.next_look <= now).values(next_look=later))

    def next_version(self, town_id: UUID, school_id: UUID | None) -> int:
        row = self.timetable(town_id, school_id)
        return row.version + 1 if row else 1

    def add(self, row: Any) -> None:
        self.session.add(row)
        self.session.flush()
