"""What people do to tablets: lost mode, sound, lock, refresh. Audited before each effect. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import Conflict
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets import incidents
from enrollment.tablets import service as tablets
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import IncidentKind, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import MISSING
from mdm.care.command_helpers import hold, is_ordered, open_case, reach, send
from mdm.care.errors import CallBackNeeded, LostNotConfirmed, ScanNeeded
from mdm.care.models import LostCase
from mdm.care.repository import CareRepository
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import (
    DeviceLock,
    DisableLostMode,
    EnableLostMode,
    PlayLostModeSound,
)
from mdm.queue.models import Lane
from mdm.queue.service import Timing
from mdm.reconcile import service as reconcile

MESSAGE = "Cette tablette appartient à la ville de {town}. Merci d'appeler ce numéro."


def mark_lost(
    work: UnitOfWork,
    actor: Actor,
    tablet_id: UUID,
    reason: str,
    *,
    message: str | None = None,
    phone: str | None = None,
    footnote: str | None = None,
    told: Account | None = None,
) -> LostCase:
    """Report a tablet lost and order lost mode. A second click finds the open case and orders nothing again."""
    tablet = hold(work, actor, tablet_id, Permission.CARE)
    case = CareRepository(work.session).open_case(tablet.id)
    if case is not None and case.lift_requested_at is None:
        return case
    if case is not None:
        raise Conflict(why="a lift is under way")
    town = work.session.get_one(Town, tablet.town_id)
    case = LostCase(
        town_id=tablet.town_id,
        school_id=tablet.school_id,
        tablet_id=tablet.id,
        reason=reason,
        message=message or MESSAGE.format(town=town.name),
        phone=phone or town.support_phone,
        footnote=footnote,
        requested_by=actor.account_id,
        requested_at=work.now,
    )
    work.session.add(case)
    work.session.flush()
    audit.record_event(work, actor, "tablet.mark_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    tablets.change_state(work, actor, tablet, TabletState.LOST, "reported lost")
    incidents.open_incident(work, actor, tablet, IncidentKind.LOSS, told or Account(reason))
    send(work, actor, tablet, _lost_mode(case), required=False)
    return case


def _lost_mode(case: LostCase) -> EnableLostMode:
    return EnableLostMode(message=case.message, phone_number=case.phone, footnote=case.footnote)


def lift(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str, *, called_back: bool = False) -> LostCase:
    """Ask for the end of lost mode from afar: only for a tablet found at home, and when the family was called back on a number
    that was known before (schools.md section 9). The case is closed when the tablet confirms.

    Raises `NotLost`, `CallBackNeeded`, `ScanNeeded` (a stolen tablet is held in hand first: `found`).
    """
    tablet = hold(work, actor, tablet_id, Permission.CARE)
    case = open_case(work, tablet)
    if tablet.state is TabletState.STOLEN:
        raise ScanNeeded
    if tablet.state is not TabletState.FOUND and not called_back:
        raise CallBackNeeded
    return lift_case(work, actor, tablet, case, reason)


def lift_case(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase, reason: str) -> LostCase:
    """Order the end of lost mode. Asked again, it only renews an order that came to nothing; who asked first, and why, stays."""
    if case.lift_requested_at is not None and is_ordered(work, tablet, DisableLostMode()):
        return case
    audit.record_event(work, actor, "tablet.lift_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    if case.lift_requested_at is None:
        case.lift_requested_by, case.lift_requested_at, case.lift_reason = actor.account_id, work.now, reason
    ordered = send(work, actor, tablet, DisableLostMode(), required=False)
    if not ordered:
        close(work, case, tablet)
    return case


def close(work: UnitOfWork, case: LostCase, tablet: Tablet) -> None:
    """The tablet has confirmed, or cannot be reached at all: the case is over."""
    case.lifted_at = work.now
    if tablet.state in MISSING:
        tablets.change_state(work, SYSTEM, tablet, TabletState.FOUND, "lost mode lifted")
    incident = TabletRepository(work.session).open_incident(tablet.id)
    if incident is not None and incident.kind is not IncidentKind.BREAKAGE:
        incidents.end(work, SYSTEM, incident)
    loan = TabletRepository(work.session).open_loan_of_tablet(tablet.id)
    if tablet.state is TabletState.FOUND and loan is not None:
        tablets.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "found, loan still open")


def lock(work: UnitOfWork, actor: Actor, tablet_id: UUID, message: str | None = None) -> None:
    """Switch the screen off. It blocks nothing on a tablet without passcode."""
    tablet = reach(work, actor, tablet_id, Permission.CARE)
    audit.record_event(work, actor, "tablet.lock", "tablet", tablet.id, town_id=tablet.town_id)
    send(work, actor, tablet, DeviceLock(message=message))


def play_sound(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """Let a lost tablet ring. Raises `NotLost`."""
    tablet = reach(work, actor, tablet_id, Permission.CARE)
    if open_case(work, tablet).confirmed_at is None:
        raise LostNotConfirmed
    audit.record_event(work, actor, "tablet.sound", "tablet", tablet.id, town_id=tablet.town_id)
    send(work, actor, tablet, PlayLostModeSound())


def refresh(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """Ask the tablet anew what it is and has."""
    tablet = reach(work, actor, tablet_id, Permission.CARE)
    audit.record_event(work, actor, "tablet.refresh", "tablet", tablet.id, town_id=tablet.town_id)
    reconcile.refresh(work, [tablet.id])


def after_enrolment(work: UnitOfWork, tablet_id: UUID) -> None:
    """A tablet that comes back while its case is open is locked again: an erase does not end a loss."""
    case = CareRepository(work.session).open_case(tablet_id)
    if case is not None and case.lift_requested_at is None:
        case.confirmed_at = None
        send(work, SYSTEM, work.session.get_one(Tablet, tablet_id), _lost_mode(case), required=False)


def verify_lost_mode(work: UnitOfWork, tablet_id: UUID) -> None:
    """Ask the tablet whether lost mode is on: a refused order proves neither."""
    order = DeviceInformation(queries=("IsMDMLostModeEnabled",))
    send(work, SYSTEM, work.session.get_one(Tablet, tablet_id), order, required=False, timing=Timing(lane=Lane.URGENT))
