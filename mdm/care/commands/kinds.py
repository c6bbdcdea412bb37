"""The kinds of commands that people give to tablets, and what each needs. Pure: no database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mdm.protocol.commands.actions import SettingsCommand
from mdm.protocol.commands.apps import InstallApplication
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import (
    ClearPasscode,
    ClearRestrictionsPassword,
    DeviceLock,
    PlayLostModeSound,
    RestartDevice,
    ShutDownDevice,
)


class CommandKind(StrEnum):
    """A kind of command that a person gives to tablets."""

    REFRESH = "refresh"
    LOCK = "lock"
    RESTART = "restart"
    SHUT_DOWN = "shut_down"
    CLEAR_PASSCODE = "clear_passcode"
    CLEAR_SCREEN_TIME = "clear_screen_time"
    RENAME = "rename"
    WALLPAPER = "wallpaper"
    TIME_ZONE = "time_zone"
    SOUND = "sound"
    INSTALL_APP = "install_app"


@dataclass(frozen=True, slots=True)
class KindRule:
    """What a kind needs.

    `command_type`: the command whose result counts. `interrupts`: the person at the tablet is interrupted, so many at once need a second
    person, and the stop switch stops them. `needs_password`: the password once more. `for_missing`: a lost or stolen tablet gets it too.
    `minimum_os`: where the command itself says less than what is sent in it.
    """

    command_type: type[Command]
    interrupts: bool = False
    needs_password: bool = False
    for_missing: bool = False
    supervised_only: bool = False
    minimum_os: str = "4.0"


RULES: dict[CommandKind, KindRule] = {
    CommandKind.REFRESH: KindRule(DeviceInformation, for_missing=True),
    CommandKind.LOCK: KindRule(DeviceLock, interrupts=True),
    CommandKind.RESTART: KindRule(RestartDevice, interrupts=True, supervised_only=True, minimum_os="10.3"),
    CommandKind.SHUT_DOWN: KindRule(ShutDownDevice, interrupts=True, supervised_only=True, minimum_os="10.3"),
    CommandKind.CLEAR_PASSCODE: KindRule(ClearPasscode, interrupts=True, needs_password=True),
    CommandKind.CLEAR_SCREEN_TIME: KindRule(
        ClearRestrictionsPassword, needs_password=True, supervised_only=True, minimum_os="8.0"
    ),
    CommandKind.RENAME: KindRule(SettingsCommand, supervised_only=True, minimum_os="5.0"),
    CommandKind.WALLPAPER: KindRule(SettingsCommand, supervised_only=True, minimum_os="8.0"),
    CommandKind.TIME_ZONE: KindRule(SettingsCommand, supervised_only=True, minimum_os="14.0"),
    CommandKind.SOUND: KindRule(PlayLostModeSound, for_missing=True, supervised_only=True, minimum_os="10.3"),
    CommandKind.INSTALL_APP: KindRule(InstallApplication, minimum_os="5.0"),
}
