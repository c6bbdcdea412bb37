"""The words about holders, loans and incidents on a tablet's page."""

from __future__ import annotations

from cartable.i18n import Language, Message
from enrollment.joining.models import InvitationKind
from enrollment.tablets.models import AgreementState, IncidentKind
from mdm.care.tablet_summary import Act

_PAGE: dict[str, Message] = {
    "holder": Message("Who has it"),
    "nobody": Message("Nobody holds it."),
    "pupil": Message("Pupil"),
    "class": Message("Class"),
    "school": Message("School"),
    "since": Message("Since"),
    "agreement": Message("Agreement"),
    "accessories": Message("Accessories"),
    "lost": Message("lost", context="accessory"),
    "swap": Message("Swap", context="noun"),
    "to_confirm": Message("made at school, to be confirmed"),
    "reserved": Message("Reserved"),
    "evidence": Message("Evidence"),
    "evidence_why": Message("kept: leave it alone"),
    "to_wipe": Message("To be erased"),
    "to_wipe_why": Message("a child has used it"),
    "loaner": Message("The child's loaner:"),
    "stands_in": Message("Stands in for"),
    "incidents": Message("Incidents"),
    "former": Message("Former loans"),
    "lent": Message("from {first} to {last}"),
    "reported_on": Message("reported on {day}"),
    "closed_on": Message("closed on {day}"),
    "open": Message("open"),
    "cause": Message("Cause"),
    "condition": Message("Condition"),
    "broken_why": Message("What happened (no names)"),
    "repair_why": Message("Repairer, shipment number"),
    "repaired_why": Message("What was checked"),
    "settle_back": Message("The child gets their own tablet back"),
    "settle_keep": Message("The child keeps the loaner"),
    "settle_who": Message("Who keeps what?"),
    "found_why": Message("Only with the tablet in your hands. Lost mode is lifted."),
    "note": Message("Note"),
    "noted": Message("Noted."),
}  # fmt: skip
ACTS: dict[Act, Message] = {
    Act.BROKEN: Message("Report a breakage"),
    Act.REPAIR: Message("Sent to repair"),
    Act.REPAIRED: Message("Back from repair"),
    Act.SETTLE: Message("Settle the breakage"),
    Act.FOUND: Message("Found, in hand"),
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


def words_of(language: Language) -> dict[str, str]:
    """Every word of this part in one language."""
    return {name: words.translate(language) for name, words in _PAGE.items()}
