"""Verbs of joining: invite, open an invitation, admit a tablet. Never commits; pages and profiles are elsewhere."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.ids import normalise_code, short_code
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import InvitationExpired, InvitationUnknown, InvitationUsedUp
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.targets import InvitationSpec, targets_of

MAX_DAYS = 90


def create_invitations(work: UnitOfWork, actor: Actor, spec: InvitationSpec) -> list[Invitation]:
    """Make the invitations of `spec`. Raises `Forbidden`, `NotFound` (target outside the town), `Invalid`."""
    if not 1 <= spec.valid_days <= MAX_DAYS:
        raise Invalid(field="valid_days", maximum=MAX_DAYS)
    if not 1 <= spec.max_uses <= 1000:
        raise Invalid(field="max_uses", maximum=1000)
    made = [_invitation(work, actor, spec, **target) for target in targets_of(work, spec)]
    for invitation in made:
        actor.require_permission(Permission.HANDLE, invitation.town_id, invitation.school_id)
        work.session.add(invitation)
    work.session.flush()
    for invitation in made:
        audit.record_event(
            work,
            actor,
            "invitation.create",
            "invitation",
            invitation.id,
            town_id=invitation.town_id,
            kind=invitation.kind.value,
            max_uses=invitation.max_uses,
        )
    return made


def _invitation(work: UnitOfWork, actor: Actor, spec: InvitationSpec, **target: UUID | None) -> Invitation:
    code = short_code()
    per_tablet = spec.kind in (InvitationKind.PUPIL, InvitationKind.CART_SLOT)
    return Invitation(
        town_id=spec.town_id,
        kind=spec.kind,
        code=code,
        code_hash=code_hash(work, code),
        max_uses=1 if per_tablet else spec.max_uses,
        uses=0,
        expires_at=work.now + timedelta(days=spec.valid_days),
        created_at=work.now,
        created_by=actor.account_id,
        **target,
    )


def code_hash(work: UnitOfWork, code: str) -> str:
    """The keyed hash by which a typed code is found."""
    return work.keyring.keyed_hash(normalise_code(code), "invitation.code")


def open_invitation(work: UnitOfWork, code: str) -> Invitation:
    """Return the invitation that a person holds in hand, if a tablet may still join by it.

    Raises `InvitationUnknown`, `InvitationExpired`, `InvitationUsedUp`.
    """
    invitation = InvitationRepository(work.session).by_code(code_hash(work, code))
    if invitation is None:
        raise InvitationUnknown
    if invitation.revoked_at is not None or invitation.expires_at <= work.now:
        raise InvitationExpired
    if invitation.uses >= invitation.max_uses:
        raise InvitationUsedUp
    return invitation


def revoke_invitation(work: UnitOfWork, actor: Actor, invitation_id: UUID) -> Invitation:
    """Withdraw an invitation. Raises `NotFound`. Tablets that joined by it stay."""
    invitation = InvitationRepository(work.session).visible(actor, invitation_id)
    if invitation is None:
        raise NotFound
    actor.require_permission(Permission.HANDLE, invitation.town_id, invitation.school_id)
    if invitation.revoked_at is None:
        audit.record_event(work, actor, "invitation.revoke", "invitation", invitation.id, town_id=invitation.town_id)
        invitation.revoked_at = work.now
    return invitation


def join_url(work: UnitOfWork, invitation: Invitation) -> str:
    """The address a tablet opens, also in the QR code."""
    return f"{work.settings.public_url}/join/{invitation.code}"
