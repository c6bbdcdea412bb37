"""Labels of a tablet's custody: actions and incidents."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.tablets.models import IncidentKind
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
