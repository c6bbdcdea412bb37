"""Acts that cannot be undone: erase, with quotas and a ticket, and the town's stop switch (schools.md section 20). Never commits.

One tablet at a time. An act in bulk would ask `enrollment.rollover.returns.may_be_wiped_in_bulk` first: outside an open return
campaign it is refused.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.repository import AssignmentRepository
from enrollment.tablets.cart_repository import CartRepository
from enrollment.tablets.errors import OnHold
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import hold, is_ordered, send
from mdm.care.errors import QuotaReached, Stopped
from mdm.care.repository import CareRepository
from mdm.protocol.commands.security import EraseDevice
from mdm.protocol.machine_info import is_older
from mdm.queue.models import SafetySwitch

PER_HOUR, PER_DAY, TOWN_PER_DAY = 5, 20, 50


def erase(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str, ticket: str) -> None:
    """Erase one tablet, within quotas (schools.md section 20). A second click on a waiting order costs nothing.

    Raises `OnHold`, `Stopped`, `QuotaReached`, `NotEnrolled`.
    """
    tablet = hold(work, actor, tablet_id, Permission.DESTROY)
    if tablet.evidence_hold:
        raise OnHold
    if is_stopped(work, tablet.town_id):
        raise Stopped
    if is_ordered(work, tablet, EraseDevice()):
        return
    _check_quota(work, actor, tablet)
    audit.record_event(work, actor, "tablet.erase", "tablet", tablet.id, town_id=tablet.town_id, ticket=ticket)
    send(work, actor, tablet, _erase_of(work, tablet), reason=reason)


def _erase_of(work: UnitOfWork, tablet: Tablet) -> EraseDevice:
    """A cart's tablet comes back by itself, unattended, where the school's Wi-Fi can be given to it and Apple sends it here
    (commands.md, ReturnToService); every other one waits in the Setup Assistant.
    """
    wifi, system = work.settings.wifi_profile, tablet.os_version
    if wifi is None or system is None or is_older(system, "17.0") or not CartRepository(work.session).holds(tablet.id):
        return EraseDevice()
    if AssignmentRepository(work.session).of_tablet(tablet) is None:
        return EraseDevice()
    return EraseDevice(return_to_service={"Enabled": True, "WiFiProfileData": wifi.read_bytes()})


def is_stopped(work: UnitOfWork, town_id: UUID) -> bool:
    """Whether the town's stop switch for destructive commands is thrown."""
    switch = CareRepository(work.session).switch(town_id)
    return switch is not None and switch.stopped_at is not None


def set_stop(work: UnitOfWork, actor: Actor, town_id: UUID, reason: str, *, stopped: bool) -> SafetySwitch:
    """Throw or release the town's stop switch for destructive commands."""
    actor.require_permission(Permission.GOVERN, town_id)
    locks.lock_town(work, town_id)
    row = CareRepository(work.session).switch(town_id)
    if row is None:
        row = SafetySwitch(town_id=town_id)
        work.session.add(row)
        work.session.flush()
    audit.record_event(work, actor, "safety.stop" if stopped else "safety.resume", "town", town_id, town_id=town_id)
    row.stopped_at, row.stopped_by, row.reason = (work.now if stopped else None), actor.account_id, reason
    return row


def _check_quota(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    repository = CareRepository(work.session)
    hour, day = work.now - timedelta(hours=1), work.now - timedelta(days=1)
    if actor.account_id is not None:
        if repository.erases(hour, actor_id=actor.account_id) >= PER_HOUR:
            raise QuotaReached(limit=f"{PER_HOUR}/h")
        if repository.erases(day, actor_id=actor.account_id) >= PER_DAY:
            raise QuotaReached(limit=f"{PER_DAY}/24h")
    if repository.erases(day, town_id=tablet.town_id) >= TOWN_PER_DAY:
        raise QuotaReached(limit=f"{TOWN_PER_DAY}/24h")
