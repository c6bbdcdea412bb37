"""The words of the first pages."""

from __future__ import annotations

from cartable.i18n import Language, Message
from mdm.reconcile.models import AppReason
from profiles.schedule.modes import Mode

PAGE: dict[str, Message] = {
    "skip": Message("Skip to content"),
    "chapters": Message("Chapters"),
    "language": Message("Language"),
    "sign_in": Message("Sign in"),
    "sign_out": Message("Sign out"),
    "login": Message("Login"),
    "password": Message("Password"),
    "choose_password": Message("Choose a password"),
    "choose_password_why": Message("The one you were given works once only. At least 12 characters."),
    "current_password": Message("Password you were given"),
    "new_password": Message("New password"),
    "save": Message("Save"),
    "desk": Message("Desk"),
    "tablets": Message("Tablets"),
    "rosters": Message("Rosters"),
    "year": Message("School year"),
    "refused": Message("This is not possible"),
    "back": Message("Back to the home page"),
    "town": Message("Town"),
    "choose": Message("Choose"),
    "search": Message("Tag, serial number or child's name"),
    "find": Message("Find"),
    "tag": Message("Tag"),
    "state": Message("State"),
    "holder": Message("Held by"),
    "school": Message("School"),
    "apps": Message("Apps"),
    "app": Message("App"),
    "reason": Message("Reason"),
    "wanted_mode": Message("Desired mode"),
    "seen_mode": Message("Confirmed mode"),
    "last_seen": Message("Last contact"),
    "none": Message("Nothing to show."),
    "more": Message("More"),
    "older": Message("Older"),
    "timeline": Message("History"),
    "facts": Message("Details"),
    "lost_mode": Message("Lost mode"),
    "asked": Message("Requested"),
    "confirmed": Message("Confirmed"),
    "not_yet": Message("not yet: at its next contact"),
    "lift_asked": Message("End requested"),
    "lift_reason": Message("How was it found?"),
    "called_back": Message("I have called the family back on a number that was known before."),
    "lift": Message("End lost mode"),
    "lost_explained": Message("The tablet will show a message and the town's phone number; nothing else will work."),
    "lost_reason": Message("Who reported it, where, when?"),
    "mark_lost": Message("Mark as lost"),
    "serial": Message("Serial number"),
    "system": Message("System"),
    "attested": Message("Attested key"),
    "every_tablet": Message("all"),
    "not_found_hint": Message("No tablet matches this search. The child may not have one yet; try a part of the name, the tag or the serial number."),
    "no_tablets_hint": Message("No tablet yet. Enter an order at the desk, or make an invitation."),
    "sees_nothing": Message("Your role gives access to neither tablets nor children. What you may see (requests, retention periods, access log) is available by API, described here:"),
    "no_such_page": Message("This page does not exist, or you may not see it"),
    "to_desk": Message("Desk"),
    "profile": Message("Profile"),
    "silent_on": Message("Certificate until"),
}
#: Where an order or a tablet's rules stand.
COMMAND_STATES: dict[str, Message] = {
    "queued": Message("waiting", context="command"),
    "sent": Message("sent", context="command"),
    "not_now": Message("postponed", context="command"),
    "acknowledged": Message("confirmed", context="command"),
    "failed": Message("failed", context="command"),
    "rejected": Message("refused", context="command"),
    "expired": Message("expired", context="command"),
    "superseded": Message("replaced", context="command"),
    "cancelled": Message("cancelled", context="command"),
    "waiting": Message("waiting", context="command"),
    "verified": Message("verified", context="command"),
    "installing": Message("in progress", context="command"),
    "installed": Message("installed", context="command"),
    "removing": Message("being removed", context="command"),
}


def state_words(state: str | None, language: Language) -> str:
    """A state for a person; a dash when there is none."""
    if state is None:
        return "–"
    return COMMAND_STATES[state].translate(language) if state in COMMAND_STATES else state


def page(language: Language) -> dict[str, str]:
    """Every word of the pages in one language."""
    return {name: words.translate(language) for name, words in PAGE.items()}


MODES: dict[Mode, Message] = {
    Mode.SCHOOL: Message("school", context="mode"),
    Mode.CLASS_SESSION: Message("class session", context="mode"),
    Mode.AFTER_SCHOOL: Message("after school", context="mode"),
    Mode.HOME: Message("home", context="mode"),
    Mode.NIGHT_REST: Message("night rest", context="mode"),
    Mode.HOLIDAY: Message("holiday", context="mode"),
    Mode.TRIP: Message("trip", context="mode"),
    Mode.EXAM: Message("evaluation", context="mode"),
    Mode.LOST: Message("lost", context="mode"),
    Mode.QUARANTINE: Message("quarantine", context="mode"),
    Mode.STORAGE: Message("storage", context="mode"),
}


def mode_words(mode: Mode | None, language: Language) -> str:
    """A mode for a person; a dash when nobody knows it."""
    return MODES[mode].translate(language) if mode else "–"


REASONS: dict[AppReason, Message] = {
    AppReason.NO_LICENCE: Message("no licence left"),
    AppReason.WAITING_CONTACT: Message("waiting for the tablet to connect"),
    AppReason.LOCKED_PASSCODE: Message("locked by a passcode"),
    AppReason.STORAGE_FULL: Message("no room left"),
    AppReason.OS_TOO_OLD: Message("system too old"),
    AppReason.NOT_IN_REGION: Message("not in the country's store"),
    AppReason.REMOVED_FROM_STORE: Message("removed from the store"),
    AppReason.USER_REJECTED: Message("declined on the tablet"),
    AppReason.DOWNLOAD_FAILED: Message("download failed"),
    AppReason.INSTALLING: Message("being installed"),
    AppReason.INSTALLED: Message("–"),
}


def reason_words(reason: AppReason, language: Language) -> str:
    """Why an app is not there yet; a dash when it is."""
    return REASONS[reason].translate(language)


def attested_words(*, attested: bool | None, language: Language) -> str:
    """Whether the tablet has proved its key to Apple; a dash when it has no identity."""
    if attested is None:
        return "–"
    return (Message("yes") if attested else Message("no")).translate(language)
