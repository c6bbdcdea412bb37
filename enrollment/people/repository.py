"""All SQL that reads people, and the record of accesses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
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

#: Rows and ids in one statement: SQLite takes at most 32 766 parameters.
BATCH_SIZE, ID_BATCH_SIZE = 500, 1000


def split_ids(ids: Iterable[str | UUID]) -> Iterator[list[str | UUID]]:
    """Yield the distinct ids in batches that fit into one statement, in a fixed order."""
    distinct_ids = sorted(set(ids), key=str)
    for start in range(0, len(distinct_ids), ID_BATCH_SIZE):
        yield distinct_ids[start : start + ID_BATCH_SIZE]


class PeopleRepository:
    """Reads pupils, guardians, groups and assignments; records accesses to pupils' records."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_class(self, actor: Actor, class_id: UUID) -> SchoolClass | None:
        return self.session.scalar(actor.restrict(select(SchoolClass).where(SchoolClass.id == class_id), SchoolClass))

    def list_classes_of_town(self, actor: Actor, town_id: UUID, year: str) -> Sequence[SchoolClass]:
        """Return the classes of a school year that the actor may see in a town, from nursery school up."""
        statement = select(SchoolClass).where(SchoolClass.town_id == town_id, SchoolClass.school_year == year)
        return self.session.scalars(
            actor.restrict(statement, SchoolClass).order_by(SchoolClass.label_order, SchoolClass.id)
        ).all()

    def get_class_labels(self, class_ids: Collection[UUID]) -> dict[UUID, str]:
        rows = self.session.execute(select(SchoolClass.id, SchoolClass.label).where(SchoolClass.id.in_(class_ids)))
        return {row.id: row.label for row in rows}

    def list_classes_with_pupil_counts(self, school_id: UUID) -> Sequence[Row[SchoolClass, int]]:
        """Return the classes of a school, from nursery school up, each with its number of active pupils."""
        count = func.count(Pupil.id)
        return self.session.execute(
            select(SchoolClass, count)
            .outerjoin(Pupil, (Pupil.class_id == SchoolClass.id) & (Pupil.state == PupilState.ACTIVE))
            .where(SchoolClass.school_id == school_id)
            .group_by(SchoolClass.id)
            .order_by(SchoolClass.label_order, SchoolClass.id)
        ).all()

    def list_pupils_of_class(self, class_id: UUID) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE).order_by(Pupil.id)
        ).all()

    def find_pupil(self, actor: Actor, pupil_id: UUID) -> Pupil | None:
        statement = select(Pupil).where(Pupil.id == pupil_id, Pupil.state != PupilState.ERASED)
        return self.session.scalar(actor.restrict(statement, Pupil))

    def list_groups(self, school_id: UUID, year: str) -> list[tuple[PupilGroup, list[UUID]]]:
        """Return the groups of a school in a year, by label, each with its pupils' ids."""
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

    def list_guardians(self, pupil_id: UUID) -> list[tuple[Guardian, GuardianLink]]:
        rows = self.session.execute(
            select(Guardian, GuardianLink)
            .join(GuardianLink, GuardianLink.guardian_id == Guardian.id)
            .where(GuardianLink.pupil_id == pupil_id)
            .order_by(Guardian.id)
        )
        return [(row[0], row[1]) for row in rows]

    def list_substitutes(self, school_id: UUID, today: date) -> list[tuple[TeacherAssignment, StaffMember]]:
        rows = self.session.execute(
            select(TeacherAssignment, StaffMember)
            .join(StaffMember, StaffMember.id == TeacherAssignment.staff_id)
            .where(TeacherAssignment.school_id == school_id, TeacherAssignment.kind == AssignmentKind.SUBSTITUTE)
            .where(or_(TeacherAssignment.ends_on.is_(None), TeacherAssignment.ends_on >= today))
            .order_by(TeacherAssignment.id)
        )
        return [(row[0], row[1]) for row in rows]

    def find_assignment(self, actor: Actor, assignment_id: UUID) -> TeacherAssignment | None:
        statement = select(TeacherAssignment).where(TeacherAssignment.id == assignment_id)
        return self.session.scalar(actor.restrict(statement, TeacherAssignment, Permission.ROSTER))

    def record_accesses(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert or count accesses in batches, in the order of the pupil ids: a fixed lock order, so that two readers cannot deadlock."""
        insert = get_insert(self.session.get_bind().dialect.name)
        ordered = sorted(rows, key=lambda row: str(row["pupil_id"]))
        for start in range(0, len(ordered), BATCH_SIZE):
            statement = insert(RecordAccess).values(ordered[start : start + BATCH_SIZE])
            new_row = statement.excluded
            self.session.execute(
                statement.on_conflict_do_update(
                    index_elements=["pupil_id", "actor_id", "kind", "day"],
                    set_={
                        "access_count": RecordAccess.access_count + 1,
                        "last_at": new_row.last_at,
                        "actor_name": new_row.actor_name,
                    },
                )
            )

    def list_accesses(self, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
        """Return the accesses to one pupil's record, newest first."""
        statement = (
            select(RecordAccess)
            .where(RecordAccess.pupil_id == pupil_id)
            .order_by(RecordAccess.day.desc(), RecordAccess.last_at.desc(), RecordAccess.actor_id, RecordAccess.kind)
        )
        return self.session.scalars(actor.restrict(statement, RecordAccess, Permission.PRIVACY)).all()
