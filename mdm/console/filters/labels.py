"""The words of the web filter for people: how it reaches tablets, and what to do where a tablet does not follow the rules."""

from __future__ import annotations

from cartable.i18n import Language, Message
from mdm.care.web_filter import Remedy
from mdm.console.web_categories import CATEGORIES
from profiles.catalog.hosts import display_host
from profiles.filters.models import ReleaseStatus, UpdateProblem
from profiles.filters.rules import DeliveryKind, HostVerdict, VerdictReason

MEANS: dict[DeliveryKind, Message] = {
    DeliveryKind.BUILT_IN: Message("Built into the system"),
    DeliveryKind.PLUGIN: Message("Filter app"),
    DeliveryKind.DNS: Message("Encrypted DNS of another service"),
    DeliveryKind.RESOLVER: Message("The town's own resolver"),
}
UPDATE_PROBLEMS: dict[UpdateProblem, Message] = {
    UpdateProblem.UNREACHABLE: Message("The mirror could not be reached."),
    UpdateProblem.PROGRAM_MISSING: Message(
        "The mirror speaks rsync, and the server has no such program. The operator installs it."
    ),
    UpdateProblem.TOO_LARGE: Message("The mirror's archive is larger than the operator allows."),
    UpdateProblem.CHECKSUM: Message("The mirror's archive is not the one that its checksum names."),
    UpdateProblem.UNREADABLE: Message("The mirror's archive could not be read."),
    UpdateProblem.SHRUNK: Message("The mirror's newest lists look damaged and wait for your decision."),
}
RELEASE_STATUSES: dict[ReleaseStatus, Message] = {
    ReleaseStatus.WAITING: Message("waits for a decision"),
    ReleaseStatus.TRIAL: Message("on trial in some schools"),
    ReleaseStatus.IN_FORCE: Message("in force everywhere"),
    ReleaseStatus.STOPPED: Message("stopped"),
    ReleaseStatus.REPLACED: Message("replaced by newer lists"),
    ReleaseStatus.UNDONE: Message("undone"),
}
REMEDIES: dict[Remedy, Message] = {
    Remedy.MEND_RESOLVER: Message("The resolver does not answer. The operator sees why on the page of the server."),
    Remedy.WAIT_FOR_PROOF: Message("The tablet has not proved the filter of now yet. Wait until it has been in contact."),
    Remedy.SUPERVISE: Message(
        "The tablet is not supervised: it bears no filter that a child cannot take out. Enroll it automatically."
    ),
    Remedy.SET_UP_RESOLVER: Message(
        "Not enforceable here: the filter built into the system does not know this, and the installation has no resolver. Ask the operator."
    ),
    Remedy.CHOOSE_RESOLVER: Message(
        "Not enforceable here: the filter built into the system does not know this. Choose the town's resolver on the page of the web filter."
    ),
    Remedy.ASK_OTHER_SERVICE: Message("Another service decides by its own lists: ask it what it does with this site."),
}


def describe_deciding(verdict: HostVerdict, language: Language) -> str:
    """Return the entry or the category that decided on a host, in words; empty where a rule without entries did."""
    if verdict.reason in (VerdictReason.BASELINE, VerdictReason.CATEGORY):
        words = CATEGORIES.get(verdict.decided_by)
        return f"{words.translate(language)}, {verdict.decided_by}" if words is not None else verdict.decided_by
    return display_host(verdict.decided_by)
