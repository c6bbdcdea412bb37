"""A tablet's history in words: actions of people and commands, by their names in the audit trail and the queue. Reads nothing."""

from __future__ import annotations

from typing import Any

from cartable.i18n import Language, Message
from enrollment.tablets.labels import STATES
from mdm.care.overview import TimelineEntry
from mdm.console.labels import LABEL_AND_VALUE, person_label, state_label
from mdm.console.times import format_instant
from mdm.privacy.audit_labels import TABLET_ACTIONS
from mdm.protocol.connect import CommandStatus
from mdm.queue.models import CommandState

#: Labels of the commands that this server sends, by Apple's name. The name stays beside the label: technicians look it up.
COMMAND_LABELS: dict[str, Message] = {
    "ActivationLockBypassCode": Message("ask for the activation code"),
    "CertificateList": Message("list certificates"),
    "ClearPasscode": Message("clear the passcode"),
    "ClearRestrictionsPassword": Message("clear the Screen Time passcode"),
    "DeclarativeManagement": Message("send the rules"),
    "DeviceConfigured": Message("end of setup"),
    "DeviceInformation": Message("read device information"),
    "DeviceLocation": Message("ask for the position"),
    "DeviceLock": Message("lock the screen"),
    "DisableLostMode": Message("end lost mode"),
    "EnableLostMode": Message("lost mode"),
    "EraseDevice": Message("erase"),
    "InstallApplication": Message("install an app"),
    "InstallProfile": Message("install a profile"),
    "InstalledApplicationList": Message("list apps"),
    "ManagedApplicationList": Message("list managed apps"),
    "PlayLostModeSound": Message("ring"),
    "ProfileList": Message("list profiles"),
    "RemoveApplication": Message("remove an app"),
    "RemoveProfile": Message("remove a profile"),
    "Restrictions": Message("list restrictions"),
    "RestartDevice": Message("restart"),
    "SecurityInfo": Message("read security"),
    "Settings": Message("settings"),
    "ShutDownDevice": Message("shut down"),
}


def describe_entry(entry: TimelineEntry, language: Language) -> str:
    """Return what happened at one moment; an action without a label is shown by its name."""
    if entry.before is not None and entry.after is not None:
        return f"{STATES[entry.before].translate(language)} → {STATES[entry.after].translate(language)}"
    if entry.action in TABLET_ACTIONS:
        return TABLET_ACTIONS[entry.action].translate(language)
    return (
        f"{COMMAND_LABELS[entry.action].translate(language)} ({entry.action})" if entry.action in COMMAND_LABELS else entry.action
    )


def describe_moment(entry: TimelineEntry, language: Language) -> dict[str, Any]:
    """Return an entry as the page shows it."""
    what = describe_entry(entry, language)
    return {
        "instant": entry.at.isoformat(),
        "when": format_instant(entry.at),
        "what": LABEL_AND_VALUE.translate(language, label=what, value=state_label(entry.state, language))
        if entry.state
        else what,
        "who": person_label(entry.actor_name, language),
        "detail": None if entry.detail == CommandStatus.ACKNOWLEDGED else entry.detail,
        "tone": "bad-text" if entry.state in (CommandState.FAILED, CommandState.REJECTED) else "",
        "command_id": entry.command_id,
        "can_cancel": entry.can_cancel,
    }
