"""All SQL of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from enrollment.people.models import ImportState, Pupil, PupilState, RosterImport
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan
from mdm.kit.scope import Actor, Permission


class PeopleRepository:
    """Reads and writes pupils and imports, in sets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def schools_by_uai(self, town_id: UUID, uais: Sequence[str]) -> dict[str, School]:
        rows = self.session.scalars(select(School).where(School.town_id == town_id, School.uai.in_(uais)))
        return {row.uai: row for row in rows}

    def pupils_of_schools(self, school_ids: Sequence[UUID]) -> Sequence[Pupil]:
        return self.session.scalars(select(Pupil).where(Pupil.school_id.in_(school_ids)).order_by(Pupil.id)).all()

    def classes_of_schools(self, school_ids: Sequence[UUID], year: str) -> Sequence[SchoolClass]:
        return self.session.scalars(
            select(SchoolClass)
            .where(SchoolClass.school_id.in_(school_ids), SchoolClass.school_year == year)
            .order_by(SchoolClass.id)
        ).all()

    def roster_import(self, actor: Actor, import_id: UUID) -> RosterImport | None:
        statement = select(RosterImport).where(RosterImport.id == import_id)
        return self.session.scalar(actor.narrow(statement, RosterImport, Permission.AUTHOR))

    def add_pupils(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.session.bulk_insert_mappings(Pupil.__mapper__, rows)

    def change_pupils(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.session.bulk_update_mappings(Pupil.__mapper__, rows)

    def mark_absent(self, pupil_ids: Sequence[UUID], today: date) -> None:
        self.session.execute(
            update(Pupil)
            .where(Pupil.id.in_(pupil_ids))
            .values(state=PupilState.ABSENT_FROM_ROSTER, absent_since=today)
            .execution_options(synchronize_session=False)
        )

    def tablets_of(self, pupil_ids: Sequence[UUID]) -> list[UUID]:
        return list(self.session.scalars(select(Loan.tablet_id).where(Loan.closed_at.is_(None), Loan.pupil_id.in_(pupil_ids))))

    def class_visible(self, actor: Actor, class_id: UUID) -> SchoolClass | None:
        return self.session.scalar(actor.narrow(select(SchoolClass).where(SchoolClass.id == class_id), SchoolClass))

    def pupils_of_class(self, class_id: UUID) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE).order_by(Pupil.id)
        ).all()

    def pupils_in_reach(self, actor: Actor, town_id: UUID) -> Sequence[Pupil]:
        statement = select(Pupil).where(Pupil.town_id == town_id).order_by(Pupil.id)
        return self.session.scalars(actor.narrow(statement, Pupil)).all()

    def forget_plans(self, before: datetime) -> None:
        self.session.execute(
            update(RosterImport)
            .where(RosterImport.uploaded_at <= before, RosterImport.plan.is_not(None))
            .values(plan=None, state=ImportState.DISCARDED)
            .execution_options(synchronize_session=False)
        )
