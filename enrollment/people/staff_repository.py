"""All SQL of the adults of a town and their assignments, beside what imports of rosters read."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.people.models import StaffMember, TeacherAssignment


class StaffRepository:
    """Reads members of staff and their assignments."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_member(self, staff_id: UUID) -> StaffMember | None:
        return self.session.get(StaffMember, staff_id)

    def list_members(self, town_id: UUID) -> Sequence[StaffMember]:
        return self.session.scalars(select(StaffMember).where(StaffMember.town_id == town_id).order_by(StaffMember.id)).all()

    def list_assignments(self, actor: Actor, town_id: UUID) -> Sequence[TeacherAssignment]:
        """Return the assignments in the schools of a town that the actor may see."""
        statement = select(TeacherAssignment).where(TeacherAssignment.town_id == town_id)
        return self.session.scalars(actor.restrict(statement, TeacherAssignment).order_by(TeacherAssignment.id)).all()

    def list_assignments_of(self, staff_id: UUID) -> Sequence[TeacherAssignment]:
        statement = select(TeacherAssignment).where(TeacherAssignment.staff_id == staff_id)
        return self.session.scalars(statement.order_by(TeacherAssignment.id)).all()

    def find_same(self, town_id: UUID, name_hash: str, email_hash: str | None) -> StaffMember | None:
        """Return the adult with this name and this address; without an address one of the name who has none either."""
        statement = select(StaffMember).where(StaffMember.town_id == town_id, StaffMember.name_hash == name_hash)
        statement = statement.where(StaffMember.email_hash == email_hash if email_hash else StaffMember.email_hash.is_(None))
        return self.session.scalars(statement.order_by(StaffMember.id).limit(1)).first()

    @staticmethod
    def build_visibility(actor: Actor, town_id: UUID) -> ColumnElement[bool]:
        """Return the condition for the adults of a town; for an actor who sees schools alone, for those who work in one of these."""
        is_in_town = StaffMember.town_id == town_id
        if actor.has_permission(Permission.SEE, town_id):
            return is_in_town
        assigned = select(TeacherAssignment.staff_id).where(TeacherAssignment.town_id == town_id)
        return and_(is_in_town, StaffMember.id.in_(actor.restrict(assigned, TeacherAssignment)))
