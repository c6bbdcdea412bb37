"""Refusals met by people who try to join with a code, and by tablets that were not invited."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, NotFound
from cartable.i18n import Words

_ASK = Words(
    fr="Demandez une nouvelle invitation à l'école ou à la mairie.", en="Ask the school or the town for a new invitation."
)


class InvitationUnknown(NotFound):
    """No invitation has this code."""

    code = "invitation_unknown"
    words = Words(fr=f"Ce code d'invitation n'existe pas. {_ASK.fr}", en=f"This invitation code does not exist. {_ASK.en}")


class InvitationExpired(DomainError):
    """The invitation was good once; its time has passed or it was withdrawn."""

    code = "invitation_expired"
    status = 410
    words = Words(fr=f"Cette invitation n'est plus valable. {_ASK.fr}", en=f"This invitation is no longer valid. {_ASK.en}")


class InvitationUsedUp(Conflict):
    """Every use of the invitation has been taken."""

    code = "invitation_used_up"
    words = Words(fr=f"Cette invitation a déjà servi. {_ASK.fr}", en=f"This invitation has already been used. {_ASK.en}")


class NotReservable(Conflict):
    """A tablet that somebody has, or that is kept, is not given away in advance."""

    code = "tablet_not_reservable"
    words = Words(
        fr="Seule une tablette commandée, reçue, préparée ou en stock peut être réservée.",
        en="Only a tablet that is ordered, received, prepared or in stock can be reserved.",
    )


class NotInvited(DomainError):
    """A tablet tried to enrol without a right to. `why` is for the log, never a child's name."""

    code = "not_invited"
    status = 403
    words = Words(fr="Cette tablette n'est pas invitée ({why}).", en="This tablet is not invited ({why}).")
