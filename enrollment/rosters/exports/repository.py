"""All SQL of roster exports: the exported people, and the record of former exports."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from enrollment.people.models import AssignmentKind, Pupil, PupilState, StaffMember, TeacherAssignment
from enrollment.people.rules import ABSENCE_GRACE_PERIOD
from enrollment.places.models import School, SchoolClass, Town
from enrollment.places.rules import get_school_year
from enrollment.rosters.exports.snapshot import RosterSnapshot
from enrollment.rosters.models import RosterExport
from enrollment.tablets.models import Loan, Tablet


class ExportRepository:
    """Reads the people to export, and former exports."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_snapshot(self, town_id: UUID, school_id: UUID | None, today: date, *, include_absent: bool) -> RosterSnapshot:
        """Return a town, or one school of it. `include_absent`: with pupils who left the roster during the grace period."""
        year = get_school_year(today)
        statement = select(School).where(School.town_id == town_id)
        if school_id is not None:
            statement = statement.where(School.id == school_id)
        schools = self.session.scalars(statement.order_by(School.uai, School.id)).all()
        ids = [school.id for school in schools]
        assignments = self._list_assignments(ids)
        staff = {each.staff_id for each in assignments}
        return RosterSnapshot(
            town=self.session.get_one(Town, town_id),
            year=year,
            schools=list(schools),
            classes=self._list_classes(ids, year),
            pupils=self._list_pupils(ids, year, today, include_absent=include_absent),
            staff_by_id={each.id: each for each in self._list_staff(town_id) if each.id in staff},
            assignments=assignments,
            tags_by_pupil=self._get_tags_by_pupil(town_id),
        )

    def _list_classes(self, school_ids: list[UUID], year: str) -> list[SchoolClass]:
        statement = select(SchoolClass).where(SchoolClass.school_id.in_(school_ids), SchoolClass.school_year == year)
        return list(self.session.scalars(statement.order_by(SchoolClass.school_id, SchoolClass.label_order, SchoolClass.id)))

    def _list_pupils(self, school_ids: list[UUID], year: str, today: date, *, include_absent: bool) -> list[Pupil]:
        present = Pupil.state == PupilState.ACTIVE
        if include_absent:
            # Pupils who left with the former year are in no class of this one.
            classes = select(SchoolClass.id).where(SchoolClass.school_id.in_(school_ids), SchoolClass.school_year == year)
            left_recently = and_(
                Pupil.state == PupilState.ABSENT_FROM_ROSTER,
                Pupil.absent_since >= today - ABSENCE_GRACE_PERIOD,
                Pupil.class_id.in_(classes),
            )
            present = or_(present, left_recently)
        statement = select(Pupil).where(Pupil.school_id.in_(school_ids), present)
        return list(self.session.scalars(statement.order_by(Pupil.school_id, Pupil.class_id, Pupil.id)))

    def _list_assignments(self, school_ids: list[UUID]) -> list[TeacherAssignment]:
        statement = select(TeacherAssignment).where(
            TeacherAssignment.school_id.in_(school_ids), TeacherAssignment.ends_on.is_(None)
        )
        # Agents of the town teach nobody.
        statement = statement.where(TeacherAssignment.kind != AssignmentKind.AFTER_SCHOOL)
        return list(self.session.scalars(statement.order_by(TeacherAssignment.id)))

    def _list_staff(self, town_id: UUID) -> list[StaffMember]:
        return list(self.session.scalars(select(StaffMember).where(StaffMember.town_id == town_id).order_by(StaffMember.id)))

    def _get_tags_by_pupil(self, town_id: UUID) -> dict[UUID, str]:
        statement = (
            select(Pupil.id, Tablet.tag)
            .join(Loan, Loan.pupil_id == Pupil.id)
            .join(Tablet, Tablet.id == Loan.tablet_id)
            .where(Loan.closed_at.is_(None), Loan.town_id == town_id)
        )
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def find_last_export(self, town_id: UUID, export_format: str) -> RosterExport | None:
        """Return the last export in this format."""
        return self.session.scalar(
            select(RosterExport)
            .where(RosterExport.town_id == town_id, RosterExport.format == export_format)
            .order_by(RosterExport.exported_at.desc(), RosterExport.id)
            .limit(1)
        )
