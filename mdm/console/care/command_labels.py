"""Words for commands that people give: what each does, whether it reaches a tablet that is off, why a tablet gets none. Reads nothing."""

from __future__ import annotations

from cartable.i18n import Language, Message
from mdm.care.commands.bulk import BulkState
from mdm.care.commands.kinds import RULES, CommandKind
from mdm.care.commands.rules import Obstacle

KINDS: dict[CommandKind, Message] = {
    CommandKind.REFRESH: Message("Ask for news"),
    CommandKind.LOCK: Message("Lock the screen"),
    CommandKind.RESTART: Message("Restart"),
    CommandKind.SHUT_DOWN: Message("Shut down"),
    CommandKind.CLEAR_PASSCODE: Message("Clear the passcode"),
    CommandKind.CLEAR_SCREEN_TIME: Message("Clear the Screen Time passcode"),
    CommandKind.RENAME: Message("Rename"),
    CommandKind.WALLPAPER: Message("Set the wallpaper"),
    CommandKind.TIME_ZONE: Message("Set the time zone"),
    CommandKind.SOUND: Message("Play a sound"),
    CommandKind.INSTALL_APP: Message("Install an app again"),
}
CONSEQUENCES: dict[CommandKind, Message] = {
    CommandKind.REFRESH: Message("The tablet tells its system, battery, rules and apps again. Nobody notices."),
    CommandKind.LOCK: Message(
        "The screen goes off. Where a passcode is set, your message is shown until it is entered; without a passcode anybody opens the "
        "tablet again: only lost mode blocks it."
    ),
    CommandKind.RESTART: Message(
        "What is open is closed. With a passcode the tablet may stay off the Wi-Fi until somebody enters it: better not during a lesson."
    ),
    CommandKind.SHUT_DOWN: Message("What is open is closed. Nobody can switch it on from here: somebody must press its button."),
    CommandKind.CLEAR_PASSCODE: Message(
        "The passcode is gone, everything else stays. Whoever holds the tablet can open it. Where the rules ask for a passcode, a new one "
        "must be chosen within an hour."
    ),
    CommandKind.CLEAR_SCREEN_TIME: Message(
        "The passcode of Screen Time and the limits set there are gone. The town's rules stay."
    ),
    CommandKind.RENAME: Message("The name that the tablet shows to others around it. It holds no name of a child."),
    CommandKind.WALLPAPER: Message(
        "The picture replaces the one that is there. The child may change it where the rules allow it."
    ),
    CommandKind.TIME_ZONE: Message(
        "The clock shows the time of this zone. Tablets whose rules set date and time by themselves refuse."
    ),
    CommandKind.INSTALL_APP: Message(
        "The app is installed again where it was deleted or has failed, and brought up to date where it is."
    ),
    CommandKind.SOUND: Message("It rings until somebody silences it. Only in lost mode that the tablet has confirmed."),
}
OBSTACLES: dict[Obstacle, Message] = {
    Obstacle.NOT_ENROLLED: Message("not enrolled, or erased: no command can be sent"),
    Obstacle.MISSING: Message("lost or stolen: only lost mode speaks to it"),
    Obstacle.NOT_LOST: Message("not in lost mode"),
    Obstacle.NOT_SUPERVISED: Message("not supervised: it would refuse"),
    Obstacle.OLD_SYSTEM: Message("its system is too old for this command"),
    Obstacle.NO_UNLOCK_TOKEN: Message("it has sent no unlock token: enrol it again"),
    Obstacle.APP_DECLARED: Message(
        "its apps come by declaration, which keeps them installed; one that has failed can be tried again on its page"
    ),
    Obstacle.APP_NOT_DUE: Message("its rules do not ask for this app, or it waits for it already"),
    Obstacle.ALREADY_WAITING: Message("the same command waits for it already"),
}
BULK_STATES: dict[BulkState, Message] = {
    BulkState.WAITING_APPROVAL: Message("waits for a second person"),
    BulkState.RUNNING: Message("under way"),
    BulkState.ENDED: Message("ended", context="bulk command"),
    BulkState.CANCELLED: Message("cancelled", context="command"),
}


def describe_delay(kind: CommandKind, language: Language) -> str:
    """Return what becomes of the command for a tablet that is off."""
    days = RULES[kind].command_type.timeout.days
    return language.ngettext(
        "A tablet that is off gets it at its next contact, if that is within {count} day; else it expires.",
        "A tablet that is off gets it at its next contact, if that is within {count} days; else it expires.",
        days,
    )
