"""All SQL of invitations and of the pupils, classes and slots that they name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.joining.errors import EnrollmentRefusal
from enrollment.joining.models import Invitation, InvitationKind, InvitationUse
from enrollment.people.models import Pupil, PupilState, StaffMember
from enrollment.tablets.models import Cart, CartSlot, Loan, Tablet


class InvitationRepository:
    """Reads invitations and what they name."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_by_code_hash(self, code_hash: str) -> Invitation | None:
        return self.session.scalar(select(Invitation).where(Invitation.code_hash == code_hash))

    def get_for_update(self, invitation_id: UUID) -> Invitation | None:
        """Return the invitation, locked until the end of the transaction so that uses are counted one at a time.

        The caller has locked the town before: with a fixed order of locks there is no deadlock.
        """
        return self.session.scalar(
            select(Invitation)
            .where(Invitation.id == invitation_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

    def set_refusal(self, invitation_id: UUID, now: datetime, reason: EnrollmentRefusal, device: str | None) -> None:
        self.session.execute(
            update(Invitation).where(Invitation.id == invitation_id).values(refused_at=now, refusal=reason, refused_device=device)
        )

    def get_town_id(self, invitation_id: UUID) -> UUID | None:
        return self.session.scalar(select(Invitation.town_id).where(Invitation.id == invitation_id))

    def get_visible(self, actor: Actor, invitation_id: UUID) -> Invitation | None:
        statement = select(Invitation).where(Invitation.id == invitation_id)
        return self.session.scalar(actor.restrict(statement, Invitation, Permission.HANDLE))

    def list_invitations(self, actor: Actor, page: PageRequest) -> Page[Invitation]:
        """Return invitations that the actor may handle, ordered by id, from behind `after` on."""
        statement = actor.restrict(select(Invitation), Invitation, Permission.HANDLE)
        return fetch_scalar_page(self.session, statement, page, Invitation.id)

    def list_open_invitations(self, actor: Actor, town_id: UUID, now: datetime) -> Sequence[Invitation]:
        """Return the newest invitations of a town by which tablets may still enroll and which the actor may handle."""
        statement = select(Invitation).where(Invitation.town_id == town_id, Invitation.revoked_at.is_(None))
        statement = statement.where(Invitation.expires_at > now, Invitation.uses < Invitation.max_uses)
        statement = actor.restrict(statement, Invitation, Permission.HANDLE)
        return self.session.scalars(statement.order_by(Invitation.created_at.desc(), Invitation.id).limit(100)).all()

    def find_open_for_stock(self, town_id: UUID, created_by: UUID | None, now: datetime) -> Invitation | None:
        """Return the newest invitation for the stock that a person has made and by which tablets may still enroll."""
        statement = select(Invitation).where(Invitation.town_id == town_id, Invitation.kind == InvitationKind.STOCK)
        statement = statement.where(Invitation.created_by == created_by, Invitation.school_id.is_(None))
        is_open = statement.where(
            Invitation.revoked_at.is_(None), Invitation.expires_at > now, Invitation.uses < Invitation.max_uses
        )
        return self.session.scalar(is_open.order_by(Invitation.created_at.desc(), Invitation.id).limit(1))

    def list_tablets_of_invitation(self, invitation_id: UUID) -> Sequence[Tablet]:
        """Return the tablets that enrolled by an invitation, in their order."""
        return self.session.scalars(
            select(Tablet)
            .join(InvitationUse, InvitationUse.tablet_id == Tablet.id)
            .where(InvitationUse.invitation_id == invitation_id)
            .order_by(InvitationUse.used_at, InvitationUse.id)
        ).all()

    def get_use(self, invitation_id: UUID, tablet_id: UUID) -> InvitationUse | None:
        return self.session.scalar(
            select(InvitationUse).where(InvitationUse.invitation_id == invitation_id, InvitationUse.tablet_id == tablet_id)
        )

    def list_staff(self, staff_ids: Sequence[UUID]) -> Sequence[StaffMember]:
        return self.session.scalars(select(StaffMember).where(StaffMember.id.in_(staff_ids)).order_by(StaffMember.id)).all()

    def list_pupils(self, pupil_ids: Sequence[UUID]) -> Sequence[Pupil]:
        return self.session.scalars(
            select(Pupil).where(Pupil.id.in_(pupil_ids), Pupil.state != PupilState.ERASED).order_by(Pupil.id)
        ).all()

    def list_pupils_without_tablet(self, class_id: UUID) -> Sequence[Pupil]:
        """Return the active pupils of a class without an open loan."""
        return self.session.scalars(
            select(Pupil)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE, Loan.id.is_(None))
            .order_by(Pupil.id)
        ).all()

    def list_slots(self, slot_ids: Sequence[UUID]) -> Sequence[CartSlot]:
        return self.session.scalars(select(CartSlot).where(CartSlot.id.in_(slot_ids)).order_by(CartSlot.id)).all()

    def get_school_id_of_cart(self, cart_id: UUID) -> UUID:
        return self.session.get_one(Cart, cart_id).school_id
