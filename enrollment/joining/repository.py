"""All SQL of invitations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.joining.models import Invitation, InvitationUse
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import School, SchoolClass, Town
from enrollment.tablets.models import Cart, CartSlot, Loan


class InvitationRepository:
    """Reads and writes invitations, and what they point to."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def by_code(self, code_hash: str) -> Invitation | None:
        return self.session.scalar(select(Invitation).where(Invitation.code_hash == code_hash))

    def locked(self, invitation_id: UUID) -> Invitation | None:
        """The invitation, locked until the end of the transaction: uses are counted one at a time. The caller holds the
        town before, as every act does that comes upon an invitation later: so nobody waits in a ring.
        """
        return self.session.scalar(
            select(Invitation)
            .where(Invitation.id == invitation_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

    def town_of(self, invitation_id: UUID) -> UUID | None:
        return self.session.scalar(select(Invitation.town_id).where(Invitation.id == invitation_id))

    def visible(self, actor: Actor, invitation_id: UUID) -> Invitation | None:
        statement = select(Invitation).where(Invitation.id == invitation_id)
        return self.session.scalar(actor.restrict(statement, Invitation, Permission.HANDLE))

    def listed(self, actor: Actor, limit: int, after: UUID | None = None) -> Sequence[Invitation]:
        """Invitations in the actor's reach, ordered by id."""
        statement = actor.restrict(select(Invitation), Invitation, Permission.HANDLE).order_by(Invitation.id).limit(limit)
        return self.session.scalars(statement if after is None else statement.where(Invitation.id > after)).all()

    def use_of(self, invitation_id: UUID, tablet_id: UUID) -> InvitationUse | None:
        return self.session.scalar(
            select(InvitationUse).where(InvitationUse.invitation_id == invitation_id, InvitationUse.tablet_id == tablet_id)
        )

    def pupils(self, pupil_ids: Sequence[UUID]) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.id.in_(pupil_ids), Pupil.state != PupilState.ERASED).order_by(Pupil.id)
        ).all()

    def pupils_without_tablet(self, class_id: UUID) -> Sequence[Pupil]:
        """Active pupils of a class who hold no tablet."""
        return self.session.scalars(
            select(Pupil)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE, Loan.id.is_(None))
            .order_by(Pupil.id)
        ).all()

    def school_class(self, class_id: UUID) -> SchoolClass | None:
        return self.session.get(SchoolClass, class_id)

    def school(self, school_id: UUID) -> School | None:
        return self.session.get(School, school_id)

    def slots(self, slot_ids: Sequence[UUID]) -> Sequence[CartSlot]:
        return self.session.scalars(select(CartSlot).where(CartSlot.id.in_(slot_ids)).order_by(CartSlot.id)).all()

    def school_of_cart(self, cart_id: UUID) -> UUID:
        return self.session.get_one(Cart, cart_id).school_id

    def town(self, town_id: UUID) -> Town:
        return self.session.get_one(Town, town_id)
