"""Labels of the page of a tablet's life: each act with what follows from it, and what two people decide."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.tablets.models import ApprovalAction
from mdm.care.tablet_life import LifeAct

#: Act → its title, and the consequence that a person reads before it.
LIFE_ACTS: dict[LifeAct, tuple[Message, Message]] = {
    LifeAct.AGREEMENT: (Message("The family's answer"), Message("Without a signature the tablet stays at school.")),
    LifeAct.CONFIRM_SWAP: (Message("Confirm the swap"), Message("Somebody has seen who has this tablet now.")),
    LifeAct.ACCESSORY: (Message("An accessory is lost"), Message("It is asked for at the return no more.")),
    LifeAct.ASSIGN: (
        Message("Assign to a pupil"),
        Message("The tablet gets the rules and apps of the child before it is handed over."),
    ),
    LifeAct.UNRESERVE: (Message("End the reservation"), Message("When it enrolls, it is assigned to nobody.")),
    LifeAct.LOANER: (Message("Lend another one meanwhile"), Message("The loaner gets the same rules and apps.")),
    LifeAct.THEFT: (
        Message("Stolen: note the police report"),
        Message("The number and the day of the receipt, and nothing of its content."),
    ),
    LifeAct.POSITION: (
        Message("Ask for the position"),
        Message("Once, of a tablet whose lost mode is confirmed; another person must approve. It is kept for seven days."),
    ),
    LifeAct.MOVE: (Message("Move it"), Message("Of a tablet that nobody has: to the stock, to storage or back to the bench.")),
    LifeAct.WIPED: (Message("Erased by hand"), Message("Where no command reaches it. Say how, so that it may be lent again.")),
    LifeAct.ERASE: (
        Message("Erase"),
        Message(
            "Everything on the tablet is lost. A tablet that is off is erased at its next contact; cancel it before, if need be."
        ),
    ),
    LifeAct.ACTIVATION_LOCK: (
        Message("Turn activation lock on"),
        Message("Apple locks the tablet to the town. Only the code on its page, or Apple, opens it again."),
    ),
    LifeAct.RETIRE: (Message("Retire"), Message("It leaves the programme and is lent no more.")),
    LifeAct.DISPOSE: (
        Message("Dispose of it"),
        Message("Its enrollment ends for good. The proof of the wipe and the waste slip are kept."),
    ),
    LifeAct.APPROVAL: (Message("Ask for what two people decide"), Message("Another person approves it.")),
}
APPROVALS: dict[ApprovalAction, Message] = {
    ApprovalAction.PLACE_EVIDENCE_HOLD: Message("keep it as evidence: nobody erases or exchanges it"),
    ApprovalAction.RELEASE_EVIDENCE_HOLD: Message("end the keeping as evidence"),
    ApprovalAction.WRITE_OFF: Message("write the loss off"),
}
