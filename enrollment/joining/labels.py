"""Labels of invitations and reservations: whom a tablet is for."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.joining.models import InvitationKind

RESERVED: dict[InvitationKind, Message] = {
    InvitationKind.PUPIL: Message("for a pupil"),
    InvitationKind.CLASS: Message("for a class"),
    InvitationKind.CART_SLOT: Message("for a cart's slot"),
    InvitationKind.STOCK: Message("for the stock"),
}
INVITED: dict[InvitationKind, Message] = {**RESERVED, InvitationKind.STAFF: Message("for an adult")}
