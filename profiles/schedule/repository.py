"""All SQL of schedules: timetables, calendars, exceptions, exams, sessions, activities, guardians' rules and tablet modes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.scope import Actor
from enrollment.people.models import Pupil
from enrollment.places.models import School, Town
from enrollment.tablets.models import Loan, Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import DECOMMISSIONED, MISSING, OUT_OF_SERVICE
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import (
    Activity,
    ActivityTablet,
    CalendarOverride,
    ClassAbsence,
    ClassSession,
    ExamDay,
    GuardianRule,
    PupilAfterSchool,
    TabletMode,
    Timetable,
    TownCalendar,
)


class ScheduleRepository:
    """Reads and writes for many tablets at once, in a constant number of queries."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_towns(self, town_ids: Sequence[UUID]) -> dict[UUID, Town]:
        return {town.id: town for town in self.session.scalars(select(Town).where(Town.id.in_(town_ids)))}

    def get_schools(self, town_ids: Sequence[UUID]) -> dict[UUID, School]:
        return {school.id: school for school in self.session.scalars(select(School).where(School.town_id.in_(town_ids)))}

    def get_timetables(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID | None], Timetable]:
        """Return the timetable that each town (school None) and each school has: the newest, unless that removed it."""
        return {key: row for key, row in self._get_newest_timetables(town_ids).items() if not row.removed}

    def _get_newest_timetables(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID | None], Timetable]:
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

    def get_timetable(self, town_id: UUID, school_id: UUID | None) -> Timetable | None:
        return self.get_timetables([town_id]).get((town_id, school_id))

    def get_calendars(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, str], TownCalendar]:
        rows = self.session.scalars(select(TownCalendar).where(TownCalendar.town_id.in_(town_ids)))
        return {(row.town_id, row.name): row for row in rows}

    def list_towns_with_calendars(self) -> Sequence[UUID]:
        """Return the towns that have a calendar of their own or an imported one."""
        return self.session.scalars(select(TownCalendar.town_id).distinct().order_by(TownCalendar.town_id)).all()

    def list_overrides(self, town_ids: Sequence[UUID]) -> Sequence[CalendarOverride]:
        return self.session.scalars(
            select(CalendarOverride)
            .where(CalendarOverride.town_id.in_(town_ids), CalendarOverride.withdrawn_at.is_(None))
            .order_by(CalendarOverride.written_at, CalendarOverride.id)
        ).all()

    def get_override(self, actor: Actor, override_id: UUID) -> CalendarOverride | None:
        statement = select(CalendarOverride).where(CalendarOverride.id == override_id)
        return self.session.scalar(actor.restrict(statement, CalendarOverride))

    def list_exams(self, town_ids: Sequence[UUID]) -> Sequence[ExamDay]:
        return self.session.scalars(
            select(ExamDay).where(ExamDay.town_id.in_(town_ids)).order_by(ExamDay.day, ExamDay.starts, ExamDay.id)
        ).all()

    def get_exam(self, actor: Actor, exam_id: UUID) -> ExamDay | None:
        return self.session.scalar(actor.restrict(select(ExamDay).where(ExamDay.id == exam_id), ExamDay))

    def delete_exam(self, exam: ExamDay) -> None:
        self.session.delete(exam)
        self.session.flush()

    def get_after_school_by_pupil(self, pupil_ids: Iterable[UUID]) -> dict[UUID, AfterSchool]:
        rows = self.session.scalars(select(PupilAfterSchool).where(PupilAfterSchool.pupil_id.in_(list(pupil_ids))))
        return {row.pupil_id: row.after_school for row in rows}

    def get_rules_by_pupil(self, pupil_ids: Iterable[UUID]) -> dict[UUID, list[GuardianRule]]:
        rules_by_pupil: dict[UUID, list[GuardianRule]] = {}
        rows = self.session.scalars(
            select(GuardianRule)
            .where(GuardianRule.pupil_id.in_(list(pupil_ids)), GuardianRule.withdrawn_at.is_(None))
            .order_by(GuardianRule.id)
        )
        for row in rows:
            rules_by_pupil.setdefault(row.pupil_id, []).append(row)
        return rules_by_pupil

    def get_guardian_rule(self, actor: Actor, rule_id: UUID) -> GuardianRule | None:
        """Return a rule of a child whom the actor may see."""
        statement = select(GuardianRule).join(Pupil, Pupil.id == GuardianRule.pupil_id).where(GuardianRule.id == rule_id)
        return self.session.scalar(actor.restrict(statement, Pupil))

    def get_pupil_after_school(self, pupil_id: UUID) -> PupilAfterSchool | None:
        return self.session.get(PupilAfterSchool, pupil_id)

    def find_absent_pupils(self, pupil_ids: Iterable[UUID], at: datetime) -> frozenset[UUID]:
        """Return who of these pupils is absent from class at an instant."""
        statement = select(ClassAbsence.pupil_id).where(ClassAbsence.pupil_id.in_(list(pupil_ids)), ClassAbsence.until > at)
        return frozenset(self.session.scalars(statement))

    def replace_absences(self, pupil_ids: Iterable[UUID], absences: Iterable[ClassAbsence]) -> None:
        """Store these absences in the place of all that the pupils had."""
        self.session.execute(delete(ClassAbsence).where(ClassAbsence.pupil_id.in_(list(pupil_ids))))
        self.session.add_all(absences)
        self.session.flush()

    def count_ended_absences(self, town_id: UUID, instant: datetime) -> int:
        """Return how many absences of a town are over."""
        ended = select(func.count()).where(ClassAbsence.town_id == town_id, ClassAbsence.until <= instant)
        return self.session.scalar(ended) or 0

    def delete_ended_absences(self, town_id: UUID, instant: datetime) -> None:
        """Delete the absences of a town that are over."""
        self.session.execute(delete(ClassAbsence).where(ClassAbsence.town_id == town_id, ClassAbsence.until <= instant))

    def find_tablet_of_class(self, class_id: UUID) -> list[UUID]:
        """Return the id of one tablet of a class, in a list that is empty when the class has none."""
        return list(self.session.scalars(TabletRepository(self.session).select_by_class(class_id).limit(1)))

    def get_running_sessions(self, class_ids: Iterable[UUID], now: datetime) -> dict[UUID, ClassSession]:
        """Return the last session of each class that has not ended."""
        rows = self.session.scalars(
            select(ClassSession)
            .where(ClassSession.class_id.in_(list(class_ids)), ClassSession.ends > now)
            .order_by(ClassSession.starts, ClassSession.id)
        )
        return {row.class_id: row for row in rows}

    def get_session(self, session_id: UUID) -> ClassSession | None:
        return self.session.get(ClassSession, session_id)

    def get_activity(self, activity_id: UUID) -> Activity | None:
        return self.session.get(Activity, activity_id)

    def select_activity_tablets(self, activity_id: UUID) -> Select[UUID]:
        """Return the statement for the tablets of an activity."""
        return select(ActivityTablet.tablet_id).where(ActivityTablet.activity_id == activity_id)

    def list_activity_candidates(self, school_id: UUID) -> Sequence[Row[Tablet, Pupil | None]]:
        """Return the tablets of a school that are in use or may be, by tag, each with the pupil who has it on loan."""
        return self.session.execute(
            select(Tablet, Pupil)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.school_id == school_id, Tablet.state.not_in(DECOMMISSIONED | MISSING | OUT_OF_SERVICE))
            .order_by(Tablet.tag, Tablet.id)
        ).all()

    def get_running_activities(self, tablet_ids: Sequence[UUID], now: datetime) -> dict[UUID, Activity]:
        """Return the activity of each tablet that has not ended."""
        rows = self.session.execute(
            select(ActivityTablet.tablet_id, Activity)
            .join(Activity, Activity.id == ActivityTablet.activity_id)
            .where(ActivityTablet.tablet_id.in_(tablet_ids), Activity.ends > now)
            .order_by(Activity.starts, Activity.id)
        )
        return {row.tablet_id: row.Activity for row in rows}

    def lock_modes(self, tablet_ids: Sequence[UUID]) -> dict[UUID, TabletMode]:
        """Return the current modes of these tablets, locked until the commit, always in the same order."""
        statement = (
            select(TabletMode)
            .where(TabletMode.tablet_id.in_(tablet_ids))
            .order_by(TabletMode.tablet_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {row.tablet_id: row for row in self.session.scalars(statement)}

    def add_missing_modes(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the first modes of tablets, in the order of their ids; one that another session has added meanwhile stays."""
        insert = get_insert(self.session.get_bind().dialect.name)
        self.session.execute(insert(TabletMode).on_conflict_do_nothing(), sorted(rows, key=lambda row: str(row["tablet_id"])))

    def select_towns_with_due_modes(self, now: datetime) -> Select[UUID]:
        """Return the statement that selects the towns in which the mode of a tablet is due for evaluation."""
        return select(TabletMode.town_id).where(TabletMode.next_evaluation_at <= now)

    def select_due(self, town_id: UUID, now: datetime) -> Select[UUID]:
        """Return the statement that selects the tablets of a town whose mode is due for evaluation."""
        return select(TabletMode.tablet_id).where(TabletMode.town_id == town_id, TabletMode.next_evaluation_at <= now)

    def postpone_evaluation(self, town_id: UUID, now: datetime, later: datetime) -> None:
        """Move the next evaluation of a town's due tablets to `later`, so that it is retried if the one that starts now fails."""
        due = (
            self.select_due(town_id, now)
            .order_by(TabletMode.tablet_id)
            .with_for_update(skip_locked=True)  # one that is being evaluated gets its next time from that evaluation
            .cte("due")
        )
        self.session.execute(
            update(TabletMode)
            .where(TabletMode.tablet_id.in_(select(due.c.tablet_id)))
            .values(next_evaluation_at=later)
            .execution_options(synchronize_session=False)
        )

    def get_next_version(self, town_id: UUID, school_id: UUID | None) -> int:
        row = self._get_newest_timetables([town_id]).get((town_id, school_id))
        return row.version + 1 if row else 1

    def add(self, row: Any) -> None:
        self.session.add(row)
        self.session.flush()
