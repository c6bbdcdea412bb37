"""All SQL of the passage from one school year to the next. That of the return of tablets stands in `returns_repository.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.people.imports.repository import parts
from enrollment.people.models import Pupil, PupilState, TeacherAssignment
from enrollment.places.models import Level, SchoolClass
from enrollment.rollover.models import Decision, Rollover, RolloverLine, RolloverSchool, RolloverState, SchoolSuccession
from enrollment.rollover.rules import STAYS
from enrollment.tablets.models import Loan

#: The same columns as `Actor.reach` looks at, for the school where a pupil will be.
_AFTER: Any = SimpleNamespace(town_id=RolloverLine.town_id, school_id=RolloverLine.school_after)


class Placed(NamedTuple):
    """A line and where its pupil is now; names stay sealed."""

    line: RolloverLine
    level: Level
    class_id: UUID | None
    school_id: UUID
    state: PupilState
    absent_since: date | None


def reach(actor: Actor, permission: Permission = Permission.SEE) -> ColumnElement[bool]:
    """The lines that an actor may see: of pupils who are at one of the schools, or will be."""
    return or_(actor.visibility_of(RolloverLine, permission), actor.visibility_of(_AFTER, permission))


@dataclass(frozen=True, slots=True)
class Group:
    """How many pupils of one class have one lot: the smallest table that pages and licence needs are made of."""

    school_id: UUID
    class_id: UUID | None
    level: Level
    decision: Decision
    school_after: UUID
    class_after: UUID | None
    level_after: Level
    applied: bool
    with_tablet: int
    pupils: int
    ticked: int


class YearRepository:
    """Reads and writes passages and their lines."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def of_town(self, town_id: UUID, from_year: str) -> Rollover | None:
        return self.session.scalar(select(Rollover).where(Rollover.town_id == town_id, Rollover.from_year == from_year))

    def latest(self, town_id: UUID) -> Rollover | None:
        """The passage of the latest year."""
        return self.session.scalar(
            select(Rollover).where(Rollover.town_id == town_id).order_by(Rollover.from_year.desc()).limit(1)
        )

    def open_into(self, town_id: UUID, to_year: str) -> Rollover | None:
        """The passage into a year, unless it is closed."""
        return self.session.scalar(
            select(Rollover).where(
                Rollover.town_id == town_id, Rollover.to_year == to_year, Rollover.state != RolloverState.CLOSED
            )
        )

    def armed(self) -> Sequence[Rollover]:
        """The passages that apply themselves and are not closed."""
        return self.session.scalars(
            select(Rollover)
            .where(Rollover.armed_at.is_not(None), Rollover.state != RolloverState.CLOSED)
            .order_by(Rollover.town_id, Rollover.from_year)
        ).all()

    def visible(self, actor: Actor, rollover_id: UUID) -> Rollover | None:
        """A passage is seen by who sees a school of its town; its lines are narrowed further."""
        statement = select(Rollover).where(Rollover.id == rollover_id)
        if not actor.everywhere:
            statement = statement.where(Rollover.town_id.in_(actor.list_permitted_towns(Permission.SEE)))
        return self.session.scalar(statement)

    def pupils(self, town_id: UUID) -> Sequence[Row[UUID, UUID, UUID | None, Level, PupilState, str | None, str | None]]:
        """Where every pupil of a town is who is not erased, with the key of the class label and its year."""
        return self.session.execute(
            select(
                Pupil.id, Pupil.school_id, Pupil.class_id, Pupil.level, Pupil.state, SchoolClass.label_key,
                SchoolClass.school_year,
            )
            .outerjoin(SchoolClass, SchoolClass.id == Pupil.class_id)
            .where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
            .order_by(Pupil.id)
        ).all()  # fmt: skip

    def lines(self, rollover_id: UUID) -> dict[UUID, RolloverLine]:
        found = self.session.scalars(select(RolloverLine).where(RolloverLine.rollover_id == rollover_id))
        return {line.pupil_id: line for line in found}

    def lines_of(self, rollover_id: UUID, pupil_ids: Iterable[UUID]) -> dict[UUID, RolloverLine]:
        found: dict[UUID, RolloverLine] = {}
        for part in parts(pupil_ids):
            rows = self.session.scalars(
                select(RolloverLine).where(RolloverLine.rollover_id == rollover_id, RolloverLine.pupil_id.in_(part))
            )
            found |= {line.pupil_id: line for line in rows}
        return found

    def expected(self, rollover_id: UUID, school_ids: Collection[UUID]) -> Sequence[Row[RolloverLine, Pupil]]:
        """The pupils who are at these schools or will be, each with the line."""
        there = or_(RolloverLine.school_after.in_(school_ids), RolloverLine.school_id.in_(school_ids))
        return self._with_pupils(rollover_id, there)

    def expected_among(self, rollover_id: UUID, pupil_ids: Collection[UUID]) -> Sequence[Row[RolloverLine, Pupil]]:
        return self._with_pupils(rollover_id, RolloverLine.pupil_id.in_(pupil_ids)) if pupil_ids else ()

    def _with_pupils(self, rollover_id: UUID, condition: ColumnElement[bool]) -> Sequence[Row[RolloverLine, Pupil]]:
        return self.session.execute(
            select(RolloverLine, Pupil)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, condition, Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
        ).all()

    def part(self, rollover_id: UUID, *, applied: bool, limit: int) -> list[Placed]:
        """Lines that are, or are not, in force, each with where its pupil is."""
        held = RolloverLine.applied_at.is_not(None) if applied else RolloverLine.applied_at.is_(None)
        rows = self.session.execute(
            select(RolloverLine, Pupil.level, Pupil.class_id, Pupil.school_id, Pupil.state, Pupil.absent_since)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, held, RolloverLine.decision.not_in(STAYS))
            .where(Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
            .limit(limit)
        )
        return [Placed(*row) for row in rows]

    def write(self, lines: Sequence[dict[str, Any]], placed: Sequence[dict[str, Any]], present: Sequence[dict[str, Any]]) -> None:
        """Change lines, where pupils are, and whether they are of a roster: one statement each, whatever their number."""
        self.session.flush()
        for model, rows in ((RolloverLine, lines), (Pupil, placed), (Pupil, present)):
            if rows:
                self.session.execute(update(model), rows)
        self.session.expire_all()

    def groups(self, rollover_id: UUID, within: ColumnElement[bool] | None = None) -> list[Group]:
        """The passage counted by where pupils are, what becomes of them and where they will be. One statement."""
        key = (
            RolloverLine.school_id, RolloverLine.class_before, RolloverLine.level_before, RolloverLine.decision,
            RolloverLine.school_after, RolloverLine.class_after, RolloverLine.level_after, RolloverLine.applied_at.is_not(None),
        )  # fmt: skip
        said = or_(RolloverLine.ticked, RolloverLine.told)
        statement = (
            select(*key, func.count(Loan.id), func.count(), func.count().filter(said))
            .outerjoin(Loan, (Loan.pupil_id == RolloverLine.pupil_id) & Loan.closed_at.is_(None))
            .where(RolloverLine.rollover_id == rollover_id)
            .group_by(*key)
        )
        rows = self.session.execute(statement if within is None else statement.where(within))
        return [Group(*row) for row in rows]

    def listed(
        self, rollover_id: UUID, within: ColumnElement[bool], school_id: UUID | None, limit: int, after: UUID | None
    ) -> Sequence[RolloverLine]:
        statement = select(RolloverLine).where(RolloverLine.rollover_id == rollover_id, within)
        if school_id is not None:
            statement = statement.where(or_(RolloverLine.school_id == school_id, RolloverLine.school_after == school_id))
        if after is not None:
            statement = statement.where(RolloverLine.pupil_id > after)
        return self.session.scalars(statement.order_by(RolloverLine.pupil_id).limit(limit)).all()

    def of_class(
        self, rollover_id: UUID, school_id: UUID, class_id: UUID | None, within: ColumnElement[bool]
    ) -> Sequence[Row[RolloverLine, Pupil]]:
        """The lines of one class that ends, or of the pupils of a school who have none, with the pupils."""
        here = RolloverLine.class_before == class_id if class_id else RolloverLine.class_before.is_(None)
        return self.session.execute(
            select(RolloverLine, Pupil)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, RolloverLine.school_id == school_id, here, within)
            .where(Pupil.state != PupilState.ERASED)
            .order_by(RolloverLine.pupil_id)
        ).all()

    def successors(self, town_id: UUID) -> dict[UUID, UUID]:
        rows = self.session.scalars(select(SchoolSuccession).where(SchoolSuccession.town_id == town_id))
        return {row.old_school_id: row.new_school_id for row in rows}

    def schools(self, rollover_id: UUID) -> dict[UUID, RolloverSchool]:
        """How far each school is that has said something."""
        rows = self.session.scalars(select(RolloverSchool).where(RolloverSchool.rollover_id == rollover_id))
        return {row.school_id: row for row in rows}

    def classes(self, class_ids: Iterable[UUID]) -> dict[UUID, SchoolClass]:
        found: dict[UUID, SchoolClass] = {}
        for part in parts(class_ids):
            found |= {row.id: row for row in self.session.scalars(select(SchoolClass).where(SchoolClass.id.in_(part)))}
        return found

    def classes_of(self, school_ids: Collection[UUID], year: str) -> Sequence[SchoolClass]:
        return self.session.scalars(
            select(SchoolClass)
            .where(SchoolClass.school_id.in_(school_ids), SchoolClass.school_year == year)
            .order_by(SchoolClass.label, SchoolClass.id)
        ).all()

    def class_by_key(self, school_id: UUID, year: str, key: str) -> SchoolClass | None:
        return self.session.scalar(
            select(SchoolClass).where(
                SchoolClass.school_id == school_id, SchoolClass.school_year == year, SchoolClass.label_key == key
            )
        )

    def forget_proposals(self, rollover_id: UUID) -> None:
        """Of decisions that files proposed nothing stays behind a passage (schools.md section 7.1)."""
        held = update(RolloverLine).where(RolloverLine.rollover_id == rollover_id, RolloverLine.proposed.is_not(None))
        self.session.execute(held.values(proposed=None))

    def end_assignments(self, town_id: UUID, before_year: str, on: date) -> int:
        """End what adults still do in classes of years before this one. Returns how many there were."""
        former = select(SchoolClass.id).where(SchoolClass.town_id == town_id, SchoolClass.school_year < before_year)
        ended = (
            update(TeacherAssignment)
            .where(TeacherAssignment.ends_on.is_(None), TeacherAssignment.class_id.in_(former))
            .values(ends_on=on)
            .returning(TeacherAssignment.id)
        )
        return len(self.session.scalars(ended.execution_options(synchronize_session=False)).all())
