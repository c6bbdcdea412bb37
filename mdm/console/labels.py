"""Labels that several pages share: states of commands and apps, modes, parts of the web filter, and why an app is not installed yet."""

from __future__ import annotations

from cartable.i18n import Language, Message
from cartable.scope import SYSTEM
from cartable.settings import AccessibilityLevel
from mdm.reconcile.models import AppReason, ConfigurationStatus, ProfileReason, ProfileState, TabletApp, TrialState
from profiles.filters.proved_filter import FilterPart
from profiles.schedule.modes import Mode

#: A label, such as the name of a field, and what it says.
LABEL_AND_VALUE = Message("{label}: {value}")
#: States of a command or an app. A command that the tablet acknowledged proves nothing yet, so it is not called confirmed.
COMMAND_STATES: dict[str, Message] = {
    "queued": Message("waiting", context="command"),
    "sent": Message("sent", context="command"),
    "not_now": Message("postponed", context="command"),
    "acknowledged": Message("accepted by the tablet", context="command"),
    "failed": Message("failed", context="command"),
    "rejected": Message("refused", context="command"),
    "expired": Message("expired", context="command"),
    "superseded": Message("replaced", context="command"),
    "cancelled": Message("cancelled", context="command"),
    "waiting": Message("waiting", context="command"),
    "installing": Message("in progress", context="command"),
    "installed": Message("installed", context="command"),
    "removing": Message("being removed", context="command"),
}


_SERVER = Message("the server")


def person_label(name: str, language: Language) -> str:
    """Return the name of who did something; the server's own acts are its own."""
    return _SERVER.translate(language) if name == SYSTEM.name else name


def state_label(state: str | None, language: Language) -> str:
    """Return the label of a state; a dash when there is none, and the state itself when it has no label."""
    if state is None:
        return "–"
    return COMMAND_STATES[state].translate(language) if state in COMMAND_STATES else state


#: States of a tablet's rules. Only what the tablet itself has proved is called confirmed.
RULES_STATES: dict[ProfileState, Message] = {
    ProfileState.WAITING: Message("waiting", context="rules"),
    ProfileState.ACKNOWLEDGED: Message("received, not confirmed yet", context="rules"),
    ProfileState.VERIFIED: Message("confirmed by the tablet", context="rules"),
    ProfileState.FAILED: Message("failed", context="rules"),
    ProfileState.REMOVING: Message("being removed", context="rules"),
}
RULES_REASONS: dict[ProfileReason, Message] = {
    ProfileReason.WAITING_CONTACT: Message("waiting for the tablet to connect"),
    ProfileReason.NOT_VERIFIED: Message("the tablet has not listed them yet"),
    ProfileReason.REFUSED: Message("refused by the tablet"),
    ProfileReason.MISSING: Message("they were no longer on the tablet"),
    ProfileReason.REMOVAL_REFUSED: Message("their removal was refused by the tablet"),
    ProfileReason.IN_PROGRESS: Message("the tablet is applying them"),
    ProfileReason.INVALID: Message("the tablet could not apply them"),
    ProfileReason.INSTALLED: Message("–"),
}


TRIAL_STATES: dict[TrialState, Message] = {
    TrialState.SENT: Message("on their way, on trial for an hour"),
    TrialState.ACKNOWLEDGED: Message("on the tablet, on trial for an hour"),
    TrialState.VERIFIED: Message("on the tablet, on trial until its next contact"),
    TrialState.PROVED: Message("–"),
    TrialState.ENDED: Message("taken back by the tablet: it was not in contact under them"),
    TrialState.REFUSED: Message("refused by the tablet"),
}


def rules_state_label(state: ProfileState | None, language: Language) -> str:
    """Return the label of the state of a tablet's rules; a dash when it has none."""
    return RULES_STATES[state].translate(language) if state is not None else "–"


def rules_reason_label(reason: ProfileReason, language: Language) -> str:
    """Return why a tablet's rules are not confirmed yet; a dash when they are."""
    return RULES_REASONS[reason].translate(language)


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


def mode_label(mode: Mode | None, language: Language) -> str:
    """Return the label of a mode; a dash when it is unknown."""
    return MODES[mode].translate(language) if mode else "–"


SILENT = Message("{count} tablet silent for a week", plural="{count} tablets silent for a week")
REASONS: dict[AppReason, Message] = {
    AppReason.NO_LICENCE: Message("no licence left"),
    AppReason.WAITING_CONTACT: Message("waiting for the tablet to connect"),
    AppReason.LOCKED_PASSCODE: Message("locked by a passcode"),
    AppReason.STORAGE_FULL: Message("no room left"),
    AppReason.OS_TOO_OLD: Message("system too old"),
    AppReason.NOT_IN_REGION: Message("not in the country's store"),
    AppReason.REMOVED_FROM_STORE: Message("removed from the store"),
    AppReason.USER_REJECTED: Message("declined on the tablet"),
    AppReason.USER_PROMPTED: Message("waiting for an answer on the tablet"),
    AppReason.UNINSTALLED: Message("removed on the tablet by a person"),
    AppReason.DOWNLOAD_FAILED: Message("download failed"),
    AppReason.INSTALLING: Message("being installed"),
    AppReason.INSTALLED: Message("–"),
    AppReason.NOT_MANAGED: Message("installed by a person, not managed"),
}


def reason_label(reason: AppReason, language: Language) -> str:
    """Return why an app is not installed yet; a dash when it is."""
    return REASONS[reason].translate(language)


#: How far the managed configuration of an app is on a tablet. `refused` comes with the tablet's own words.
CONFIGURATIONS: dict[ConfigurationStatus, Message] = {
    ConfigurationStatus.WAITING: Message("Configuration: sent, not proved by the tablet yet"),
    ConfigurationStatus.PROVED: Message("Configuration: proved by the tablet"),
    ConfigurationStatus.REFUSED: Message("Configuration: refused by the tablet ({problem})"),
}


def configuration_label(row: TabletApp, language: Language) -> str:
    """Return how far the managed configuration of an app is on its tablet; empty for an app without one."""
    if row.configuration_status is None:
        return ""
    return CONFIGURATIONS[row.configuration_status].translate(language, problem=row.configuration_problem or "")


#: The parts of the web filter of a tablet.
FILTER_PARTS: dict[FilterPart, Message] = {
    FilterPart.BUILT_IN: Message("the filter built into the system"),
    FilterPart.PLUGIN: Message("a filter app"),
    FilterPart.DNS: Message("the DNS of another service"),
    FilterPart.RESOLVER: Message("the town's resolver"),
}
#: What the foot of every page says, in the words of the French accessibility reference.
ACCESSIBILITY_LEVELS: dict[AccessibilityLevel, Message] = {
    AccessibilityLevel.NONE: Message("Accessibility: not compliant"),
    AccessibilityLevel.PARTIAL: Message("Accessibility: partially compliant"),
    AccessibilityLevel.FULL: Message("Accessibility: fully compliant"),
}
