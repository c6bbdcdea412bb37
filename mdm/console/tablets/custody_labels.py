"""Labels of a tablet's custody: actions, incidents, agreements, reservations."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.joining.models import InvitationKind
from enrollment.tablets.models import AgreementState, IncidentKind
from mdm.care.tablet_summary import TabletAction

ACTS: dict[TabletAction, Message] = {
    TabletAction.BROKEN: Message("Report a breakage"),
    TabletAction.REPAIR: Message("Sent to repair"),
    TabletAction.REPAIRED: Message("Back from repair"),
    TabletAction.SETTLE: Message("Settle the breakage"),
    TabletAction.FOUND: Message("Found, in hand"),
}
KINDS: dict[IncidentKind, Message] = {
    IncidentKind.BREAKAGE: Message("Breakage"),
    IncidentKind.LOSS: Message("Loss"),
    IncidentKind.THEFT: Message("Theft"),
}
AGREEMENTS: dict[AgreementState, Message] = {
    AgreementState.PENDING: Message("to be signed", context="agreement"),
    AgreementState.SIGNED: Message("signed", context="agreement"),
    AgreementState.REFUSED: Message("refused: stays at school", context="agreement"),
}
RESERVED: dict[InvitationKind, Message] = {
    InvitationKind.PUPIL: Message("for a pupil"),
    InvitationKind.CLASS: Message("for a class"),
    InvitationKind.CART_SLOT: Message("for a cart's slot"),
    InvitationKind.STOCK: Message("for the stock"),
}
INVITED: dict[InvitationKind, Message] = {**RESERVED, InvitationKind.STAFF: Message("for an adult")}
