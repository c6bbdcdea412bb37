"""Who can receive a command, why not, and how many need a second person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from enrollment.tablets.models import TabletState
from enrollment.tablets.rules import MISSING
from mdm.care.commands.kinds import RULES, CommandKind
from mdm.protocol.machine_info import is_older_version

#: More tablets than this are interrupted only when a second person agrees: about two classes.
MAX_INTERRUPTED_ALONE = 60
#: Up to a class, a command keeps its own urgency; more go in the background lane, behind what single tablets wait for.
MAX_IN_OWN_LANE = 40
MAX_TABLETS = 5000
#: A tablet that was not in contact for this time is called off: the command reaches it at its next contact.
OFF_AFTER = timedelta(hours=24)


class Obstacle(StrEnum):
    """Why a tablet does not get a command."""

    NOT_ENROLLED = "not_enrolled"
    MISSING = "missing"  # lost or stolen: it gets the commands of lost mode only
    NOT_LOST = "not_lost"  # a sound plays in confirmed lost mode only
    NOT_SUPERVISED = "not_supervised"
    OLD_SYSTEM = "old_system"
    NO_UNLOCK_TOKEN = "no_unlock_token"  # noqa: S105 - a reason
    APP_DECLARED = "app_declared"  # its apps come by declaration: it refuses commands about them
    APP_NOT_DUE = "app_not_due"  # its rules do not want the app, or it waits for it already
    ALREADY_WAITING = "already_waiting"  # an equal command waits for it


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """A tablet and what decides whether it can receive a command."""

    tablet_id: UUID
    town_id: UUID
    school_id: UUID | None
    tag: str
    serial: str
    state: TabletState
    supervised: bool | None
    os_version: str | None
    enrollment_id: int | None
    has_unlock_token: bool
    in_lost_mode: bool
    last_seen_at: datetime | None
    proves_declarations: bool = False
    is_app_due: bool = True

    def is_off(self, now: datetime) -> bool:
        """Return whether the tablet has not been in contact lately."""
        return self.last_seen_at is None or self.last_seen_at < now - OFF_AFTER


def find_obstacle(target: CommandTarget, kind: CommandKind, *, has_declared_apps: bool) -> Obstacle | None:
    """Return why a tablet cannot receive a command of this kind; None when it can. What a tablet has not reported is no obstacle.

    `has_declared_apps`: whether its apps come by declaration.
    """
    rule = RULES[kind]
    is_blocked = {
        Obstacle.NOT_ENROLLED: target.enrollment_id is None,
        Obstacle.MISSING: target.state in MISSING and not rule.for_missing,
        Obstacle.NOT_LOST: kind is CommandKind.SOUND and not target.in_lost_mode,
        Obstacle.NOT_SUPERVISED: rule.supervised_only and target.supervised is False,
        Obstacle.OLD_SYSTEM: target.os_version is not None and is_older_version(target.os_version, rule.minimum_os),
        Obstacle.APP_DECLARED: kind is CommandKind.INSTALL_APP and has_declared_apps,
        Obstacle.APP_NOT_DUE: not target.is_app_due,
        Obstacle.NO_UNLOCK_TOKEN: kind is CommandKind.CLEAR_PASSCODE and not target.has_unlock_token,
    }
    return next((obstacle for obstacle, blocked in is_blocked.items() if blocked), None)


def needs_second_person(kind: CommandKind, count: int) -> bool:
    """Return whether so many tablets get a command of this kind only when a second person agrees."""
    return RULES[kind].interrupts and count > MAX_INTERRUPTED_ALONE
