"""Refusals met by people who try to join with a code, and by tablets that were not invited."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, NotFound
from cartable.i18n import Message

class InvitationUnknown(NotFound):
    """No invitation has this code."""

    code = "invitation_unknown"
    message = Message("This invitation code does not exist. Ask the school or the town for a new invitation.")


class InvitationExpired(DomainError):
    """The invitation was good once; its time has passed or it was withdrawn."""

    code = "invitation_expired"
    status = 410
    message = Message("This invitation is no longer valid. Ask the school or the town for a new invitation.")


class InvitationUsedUp(Conflict):
    """Every use of the invitation has been taken."""

    code = "invitation_used_up"
    message = Message("This invitation has already been used. Ask the school or the town for a new invitation.")


class NotReservable(Conflict):
    """A tablet that somebody has, or that is kept, is not given away in advance."""

    code = "tablet_not_reservable"
    message = Message("Only a tablet that is ordered, received, prepared or in stock can be reserved.")


class NotInvited(DomainError):
    """A tablet tried to enrol without a right to. `why` is for the log, never a child's name."""

    code = "not_invited"
    status = 403
    message = Message("This tablet is not invited ({why}).")
