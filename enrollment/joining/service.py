"""Invitations: create, look up by code, withdraw. Never commits.

Pages are in `endpoint`, profiles in `profiles`, the enrollment itself in `enrollment_matching`.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.ids import make_short_code, normalise_code
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import InvitationExpired, InvitationNotFound, InvitationUsedUp
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.targets import InvitationSpec, resolve_targets
from enrollment.places.addresses import get_town_url

MAX_DAYS = 90


def create_invitations(work: UnitOfWork, actor: Actor, spec: InvitationSpec) -> list[Invitation]:
    """Create the invitations of `spec` and return them. Raises `Forbidden`, `NotFound` (a target outside the town), `Invalid`."""
    if not 1 <= spec.valid_days <= MAX_DAYS:
        raise Invalid(field="valid_days", maximum=MAX_DAYS)
    if not 1 <= spec.max_uses <= 1000:
        raise Invalid(field="max_uses", maximum=1000)
    invitations = [_build_invitation(work, actor, spec, **target) for target in resolve_targets(work, spec)]
    for invitation in invitations:
        actor.require_permission(Permission.HANDLE, invitation.town_id, invitation.school_id)
        work.session.add(invitation)
    work.session.flush()
    for invitation in invitations:
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
    return invitations


def _build_invitation(work: UnitOfWork, actor: Actor, spec: InvitationSpec, **target: UUID | None) -> Invitation:
    code = make_short_code()
    per_tablet = spec.kind in (InvitationKind.PUPIL, InvitationKind.CART_SLOT, InvitationKind.STAFF)
    return Invitation(
        town_id=spec.town_id,
        kind=spec.kind,
        code=code,
        code_hash=hash_code(work, code),
        max_uses=1 if per_tablet else spec.max_uses,
        uses=0,
        expires_at=work.now + timedelta(days=spec.valid_days),
        created_at=work.now,
        created_by=actor.account_id,
        **target,
    )


def hash_code(work: UnitOfWork, code: str) -> str:
    """Return the keyed hash by which an invitation code is looked up."""
    return work.keyring.keyed_hash(normalise_code(code), "invitation.code")


def find_invitation(work: UnitOfWork, code: str) -> Invitation | None:
    """Return the invitation with this code in any state; None for an unknown code."""
    return InvitationRepository(work.session).get_by_code_hash(hash_code(work, code))


def get_open_invitation(work: UnitOfWork, code: str) -> Invitation:
    """Return the invitation with this code if a tablet can still enroll by it.

    Raises `InvitationNotFound`, `InvitationExpired`, `InvitationUsedUp`.
    """
    invitation = find_invitation(work, code)
    if invitation is None:
        raise InvitationNotFound
    if invitation.revoked_at is not None or invitation.expires_at <= work.now:
        raise InvitationExpired
    if invitation.uses >= invitation.max_uses:
        raise InvitationUsedUp
    return invitation


def revoke_invitation(work: UnitOfWork, actor: Actor, invitation_id: UUID) -> Invitation:
    """Withdraw an invitation and return it; tablets that enrolled by it stay enrolled. Raises `NotFound`, `Forbidden`."""
    invitation = InvitationRepository(work.session).get_visible(actor, invitation_id)
    if invitation is None:
        raise NotFound
    actor.require_permission(Permission.HANDLE, invitation.town_id, invitation.school_id)
    if invitation.revoked_at is None:
        audit.record_event(work, actor, "invitation.revoke", "invitation", invitation.id, town_id=invitation.town_id)
        invitation.revoked_at = work.now
    return invitation


def build_join_url(work: UnitOfWork, invitation: Invitation) -> str:
    """Return the URL that a tablet opens; it is also the content of the QR code."""
    return f"{get_town_url(work, invitation.town_id)}/join/{invitation.code}"
