"""A tablet's history in words: actions of people and commands, by their names in the audit trail and the queue. Reads nothing."""

from __future__ import annotations

from typing import Any

from cartable.i18n import Language, Message
from enrollment.tablets.labels import STATES
from mdm.care.overview import TimelineEntry
from mdm.console.labels import LABEL_AND_VALUE, person_label, state_label
from mdm.console.times import format_instant
from mdm.protocol.connect import CommandStatus
from mdm.queue.models import CommandState

#: Acts on a tablet, by the action of the audit trail.
ACTION_LABELS: dict[str, Message] = {
    "cart.put": Message("put into a cart"),
    "cart.take": Message("taken out of its cart"),
    "incident.close": Message("incident closed"),
    "incident.read": Message("incident report read"),
    "incident.open": Message("incident opened"),
    "loan.accessory_lost": Message("accessory noted as lost"),
    "loan.agreement": Message("loan agreement noted"),
    "loan.close": Message("loan closed"),
    "loan.confirm": Message("swap confirmed"),
    "loan.open": Message("assigned to a pupil"),
    "loan.swap": Message("swapped with another"),
    "loan.transfer": Message("loan moved to this tablet"),
    "approval.place_evidence_hold.approve": Message("evidence hold approved"),
    "approval.place_evidence_hold.request": Message("evidence hold requested"),
    "approval.release_evidence_hold.approve": Message("end of evidence hold approved"),
    "approval.release_evidence_hold.request": Message("end of evidence hold requested"),
    "approval.write_off.approve": Message("write-off approved"),
    "approval.write_off.request": Message("write-off requested"),
    "position.approve": Message("position request approved"),
    "position.request": Message("position requested"),
    "tablet.activation_lock": Message("activation lock requested"),
    "tablet.authenticate": Message("is enrolling"),
    "tablet.automated": Message("automated enrolment"),
    "tablet.bypass_code": Message("bypass code read"),
    "tablet.command": Message("command given"),
    "tablet.check_out": Message("has left management"),
    "tablet.user_check_out": Message("a person of this shared tablet has left management"),
    "tablet.dispose": Message("disposed of"),
    "tablet.readopt": Message("Back after a restore of the server"),
    "tablet.enrolled": Message("enrolled"),
    "tablet.erase": Message("erase ordered"),
    "tablet.erase_in_bulk": Message("erase in bulk ordered"),
    "tablet.found": Message("found, in hand"),
    "tablet.join": Message("invitation used"),
    "tablet.lift_lost": Message("end of lost mode requested"),
    "tablet.mark_lost": Message("reported lost"),
    "tablet.report_loss": Message("loss reported, to be confirmed"),
    "tablet.decline_loss": Message("report of a loss declined"),
    "tablet.place": Message("placed as reserved"),
    "tablet.report": Message("asked in detail"),
    "tablet.reserve": Message("reserved"),
    "tablet.found_lost": Message("found in lost mode without a report"),
    "tablet.retry_app": Message("app tried again"),
    "tablet.retry_lost": Message("lost mode tried again"),
    "tablet.retry_rules": Message("rules tried again"),
    "tablet.return_to_service": Message("returned to service"),
    "tablet.sound": Message("sound requested"),
    "tablet.state": Message("state"),
    "tablet.tag": Message("tag changed"),
    "tablet.unreserve": Message("reservation withdrawn"),
    "tablet.wiped": Message("noted as erased by hand"),
}
#: Orders that this server gives, by Apple's name of the command. The name stays beside the word: technicians look it up.
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
    if entry.action in ACTION_LABELS:
        return ACTION_LABELS[entry.action].translate(language)
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
