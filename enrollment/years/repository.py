"""All SQL of the school year."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import SchoolClass
from enrollment.tablets.models import Loan, Tablet
from enrollment.years.models import Decision, Rollover, RolloverLine, SchoolSuccession
from mdm.kit.scope import Actor


class YearRepository:
    """Reads and writes passages and their lines."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def of_town(self, town_id: UUID, from_year: str) -> Rollover | None:
        return self.session.scalar(select(Rollover).where(Rollover.town_id == town_id, Rollover.from_year == from_year))

    def visible(self, actor: Actor, rollover_id: UUID) -> Rollover | None:
        return self.session.scalar(actor.narrow(select(Rollover).where(Rollover.id == rollover_id), Rollover))

    def pupils(self, town_id: UUID) -> Sequence[Row[Pupil, str | None]]:
        """Every pupil of a town who is not erased, with the key of the class label."""
        return self.session.execute(
            select(Pupil, SchoolClass.label_key)
            .outerjoin(SchoolClass, SchoolClass.id == Pupil.class_id)
            .where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED)
            .order_by(Pupil.id)
        ).all()

    def lines(self, rollover_id: UUID) -> dict[UUID, RolloverLine]:
        found = self.session.scalars(select(RolloverLine).where(RolloverLine.rollover_id == rollover_id))
        return {line.pupil_id: line for line in found}

    def part(
        self, rollover_id: UUID, *, applied: bool, limit: int, after: UUID | None = None
    ) -> Sequence[Row[RolloverLine, Pupil]]:
        """Lines that are, or are not, in force, each with its pupil."""
        held = RolloverLine.applied_at.is_not(None) if applied else RolloverLine.applied_at.is_(None)
        statement = (
            select(RolloverLine, Pupil)
            .join(Pupil, Pupil.id == RolloverLine.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, held, RolloverLine.decision != Decision.ABSENT)
            .order_by(RolloverLine.pupil_id)
            .limit(limit)
        )
        return self.session.execute(statement if after is None else statement.where(RolloverLine.pupil_id > after)).all()

    def counts(self, rollover_id: UUID) -> dict[Decision, int]:
        statement = (
            select(RolloverLine.decision, func.count())
            .where(RolloverLine.rollover_id == rollover_id)
            .group_by(RolloverLine.decision)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def listed(self, rollover_id: UUID, school_id: UUID | None, limit: int, after: UUID | None) -> Sequence[RolloverLine]:
        statement = select(RolloverLine).where(RolloverLine.rollover_id == rollover_id)
        if school_id is not None:
            statement = statement.where(RolloverLine.school_id == school_id)
        if after is not None:
            statement = statement.where(RolloverLine.pupil_id > after)
        return self.session.scalars(statement.order_by(RolloverLine.pupil_id).limit(limit)).all()

    def successors(self, town_id: UUID) -> dict[UUID, UUID]:
        rows = self.session.scalars(select(SchoolSuccession).where(SchoolSuccession.town_id == town_id))
        return {row.old_school_id: row.new_school_id for row in rows}

    def years_of_classes(self, class_ids: Sequence[UUID]) -> dict[UUID, SchoolClass]:
        return {row.id: row for row in self.session.scalars(select(SchoolClass).where(SchoolClass.id.in_(class_ids)))}

    def class_by_key(self, school_id: UUID, year: str, key: str) -> SchoolClass | None:
        return self.session.scalar(
            select(SchoolClass).where(
                SchoolClass.school_id == school_id, SchoolClass.school_year == year, SchoolClass.label_key == key
            )
        )

    def to_return(self, rollover_id: UUID) -> Sequence[Row[Tablet, UUID]]:
        """The tablets that leavers still hold, by tag, each with the school where it is given back."""
        return self.session.execute(
            select(Tablet, RolloverLine.school_id)
            .join(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .join(RolloverLine, RolloverLine.pupil_id == Loan.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, RolloverLine.decision == Decision.LEAVER)
            .order_by(Tablet.tag, Tablet.id)
        ).all()
