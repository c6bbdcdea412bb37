"""Services for one tablet: mark it lost, lift lost mode, play a sound, lock the screen, refresh. Audited first. Never commits.

See docs/domain/custody.md#loss.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Conflict
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets import incidents, lookup
from enrollment.tablets import service as tablets
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import IncidentKind, Tablet, TabletState
from enrollment.tablets.rules import MISSING
from mdm.care.command_helpers import is_command_open, send_command
from mdm.care.errors import TabletNotEnrolled
from mdm.care.lost_mode import attempts
from mdm.care.lost_mode.errors import CallBackRequired, LostNotConfirmed, ScanRequired, TabletNotLost
from mdm.care.lost_mode.models import LostCase, LostCaseOrigin
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.devices.service import get_enrolled_channel
from mdm.protocol.commands.security import (
    DisableLostMode,
    PlayLostModeSound,
)

#: So many losses in so short a time raise an alarm.
MANY_LOSSES, LOSSES_WATCHED = 10, timedelta(hours=1)
DEFAULT_MESSAGE = "Cette tablette appartient à la ville de {town}. Merci d'appeler ce numéro."


def mark_lost(
    work: UnitOfWork,
    actor: Actor,
    tablet_id: UUID,
    reason: str,
    *,
    message: str | None = None,
    phone: str | None = None,
    footnote: str | None = None,
    incident_report: IncidentReport | None = None,
) -> LostCase:
    """Open a lost case and enqueue lost mode. Returns the case that is open already, if there is one.

    Raises `Conflict` while a lift is pending.
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    case = LostModeRepository(work.session).get_open_case(tablet.id)
    if case is not None and case.lift_requested_at is not None:
        raise Conflict(why="a lift is under way")
    if case is not None and case.origin is LostCaseOrigin.REPORTED:
        return case
    town = work.session.get_one(Town, tablet.town_id)
    if case is None:
        case = LostCase(town_id=tablet.town_id, school_id=tablet.school_id, tablet_id=tablet.id)
        work.session.add(case)
    # A case of a tablet that was found in lost mode becomes the reported loss.
    case.origin, case.reason = LostCaseOrigin.REPORTED, reason
    case.message, case.phone = message or _get_lost_message(town), phone or town.support_phone
    case.footnote, case.requested_by, case.requested_at = footnote, actor.account_id, work.now
    work.session.flush()
    audit.record_event(work, actor, "tablet.mark_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    tablets.change_state(work, actor, tablet, TabletState.LOST, "reported lost")
    incidents.open_incident(work, actor, tablet, IncidentKind.LOSS, incident_report or IncidentReport(reason))
    attempts.send_lost_mode(work, actor, tablet, case)
    _watch_losses(work, actor, tablet.town_id)
    return case


def _watch_losses(work: UnitOfWork, actor: Actor, town_id: UUID) -> None:
    """Raise an alarm when many tablets are marked lost within an hour: each of them is locked. None is refused: a cart may be stolen."""
    count = LostModeRepository(work.session).count_reported_since(town_id, work.now - LOSSES_WATCHED)
    if count >= MANY_LOSSES:
        raise_alarm(work, town_id, AlarmKind.MANY_MARKED_LOST, actor=actor, repeat_after=LOSSES_WATCHED, tablets=count)


def open_case_found_on_tablet(work: UnitOfWork, tablet: Tablet) -> LostCase:
    """Open a case for a tablet that reports lost mode although nobody reported a loss, as after a database was restored.

    The tablet's state stays: people decide whether it is lost or lost mode is lifted.
    """
    town = work.session.get_one(Town, tablet.town_id)
    case = LostCase(
        town_id=tablet.town_id,
        school_id=tablet.school_id,
        tablet_id=tablet.id,
        reason="found in lost mode without a report",
        message=_get_lost_message(town),
        phone=town.support_phone,
        requested_at=work.now,
        confirmed_at=work.now,
        origin=LostCaseOrigin.FOUND_ON_TABLET,
    )
    work.session.add(case)
    work.session.flush()
    audit.record_event(work, SYSTEM, "tablet.found_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    return case


def _get_lost_message(town: Town) -> str:
    return town.lost_message or DEFAULT_MESSAGE.format(town=town.name)


def get_open_case(work: UnitOfWork, tablet: Tablet) -> LostCase:
    """Return the open case of a lost tablet. Raises `TabletNotLost`."""
    case = LostModeRepository(work.session).get_open_case(tablet.id)
    if case is None:
        raise TabletNotLost
    return case


def request_lift(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str, *, called_back: bool = False) -> LostCase:
    """Request the end of lost mode without the tablet in hand. The case is closed when the tablet confirms.

    The family must have been called back on a number that was known before. Raises `TabletNotLost`, `CallBackRequired`, and
    `ScanRequired` for a stolen tablet, which must be scanned first (`enrollment.tablets.recovery`).
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    case = get_open_case(work, tablet)
    if tablet.state is TabletState.STOLEN:
        raise ScanRequired
    if tablet.state is not TabletState.FOUND and not called_back:
        raise CallBackRequired
    if case.lift_requested_at is None:
        budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.LIFT)
    return lift_case(work, actor, tablet, case, reason)


def lift_case(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase, reason: str) -> LostCase:
    """Enqueue the end of lost mode, again if the last command failed. The first requester and reason are kept."""
    if case.lift_requested_at is not None and is_command_open(work, tablet, DisableLostMode()):
        return case
    audit.record_event(work, actor, "tablet.lift_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    if case.lift_requested_at is None:
        case.lift_requested_by, case.lift_requested_at, case.lift_reason = actor.account_id, work.now, reason
    case.attempts, case.problem = 0, None
    if not attempts.send_lift(work, actor, tablet, case):
        close_case(work, case, tablet)
    return case


def close_case(work: UnitOfWork, case: LostCase, tablet: Tablet) -> None:
    """Close a case after the tablet has confirmed the lift, or when it has no enrollment: end the incident, change the state."""
    case.lifted_at, case.problem, case.next_attempt_at = work.now, None, None
    if tablet.state in MISSING:
        tablets.change_state(work, SYSTEM, tablet, TabletState.FOUND, "lost mode lifted")
    incident = IncidentRepository(work.session).get_open_incident(tablet.id)
    if incident is not None and incident.kind is not IncidentKind.BREAKAGE:
        incidents.close_incident(work, SYSTEM, incident)
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    if tablet.state is TabletState.FOUND and loan is not None:
        tablets.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "found, loan still open")


def play_sound(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """Enqueue the lost mode sound. Raises `TabletNotLost`, `LostNotConfirmed`."""
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    if get_open_case(work, tablet).confirmed_at is None:
        raise LostNotConfirmed
    audit.record_event(work, actor, "tablet.sound", "tablet", tablet.id, town_id=tablet.town_id)
    send_command(work, actor, tablet, PlayLostModeSound())


def reapply_lost_mode(work: UnitOfWork, tablet_id: UUID) -> None:
    """Enqueue lost mode again for a tablet that enrolled anew with an open case: an erase does not end a loss."""
    case = LostModeRepository(work.session).lock_open_case(tablet_id)
    if case is not None and case.lift_requested_at is None:
        case.confirmed_at = None
        attempts.send_lost_mode(work, SYSTEM, work.session.get_one(Tablet, tablet_id), case)


def retry_lost_mode(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> LostCase:
    """Send the refused command of a lost case again now, with all waits before it. Raises `TabletNotLost`, `TabletNotEnrolled`."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
    case = get_open_case(work, tablet)
    audit.record_event(work, actor, "tablet.retry_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    if get_enrolled_channel(work, tablet.id) is None:
        raise TabletNotEnrolled
    attempts.retry_case(work, actor, tablet, case)
    return case
