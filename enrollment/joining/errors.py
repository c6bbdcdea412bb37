"""Errors of invitations, reservations and enrollment."""

from __future__ import annotations

from enum import StrEnum

from cartable.errors import Conflict, DomainError, NotFound
from cartable.i18n import Message


class InvitationNotFound(NotFound):
    """No invitation has this code."""

    code = "invitation_unknown"
    message = Message("This invitation code does not exist. Ask the school or the town for a new invitation.")


class InvitationExpired(DomainError):
    """The invitation has expired or was withdrawn."""

    code = "invitation_expired"
    status = 410
    message = Message("This invitation is no longer valid. Ask the school or the town for a new invitation.")


class InvitationUsedUp(Conflict):
    """The invitation has no uses left."""

    code = "invitation_used_up"
    message = Message("This invitation has already been used. Ask the school or the town for a new invitation.")


class TabletNotReservable(Conflict):
    """The tablet is in a state in which it cannot be reserved, or under an evidence hold."""

    code = "tablet_not_reservable"
    message = Message("Only a tablet that is ordered, received, prepared or in stock can be reserved.")


class EnrollmentRefusal(StrEnum):
    """Why a device may not enroll."""

    ATTESTED_FOR_ANOTHER = "attested_for_another_device"
    CERTIFICATE_OF_ANOTHER = "certificate_of_another_tablet"
    NO_INVITATION = "certificate_without_invitation"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    INVITATION_USED_UP = "invitation_used_up"
    TABLET_OF_ANOTHER_TOWN = "tablet_of_another_town"
    TABLET_RETIRED = "tablet_retired"
    UDID_OF_ANOTHER = "udid_of_another_tablet"
    SERIAL_ENROLLED = "serial_already_enrolled"
    SERIAL_NOT_EXPECTED = "serial_not_expected"
    NOT_AN_IPAD = "not_an_ipad"
    SYSTEM_TOO_OLD = "system_too_old"
    PROFILE_USED = "profile_used_by_another_device"
    PROFILE_EXPIRED = "profile_expired"


class NotInvited(DomainError):
    """The tablet may not enroll. `why` is a stable code for the log, never a child's name."""

    code = "not_invited"
    status = 403
    message = Message("This tablet is not invited ({why}).")


class TooManyWrongCodes(DomainError):
    """The address has tried too many codes that do not exist."""

    code = "too_many_wrong_codes"
    status = 429
    message = Message("Too many codes that do not exist were tried from here. Try again in an hour.")
