"""Erases one tablet, within quotas and with a ticket, and sets the town's stop switch for destructive commands. Never commits.

Many tablets are erased in `bulk`, which requires an open return campaign. See docs/domain/custody.md#destructive-commands.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.repository import AdeRepository
from enrollment.tablets import lookup
from enrollment.tablets.cart_repository import CartRepository
from enrollment.tablets.errors import UnderEvidenceHold
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import is_command_open, send_command
from mdm.care.erasing.errors import DestructiveCommandsStopped, EraseQuotaReached
from mdm.care.erasing.repository import EraseRepository
from mdm.protocol.commands.security import EraseDevice
from mdm.protocol.machine_info import is_older_version
from mdm.queue.models import StopSwitch

#: Quotas of erases by one person and in one town.
PERSON_PER_HOUR, PERSON_PER_DAY, TOWN_PER_DAY = 5, 20, 50


def erase_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str, ticket: str) -> None:
    """Enqueue the erase of one tablet, within quotas. A second request while the first is open has no effect.

    Raises `UnderEvidenceHold`, `DestructiveCommandsStopped`, `EraseQuotaReached`, `TabletNotEnrolled`, `ReauthenticationRequired`.
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.DESTROY)
    actor.require_reauthentication()
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    if is_stopped(work, tablet.town_id):
        raise DestructiveCommandsStopped
    if is_command_open(work, tablet, EraseDevice()):
        return
    _check_quota(work, actor, tablet)
    audit.record_event(work, actor, "tablet.erase", "tablet", tablet.id, town_id=tablet.town_id, ticket=ticket)
    send_command(work, actor, tablet, _build_erase_command(work, tablet), reason=reason)


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


def is_stopped(work: UnitOfWork, town_id: UUID) -> bool:
    """Return whether the town's stop switch for destructive commands is on."""
    switch = EraseRepository(work.session).get_stop_switch(town_id)
    return switch is not None and switch.stopped_at is not None


def set_stop_switch(work: UnitOfWork, actor: Actor, town_id: UUID, reason: str, *, stopped: bool) -> StopSwitch:
    """Set the town's stop switch for destructive commands on or off. Returns it. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    locks.lock_town(work, town_id)
    row = EraseRepository(work.session).get_stop_switch(town_id)
    if row is None:
        row = StopSwitch(town_id=town_id)
        work.session.add(row)
        work.session.flush()
    audit.record_event(work, actor, "safety.stop" if stopped else "safety.resume", "town", town_id, town_id=town_id)
    row.stopped_at, row.stopped_by, row.reason = (work.now if stopped else None), actor.account_id, reason
    return row


def _check_quota(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    repository = EraseRepository(work.session)
    hour, day = work.now - timedelta(hours=1), work.now - timedelta(days=1)
    if actor.account_id is not None:
        if repository.count_erases(hour, actor_id=actor.account_id) >= PERSON_PER_HOUR:
            raise EraseQuotaReached(limit=f"{PERSON_PER_HOUR}/h")
        if repository.count_erases(day, actor_id=actor.account_id) >= PERSON_PER_DAY:
            raise EraseQuotaReached(limit=f"{PERSON_PER_DAY}/24h")
    if repository.count_erases(day, town_id=tablet.town_id) >= TOWN_PER_DAY:
        raise EraseQuotaReached(limit=f"{TOWN_PER_DAY}/24h")
