"""What the cards of the first page say: title, what to do, and where."""

from __future__ import annotations

from dataclasses import dataclass

from cartable.i18n import Message
from mdm.care.today.kinds import ExpiryKind, WaitingKind


@dataclass(frozen=True, slots=True)
class CardText:
    """The text of a card by its count, and the address at which a person does something about it."""

    title: Message
    advice: Message
    address: str


CARDS: dict[WaitingKind, CardText] = {
    WaitingKind.ALARMS: CardText(
        Message("{count} alarm", plural="{count} alarms"), Message("Read each, act, and take note of it."), "/safeguards"
    ),
    WaitingKind.LOSS_REPORTS: CardText(
        Message("{count} tablet is reported lost", plural="{count} tablets are reported lost"),
        Message("Nothing locks before the helpdesk confirms it."),
        "/losses",
    ),
    WaitingKind.LOST: CardText(
        Message("{count} lost tablet is not confirmed", plural="{count} lost tablets are not confirmed"),
        Message("Asked, and not yet answered by the tablet: it locks, or is released, when it comes into contact."),
        "/?state=lost",
    ),
    WaitingKind.RELEASES: CardText(
        Message("A release of the stop switch waits for you", plural="{count} releases of the stop switch wait for you"),
        Message("Somebody asks to go on. Only a second person can agree."),
        "/safeguards",
    ),
    WaitingKind.BULK_COMMANDS: CardText(
        Message(
            "{count} command to many tablets waits for approval", plural="{count} commands to many tablets wait for approval"
        ),
        Message("It interrupts many people at once: a second person must agree."),
        "/commands",
    ),
    WaitingKind.BULK_ERASES: CardText(
        Message("{count} erase of many tablets waits for approval", plural="{count} erases of many tablets wait for approval"),
        Message("Only a second person can agree. Look at the list first."),
        "/erases",
    ),
    WaitingKind.EXTENSIONS: CardText(
        Message("{count} request for more budget", plural="{count} requests for more budget"),
        Message("Somebody wants to do more today that cannot be taken back."),
        "/safeguards",
    ),
    WaitingKind.POSITIONS: CardText(
        Message("{count} position waits for approval", plural="{count} positions wait for approval"),
        Message("A lost tablet is asked where it is only when two people agree."),
        "/?state=lost",
    ),
    WaitingKind.APPROVALS: CardText(
        Message("{count} tablet waits for a second person", plural="{count} tablets wait for a second person"),
        Message("Write-offs and disposals: agree on the page of the tablet."),
        "/safeguards",
    ),
    WaitingKind.IMPORTS: CardText(
        Message("{count} roster to confirm", plural="{count} rosters to confirm"),
        Message("Nothing of it is written yet; a preview is kept for a day."),
        "/rosters",
    ),
    WaitingKind.STOPPED_ROLLOUTS: CardText(
        Message("{count} roll-out of rules has stopped", plural="{count} roll-outs of rules have stopped"),
        Message("What was in force before is in force again. Correct the draft, and publish it anew."),
        "/rules",
    ),
    WaitingKind.ROLLOUTS: CardText(
        Message("{count} roll-out of rules is under way", plural="{count} roll-outs of rules are under way"),
        Message("It goes on by itself when the tablets of a stage have proved it."),
        "/rules",
    ),
    WaitingKind.FILTER_LISTS: CardText(
        Message("New filter lists wait for your decision", plural="{count} new filter lists wait for your decision"),
        Message("Categories would lose many of their sites. Look at the samples; the former lists stay in force."),
        "/filter-lists/releases",
    ),
    WaitingKind.APP_REQUESTS: CardText(
        Message("{count} request for an app", plural="{count} requests for an app"),
        Message("A teacher waits for an answer, or the day has passed until which an app was asked for."),
        "/app-requests",
    ),
    WaitingKind.REFUSED_APPS: CardText(
        Message("{count} app on tablets is refused by the DPO", plural="{count} apps on tablets are refused by the DPO"),
        Message("It was given before the refusal. Take it out of its bundles."),
        "/app-sheets",
    ),
    WaitingKind.HANDOVERS: CardText(
        Message("{count} tablet is assigned and not handed over", plural="{count} tablets are assigned and not handed over"),
        Message("They wait on the bench for their children."),
        "/desk",
    ),
    WaitingKind.AGREEMENTS: CardText(
        Message("{count} loan agreement is not signed", plural="{count} loan agreements are not signed"),
        Message("Note the signature on the page of the tablet, or print the agreement at the desk."),
        "/?lacks=agreement",
    ),
}
MISSING_APPS = Message("{count} app is missing on a tablet", plural="{count} apps are missing on tablets")
UNPROVED = Message("{count} tablet has not proved its mode", plural="{count} tablets have not proved their mode")
EXPIRING = Message("{count} date to renew", plural="{count} dates to renew")
EXPIRIES: dict[ExpiryKind, tuple[Message, str]] = {
    ExpiryKind.PUSH_CERTIFICATE: (Message("push certificate"), "/system/push-certificate"),
    ExpiryKind.ASSIGNMENT: (Message("token of device assignment"), "/apple-school-manager"),
    ExpiryKind.LICENCES: (Message("token of Apps and Books"), "/apps/licences"),
    ExpiryKind.DEVICE_AUTHORITY: (Message("authority of the tablets"), "/system"),
    ExpiryKind.TLS_CERTIFICATE: (Message("TLS certificate"), "/system"),
    ExpiryKind.SCHOOL_HOLIDAYS: (Message("published dates of the school holidays"), "/calendar"),
}
