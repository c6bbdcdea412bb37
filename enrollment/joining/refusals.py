"""The last refusal of a device that followed an invitation: stored for people, shown on the landing page. Never commits.

An iPad shows a general error only, so whoever stands in front of it finds the reason here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cartable.i18n import Message
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity.errors import ChallengeProblem
from enrollment.joining.device_kind import OLDEST_IPADOS
from enrollment.joining.errors import EnrollmentRefusal
from enrollment.joining.models import Invitation
from enrollment.joining.repository import InvitationRepository

#: How long the landing page shows a refusal.
SHOWN_FOR = timedelta(hours=24)
_BY_CHALLENGE_PROBLEM = {
    ChallengeProblem.USED_BY_ANOTHER: EnrollmentRefusal.PROFILE_USED,
    ChallengeProblem.EXPIRED: EnrollmentRefusal.PROFILE_EXPIRED,
}
REFUSAL_LABELS: dict[EnrollmentRefusal, Message] = {
    EnrollmentRefusal.ATTESTED_FOR_ANOTHER: Message("The certificate belongs to another device. Download the profile again."),
    EnrollmentRefusal.CERTIFICATE_OF_ANOTHER: Message("The certificate belongs to another tablet. Download the profile again."),
    EnrollmentRefusal.NO_INVITATION: Message("The certificate belongs to no invitation. Download the profile again."),
    EnrollmentRefusal.INVITATION_WITHDRAWN: Message("The invitation was withdrawn."),
    EnrollmentRefusal.INVITATION_USED_UP: Message("The invitation has no uses left. Every tablet needs one."),
    EnrollmentRefusal.TABLET_OF_ANOTHER_TOWN: Message("The tablet belongs to another town."),
    EnrollmentRefusal.TABLET_RETIRED: Message("The tablet was retired and may not enrol again."),
    EnrollmentRefusal.UDID_OF_ANOTHER: Message("A tablet with another serial number is enrolled as this device. Ask the town."),
    EnrollmentRefusal.SERIAL_ENROLLED: Message(
        "A tablet with this serial number is enrolled already. If it has a new logic board, the town records its repair first."
    ),
    EnrollmentRefusal.SERIAL_NOT_EXPECTED: Message("The tablet is in no inventory."),
    EnrollmentRefusal.NOT_AN_IPAD: Message("The device was no iPad: {device}. Open this page on the tablet itself."),
    EnrollmentRefusal.SYSTEM_TOO_OLD: Message(
        "The system of the tablet is too old: {device}. Update it to iPadOS {oldest} or later first."
    ),
    EnrollmentRefusal.PROFILE_USED: Message(
        "This profile was already installed on another tablet. Each tablet must download its own on this page."
    ),
    EnrollmentRefusal.PROFILE_EXPIRED: Message("The downloaded profile was too old. Download it again and install it at once."),
}


@dataclass(frozen=True, slots=True)
class LastRefusal:
    """When and why a device was refused. `device` is what it called itself; empty when that is not known."""

    at: datetime
    reason: EnrollmentRefusal
    device: str

    @property
    def message(self) -> Message:
        return REFUSAL_LABELS[self.reason].bind(device=self.device or "–", oldest=OLDEST_IPADOS)


def record_refusal(work: UnitOfWork, invitation_id: UUID, reason: EnrollmentRefusal, device: str) -> None:
    """Store that a device with this invitation was refused."""
    InvitationRepository(work.session).set_refusal(invitation_id, work.now, reason, device[:80] or None)


def load_last_refusals(work: UnitOfWork, invitations: Sequence[Invitation]) -> dict[UUID, LastRefusal]:
    """Return, by invitation id, the last refusal of a device, be it at the SCEP server or at Authenticate."""
    refusals: dict[UUID, LastRefusal] = {}
    for challenge in identity.list_refused_challenges(work, [invitation.id for invitation in invitations]):
        if challenge.invitation_id is not None and challenge.refused_at is not None and challenge.refusal is not None:
            refusals[challenge.invitation_id] = LastRefusal(challenge.refused_at, _BY_CHALLENGE_PROBLEM[challenge.refusal], "")
    for invitation in invitations:
        if invitation.refused_at is None or invitation.refusal is None:
            continue
        earlier = refusals.get(invitation.id)
        if earlier is None or earlier.at <= invitation.refused_at:
            refusals[invitation.id] = LastRefusal(invitation.refused_at, invitation.refusal, invitation.refused_device or "")
    return refusals
