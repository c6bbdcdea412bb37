"""All SQL of reading people. What imports read and write stands in `imports/repository.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.people.models import (
    AssignmentKind,
    Guardian,
    GuardianLink,
    Pupil,
    PupilGroup,
    PupilGroupMember,
    PupilState,
    RecordAccess,
    StaffMember,
    TeacherAssignment,
)
from enrollment.places.models import SchoolClass
from enrollment.tablets.models import Loan, Tablet

#: Rows of one statement: SQLite takes 32 766 parameters.
AT_ONCE = 500


class PeopleRepository:
    """Reads pupils within the actor's reach."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def class_visible(self, actor: Actor, class_id: UUID) -> SchoolClass | None:
        return self.session.scalar(actor.restrict(select(SchoolClass).where(SchoolClass.id == class_id), SchoolClass))

    def pupils_of_class(self, class_id: UUID) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE).order_by(Pupil.id)
        ).all()

    def pupils_in_reach(self, actor: Actor, town_id: UUID) -> Sequence[Pupil]:
        statement = select(Pupil).where(Pupil.town_id == town_id, Pupil.state != PupilState.ERASED).order_by(Pupil.id)
        return self.session.scalars(actor.restrict(statement, Pupil)).all()

    def pupil(self, actor: Actor, pupil_id: UUID) -> Pupil | None:
        statement = select(Pupil).where(Pupil.id == pupil_id, Pupil.state != PupilState.ERASED)
        return self.session.scalar(actor.restrict(statement, Pupil))

    def absent(self, school_id: UUID) -> list[tuple[Pupil, str | None]]:
        """Pupils of a school whom no roster names, with the tag of the tablet that they hold."""
        rows = self.session.execute(
            select(Pupil, Tablet.tag)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.school_id == school_id, Pupil.state == PupilState.ABSENT_FROM_ROSTER)
            .order_by(Pupil.absent_since, Pupil.id)
        )
        return [(row[0], row[1]) for row in rows]

    def groups(self, school_id: UUID, year: str) -> list[tuple[PupilGroup, list[UUID]]]:
        """The groups of a school in a year, by label, with their pupils."""
        groups = self.session.scalars(
            select(PupilGroup)
            .where(PupilGroup.school_id == school_id, PupilGroup.school_year == year)
            .order_by(PupilGroup.label_key, PupilGroup.id)
        ).all()
        members: dict[UUID, list[UUID]] = {group.id: [] for group in groups}
        statement = select(PupilGroupMember).where(PupilGroupMember.group_id.in_(members)).order_by(PupilGroupMember.pupil_id)
        for member in self.session.scalars(statement):
            members[member.group_id].append(member.pupil_id)
        return [(group, members[group.id]) for group in groups]

    def guardians_of(self, pupil_id: UUID) -> list[tuple[Guardian, GuardianLink]]:
        rows = self.session.execute(
            select(Guardian, GuardianLink)
            .join(GuardianLink, GuardianLink.guardian_id == Guardian.id)
            .where(GuardianLink.pupil_id == pupil_id)
            .order_by(Guardian.id)
        )
        return [(row[0], row[1]) for row in rows]

    def substitutes(self, school_id: UUID, today: date) -> list[tuple[TeacherAssignment, StaffMember]]:
        rows = self.session.execute(
            select(TeacherAssignment, StaffMember)
            .join(StaffMember, StaffMember.id == TeacherAssignment.staff_id)
            .where(TeacherAssignment.school_id == school_id, TeacherAssignment.kind == AssignmentKind.SUBSTITUTE)
            .where(or_(TeacherAssignment.ends_on.is_(None), TeacherAssignment.ends_on >= today))
            .order_by(TeacherAssignment.id)
        )
        return [(row[0], row[1]) for row in rows]

    def assignment(self, actor: Actor, assignment_id: UUID) -> TeacherAssignment | None:
        statement = select(TeacherAssignment).where(TeacherAssignment.id == assignment_id)
        return self.session.scalar(actor.restrict(statement, TeacherAssignment, Permission.ROSTER))

    def note_accesses(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count readings, in sets. In the order of their keys: two readers of one class never wait in a circle."""
        insert: Any = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        ordered = sorted(rows, key=lambda row: str(row["pupil_id"]))
        for start in range(0, len(ordered), AT_ONCE):
            statement = insert(RecordAccess).values(ordered[start : start + AT_ONCE])
            new = statement.excluded
            self.session.execute(
                statement.on_conflict_do_update(
                    index_elements=["pupil_id", "actor_id", "kind", "day"],
                    set_={"times": RecordAccess.times + 1, "last_at": new.last_at, "actor_name": new.actor_name},
                )
            )

    def accesses(self, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
        """The readings of one record, newest first."""
        statement = (
            select(RecordAccess)
            .where(RecordAccess.pupil_id == pupil_id)
            .order_by(RecordAccess.day.desc(), RecordAccess.last_at.desc(), RecordAccess.actor_id, RecordAccess.kind)
        )
        return self.session.scalars(actor.restrict(statement, RecordAccess, Permission.PRIVACY)).all()
