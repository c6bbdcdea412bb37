"""Erases one tablet, within the budget and with a ticket. Never commits.

Many tablets are erased in `bulk`, which requires an open return campaign. See docs/domain/custody.md#destructive-commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.repository import AdeRepository
from enrollment.safeguards import budget, stop_switch
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets import lookup
from enrollment.tablets.cart_repository import CartRepository
from enrollment.tablets.errors import UnderEvidenceHold
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import is_command_open, send_command
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.security import EraseDevice
from mdm.protocol.machine_info import is_older_version
from mdm.queue import service as queue
from mdm.queue.models import CommandState


@dataclass(frozen=True, slots=True)
class EraseProgress:
    """An erase that was requested. `confirmed_at`: when the tablet reported that it erases itself; without it nothing is erased yet."""

    command_id: int
    state: CommandState
    requested_at: datetime
    confirmed_at: datetime | None


def erase_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str, ticket: str) -> None:
    """Enqueue the erase of one tablet, within the budget. A second request while the first is open has no effect.

    Raises `UnderEvidenceHold`, `DestructiveCommandsStopped`, `BudgetUsedUp`, `TabletNotEnrolled`, `ReauthenticationRequired`.
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.DESTROY)
    actor.require_reauthentication()
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    stop_switch.check_not_stopped(work, tablet.town_id, actor)
    if is_command_open(work, tablet, EraseDevice()):
        return
    budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.ERASE)
    audit.record_event(work, actor, "tablet.erase", "tablet", tablet.id, town_id=tablet.town_id, ticket=ticket)
    send_command(work, actor, tablet, _build_erase_command(work, tablet), reason=reason)


def get_erase_progress(work: UnitOfWork, tablet_id: UUID) -> EraseProgress | None:
    """Return what became of the newest erase of a tablet in its present enrollment; None when none was requested."""
    latest = DeviceRepository(work.session).get_latest_enrollment(tablet_id)
    if latest is None:
        return None
    enrollment = latest[0]
    command = queue.get_last_command(work, enrollment.id, EraseDevice())
    if command is None or command.generation != enrollment.generation:
        return None
    return EraseProgress(command.id, command.state, command.created_at, enrollment.erased_at)


def _build_erase_command(work: UnitOfWork, tablet: Tablet) -> EraseDevice:
    """Return the erase command. A tablet of a cart returns to service without a person, if Wi-Fi can be provided for it and Apple
    assigns it to this server; any other one waits in the Setup Assistant.
    """
    wifi, system = work.settings.wifi_profile, tablet.os_version
    if (
        wifi is None
        or system is None
        or is_older_version(system, "17.0")
        or not CartRepository(work.session).is_in_cart(tablet.id)
    ):
        return EraseDevice()
    if AdeRepository(work.session).get_device_by_tablet(tablet) is None:
        return EraseDevice()
    return EraseDevice(return_to_service={"Enabled": True, "WiFiProfileData": wifi.read_bytes()})
