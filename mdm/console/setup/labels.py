"""Labels of the first day: each step of a town's checklist and each act of the tour, what to do for it, and where."""

from __future__ import annotations

from typing import NamedTuple

from cartable.i18n import Message
from enrollment.joining.ade.models import AdeAlarm
from enrollment.joining.apple_school_manager.models import KeyKind
from enrollment.joining.errors import EnrollmentRefusal
from enrollment.places.schools import SchoolLineOutcome
from mdm.setup.checklist import SetupStep, TourAct


class StepText(NamedTuple):
    """The title of a step, what to do, and the page on which it is done; empty when no page does it."""

    title: Message
    advice: Message
    address: str


#: The portals whose keys Apple's API takes.
KEY_KINDS: dict[KeyKind, Message] = {
    KeyKind.SCHOOL: Message("Apple School Manager"),
    KeyKind.BUSINESS: Message("Apple Business Manager"),
}
STEPS: dict[SetupStep, StepText] = {
    SetupStep.SCHOOLS: StepText(
        Message("Schools"), Message("Enter their codes (UAI) and names, or the ministry's directory as a file."), "/town"
    ),
    SetupStep.ROSTER: StepText(
        Message("First roster"), Message("Import a school's list of pupils: ONDE, OneRoster or our own template."), "/rosters"
    ),
    SetupStep.HOURS: StepText(
        Message("Hours"), Message("Say when school begins and ends. Until then tablets stay in the strictest mode."), "/hours"
    ),
    SetupStep.BUNDLE: StepText(Message("First bundle of apps"), Message("Choose apps for a grade."), "/apps"),
    SetupStep.FIRST_TABLET: StepText(
        Message("First tablet"), Message("Scan a code with an iPad, and see it arrive."), "/start/tablet"
    ),
    SetupStep.COLLEAGUES: StepText(
        Message("A second administrator or a colleague"),
        Message("Invite somebody: some acts need two people, and you will have holidays."),
        "/accounts",
    ),
    SetupStep.PUSH_CERTIFICATE: StepText(
        Message("Apple's push certificate"),
        Message("Without it no real tablet is woken. Whoever operates the server asks Apple for it, in four steps."),
        "/system/push-certificate",
    ),
    SetupStep.APPLE_SCHOOL_MANAGER: StepText(
        Message("Apple School Manager"),
        Message("With it tablets enroll out of their boxes. Exchange a certificate and a token with school.apple.com."),
        "/apple-school-manager",
    ),
    SetupStep.APPS_AND_BOOKS: StepText(
        Message("Licences of Apps and Books"),
        Message("Download the content token at school.apple.com and add it on the page of licences (Apps)."),
        "/apps/licences",
    ),
    SetupStep.BACKUP: StepText(
        Message("Backup"),
        Message(
            "On the server: “cartable backup FILE”, each night and to another place. This is done when the last one is a week old at most."
        ),
        "",
    ),
}
ACTS: dict[TourAct, StepText] = {
    TourAct.LOSE_AND_FIND: StepText(
        Message("Lose a tablet and find it"),
        Message(
            "Open a tablet in use, report it lost, see it locked a moment later, then lift the lost mode: the family was called back."
        ),
        "/?state=in_use",
    ),
    TourAct.RETURN_AND_LEND: StepText(
        Message("Take a tablet back and lend it again"),
        Message("At the desk: scan or type the tag of a tablet on loan to take it back, then hand one over to a child."),
        "/desk",
    ),
    TourAct.GIVE_AN_APP: StepText(
        Message("Give an app to a grade"),
        Message("Choose apps for a grade, and see how many tablets it concerns before."),
        "/apps",
    ),
    TourAct.SWITCH_A_MODE: StepText(
        Message("Change a mode"),
        Message("Change the hours, or enter a day without school, and see what tablets will be."),
        "/hours",
    ),
    TourAct.IMPORT_A_ROSTER: StepText(
        Message("Import a roster"),
        Message("Export the list of a school, change a line, import it again: the preview shows what changes."),
        "/rosters",
    ),
}
OUTCOMES: dict[SchoolLineOutcome, Message] = {
    SchoolLineOutcome.CREATED: Message("created", context="school"),
    SchoolLineOutcome.UNCHANGED: Message("was there already", context="school"),
    SchoolLineOutcome.OF_ANOTHER_TOWN: Message("is a school of another town", context="school"),
    SchoolLineOutcome.INVALID_UAI: Message("the code (UAI) is wrong", context="school"),
    SchoolLineOutcome.INVALID_NAME: Message("the name is too long or unreadable", context="school"),
}
REFUSALS: dict[EnrollmentRefusal, Message] = {
    EnrollmentRefusal.ATTESTED_FOR_ANOTHER: Message("its key belongs to another device"),
    EnrollmentRefusal.CERTIFICATE_OF_ANOTHER: Message("its certificate belongs to another tablet"),
    EnrollmentRefusal.NO_INVITATION: Message("it has no invitation"),
    EnrollmentRefusal.INVITATION_WITHDRAWN: Message("the invitation was withdrawn"),
    EnrollmentRefusal.INVITATION_USED_UP: Message("the invitation was used up"),
    EnrollmentRefusal.TABLET_OF_ANOTHER_TOWN: Message("it is a tablet of another town"),
    EnrollmentRefusal.TABLET_RETIRED: Message("the tablet was retired"),
    EnrollmentRefusal.UDID_OF_ANOTHER: Message("another enrolled tablet has its device identifier (UDID)"),
    EnrollmentRefusal.SERIAL_ENROLLED: Message(
        "a tablet with its serial number is enrolled already: record its repair first if it has a new logic board"
    ),
    EnrollmentRefusal.SERIAL_NOT_EXPECTED: Message("its serial number was not expected"),
    EnrollmentRefusal.NOT_AN_IPAD: Message("it is no iPad"),
    EnrollmentRefusal.SYSTEM_TOO_OLD: Message("its system is too old"),
    EnrollmentRefusal.PROFILE_USED: Message("another device has used the same profile: scan the code again"),
    EnrollmentRefusal.PROFILE_EXPIRED: Message("the profile was too old: scan the code again"),
}
ADE_ALARMS: dict[AdeAlarm, Message] = {
    AdeAlarm.TERMS: Message(
        "Apple has new terms: an administrator accepts them at school.apple.com. Until then nothing is read."
    ),
    AdeAlarm.TOKEN_EXPIRED: Message(
        "The token has expired: download a new one from the same entry of the portal, and renew it here."
    ),
    AdeAlarm.TOKEN_REJECTED: Message(
        "Apple refuses the token: download a new one from the same entry of the portal, and renew it here."
    ),
    AdeAlarm.DENIED: Message("Apple denies access: see at school.apple.com whether the entry of this server still exists."),
    AdeAlarm.CLOCK: Message("The clock of this server is wrong: whoever operates it sets it (NTP)."),
    AdeAlarm.PROFILE: Message(
        "Apple refuses the enrollment profile. Look at the address, phone and mail of the town, then read the list again."
    ),
    AdeAlarm.OTHER_SERVER: Message(
        "The token belongs to another entry of the portal: nothing is read until it is replaced with a reason."
    ),
}
