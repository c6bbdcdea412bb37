"""All SQL of rollovers and their lines. The SQL of the return campaign is in `returns_repository`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil, PupilState, TeacherAssignment
from enrollment.people.repository import split_ids
from enrollment.places.models import Grade, SchoolClass
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverLine, RolloverSchool, RolloverState, SchoolSuccession
from enrollment.rollover.rules import UNMOVED_DECISIONS
from enrollment.tablets.models import Loan, Tablet
from enrollment.tablets.rules import DECOMMISSIONED

#: The columns that `Actor.build_visibility` reads, for the school in which a pupil will be.
_AFTER: Any = SimpleNamespace(town_id=RolloverLine.town_id, school_id=RolloverLine.school_after)


class PlacedLine(NamedTuple):
    """A line with the present place of its pupil. The names are not read, so they stay encrypted."""

    line: RolloverLine
    grade: Grade
    class_id: UUID | None
    school_id: UUID
    state: PupilState
    absent_since: date | None


def build_line_visibility(actor: Actor, permission: Permission = Permission.SEE) -> ColumnElement[bool]:
    """Return the condition for the lines that an actor may see: the pupil is, or will be, at one of the actor's schools."""
    return or_(actor.build_visibility(RolloverLine, permission), actor.build_visibility(_AFTER, permission))


@dataclass(frozen=True, slots=True)
class RolloverGroup:
    """How many pupils of one class share one outcome. Console pages and the need for licences are computed from these counts.

    `decided`: of how many a head or a roster has decided.
    """

    school_id: UUID
    class_id: UUID | None
    grade: Grade
    decision: RolloverDecision
    school_after: UUID
    class_after: UUID | None
    grade_after: Grade
    applied: bool
    with_tablet: int
    pupils: int
    decided: int


class RolloverRepository:
    """Reads and writes rollovers and their lines."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_by_from_year(self, town_id: UUID, from_year: str) -> Rollover | None:
        return self.session.scalar(select(Rollover).where(Rollover.town_id == town_id, Rollover.from_year == from_year))

    def find_latest(self, town_id: UUID) -> Rollover | None:
        """Return the rollover of the latest year."""
        return self.session.scalar(
            select(Rollover).where(Rollover.town_id == town_id).order_by(Rollover.from_year.desc()).limit(1)
        )

    def find_open_into(self, town_id: UUID, to_year: str) -> Rollover | None:
        """Return the rollover into a year, unless it is closed."""
        return self.session.scalar(
            select(Rollover).where(
                Rollover.town_id == town_id, Rollover.to_year == to_year, Rollover.state != RolloverState.CLOSED
            )
        )

    def list_auto_apply(self) -> Sequence[Rollover]:
        """Return the rollovers that apply themselves and are not closed."""
        return self.session.scalars(
            select(Rollover)
            .where(Rollover.auto_apply_enabled_at.is_not(None), Rollover.state != RolloverState.CLOSED)
            .order_by(Rollover.town_id, Rollover.from_year)
        ).all()

    def find_visible(self, actor: Actor, rollover_id: UUID) -> Rollover | None:
        """Return a rollover of a town in which the actor sees a school. Its lines need `build_line_visibility` in addition."""
        statement = select(Rollover).where(Rollover.id == rollover_id)
        if not actor.everywhere:
            statement = statement.where(Rollover.town_id.in_(actor.list_permitted_towns(Permission.SEE)))
        return self.session.scalar(statement)

    def list_pupil_placements(
        self, town_id: UUID
    ) -> Sequence[Row[UUID, UUID, UUID | None, Grade, PupilState, str | None, str | None]]:
        """Return id, school, class, grade, state, class label key and class year of every pupil of a town who is not erased."""
        return self.session.execute(
            select(
                Pupil.id, Pupil.school_id, Pupil.class_id, Pupil.grade, Pupil.state, SchoolClass.label_key,
                SchoolClass.school_year,
            )
            .outerjoin(SchoolClass, SchoolClass.id == Pupil.class_id)
            .where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
            .order_by(Pupil.id)
        ).all()  # fmt: skip

    def get_lines_by_pupil(self, rollover_id: UUID) -> dict[UUID, RolloverLine]:
        lines = self.session.scalars(select(RolloverLine).where(RolloverLine.rollover_id == rollover_id))
        return {line.pupil_id: line for line in lines}

    def get_lines_of_pupils(self, rollover_id: UUID, pupil_ids: Iterable[UUID]) -> dict[UUID, RolloverLine]:
        lines: dict[UUID, RolloverLine] = {}
        for part in split_ids(pupil_ids):
            rows = self.session.scalars(
                select(RolloverLine).where(RolloverLine.rollover_id == rollover_id, RolloverLine.pupil_id.in_(part))
            )
            lines |= {line.pupil_id: line for line in rows}
        return lines

    def list_expected_at_schools(self, rollover_id: UUID, school_ids: Collection[UUID]) -> Sequence[Row[RolloverLine, Pupil]]:
        """Return the pupils who are at these schools or will be, each with the line."""
        at_schools = or_(RolloverLine.school_after.in_(school_ids), RolloverLine.school_id.in_(school_ids))
        return self._list_with_pupils(rollover_id, at_schools)

    def list_expected_of_pupils(self, rollover_id: UUID, pupil_ids: Collection[UUID]) -> Sequence[Row[RolloverLine, Pupil]]:
        return self._list_with_pupils(rollover_id, RolloverLine.pupil_id.in_(pupil_ids)) if pupil_ids else ()

    def _list_with_pupils(self, rollover_id: UUID, condition: ColumnElement[bool]) -> Sequence[Row[RolloverLine, Pupil]]:
        return self.session.execute(
            select(RolloverLine, Pupil)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, condition, Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
        ).all()

    def list_batch(self, rollover_id: UUID, *, applied: bool, limit: int) -> list[PlacedLine]:
        """Return the first lines that are applied, or are not, each with the present place of its pupil."""
        is_applied = RolloverLine.applied_at.is_not(None) if applied else RolloverLine.applied_at.is_(None)
        rows = self.session.execute(
            select(RolloverLine, Pupil.grade, Pupil.class_id, Pupil.school_id, Pupil.state, Pupil.absent_since)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, is_applied, RolloverLine.decision.not_in(UNMOVED_DECISIONS))
            .where(Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
            .limit(limit)
        )
        return [PlacedLine(*row) for row in rows]

    def write_updates(
        self,
        line_updates: Sequence[dict[str, Any]],
        placement_updates: Sequence[dict[str, Any]],
        state_updates: Sequence[dict[str, Any]],
    ) -> None:
        """Update lines, the places of pupils and their roster states: one statement each, whatever the number of rows."""
        self.session.flush()
        for model, rows in ((RolloverLine, line_updates), (Pupil, placement_updates), (Pupil, state_updates)):
            if rows:
                self.session.execute(update(model), rows)
        self.session.expire_all()

    def count_groups(self, rollover_id: UUID, within: ColumnElement[bool] | None = None) -> list[RolloverGroup]:
        """Count pupils by present place, decision and future place, in one statement."""
        key = (
            RolloverLine.school_id, RolloverLine.class_before, RolloverLine.grade_before, RolloverLine.decision,
            RolloverLine.school_after, RolloverLine.class_after, RolloverLine.grade_after, RolloverLine.applied_at.is_not(None),
        )  # fmt: skip
        is_decided = or_(RolloverLine.decided_by_head, RolloverLine.decided_by_roster)
        statement = (
            select(*key, func.count(Loan.id), func.count(), func.count().filter(is_decided))
            .outerjoin(Loan, (Loan.pupil_id == RolloverLine.pupil_id) & Loan.closed_at.is_(None))
            .where(RolloverLine.rollover_id == rollover_id)
            .group_by(*key)
        )
        rows = self.session.execute(statement if within is None else statement.where(within))
        return [RolloverGroup(*row) for row in rows]

    def list_lines(
        self, rollover_id: UUID, within: ColumnElement[bool], school_id: UUID | None, page: PageRequest
    ) -> Page[RolloverLine]:
        statement = select(RolloverLine).where(RolloverLine.rollover_id == rollover_id, within)
        if school_id is not None:
            statement = statement.where(or_(RolloverLine.school_id == school_id, RolloverLine.school_after == school_id))
        return fetch_scalar_page(self.session, statement, page, RolloverLine.pupil_id)

    def list_lines_of_class(
        self, rollover_id: UUID, school_id: UUID, class_id: UUID | None, within: ColumnElement[bool]
    ) -> Sequence[Row[RolloverLine, Pupil]]:
        """Return the lines of one class of the ending year, or of a school's pupils without a class, with the pupils."""
        in_class = RolloverLine.class_before == class_id if class_id else RolloverLine.class_before.is_(None)
        return self.session.execute(
            select(RolloverLine, Pupil)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, RolloverLine.school_id == school_id, in_class, within)
            .where(Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
        ).all()

    def count_left_in_school(self, school_id: UUID) -> tuple[int, int]:
        """Return how many pupils a school still has, and how many tablets that are in use or may be again."""
        pupils = select(func.count()).select_from(Pupil).where(Pupil.school_id == school_id)
        tablets = select(func.count()).select_from(Tablet).where(Tablet.school_id == school_id)
        return (
            self.session.scalar(pupils.where(Pupil.state == PupilState.ACTIVE)) or 0,
            self.session.scalar(tablets.where(Tablet.state.not_in(DECOMMISSIONED))) or 0,
        )

    def get_successor_schools(self, town_id: UUID) -> dict[UUID, UUID]:
        rows = self.session.scalars(select(SchoolSuccession).where(SchoolSuccession.town_id == town_id))
        return {row.old_school_id: row.new_school_id for row in rows}

    def get_school_progress(self, rollover_id: UUID) -> dict[UUID, RolloverSchool]:
        """Return the progress of each school that has recorded any."""
        rows = self.session.scalars(select(RolloverSchool).where(RolloverSchool.rollover_id == rollover_id))
        return {row.school_id: row for row in rows}

    def get_classes(self, class_ids: Iterable[UUID]) -> dict[UUID, SchoolClass]:
        classes: dict[UUID, SchoolClass] = {}
        for part in split_ids(class_ids):
            classes |= {row.id: row for row in self.session.scalars(select(SchoolClass).where(SchoolClass.id.in_(part)))}
        return classes

    def list_classes_of_schools(self, school_ids: Collection[UUID], year: str) -> Sequence[SchoolClass]:
        return self.session.scalars(
            select(SchoolClass)
            .where(SchoolClass.school_id.in_(school_ids), SchoolClass.school_year == year)
            .order_by(SchoolClass.label_order, SchoolClass.id)
        ).all()

    def find_class_by_key(self, school_id: UUID, year: str, key: str) -> SchoolClass | None:
        return self.session.scalar(
            select(SchoolClass).where(
                SchoolClass.school_id == school_id, SchoolClass.school_year == year, SchoolClass.label_key == key
            )
        )

    def clear_proposals(self, rollover_id: UUID) -> None:
        """Delete the decisions that rosters proposed: they are not kept beyond the rollover."""
        lines = update(RolloverLine).where(RolloverLine.rollover_id == rollover_id, RolloverLine.proposed_decision.is_not(None))
        self.session.execute(lines.values(proposed_decision=None))

    def end_assignments(self, town_id: UUID, before_year: str, on: date) -> int:
        """End the open assignments of adults to classes of earlier years. Returns how many there were."""
        former_classes = select(SchoolClass.id).where(SchoolClass.town_id == town_id, SchoolClass.school_year < before_year)
        statement = (
            update(TeacherAssignment)
            .where(TeacherAssignment.ends_on.is_(None), TeacherAssignment.class_id.in_(former_classes))
            .values(ends_on=on)
            .returning(TeacherAssignment.id)
        )
        return len(self.session.scalars(statement.execution_options(synchronize_session=False)).all())
