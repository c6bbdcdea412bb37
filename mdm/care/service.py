"""What people do to tablets: lost mode, position, lock, refresh, erase. Audited before each effect. Never commits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from mdm.care.errors import LostNotConfirmed, NotEnrolled, NotLost, OnHold, OwnRequest, PositionUnknown, QuotaReached, Stopped
from mdm.care.models import LostCase, PositionRequest
from mdm.care.repository import CareRepository
from mdm.kit import audit
from mdm.kit.errors import Conflict
from mdm.kit.scope import SYSTEM, Actor, Permission
from mdm.kit.work import Work
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import (
    DeviceLocation,
    DeviceLock,
    DisableLostMode,
    EnableLostMode,
    EraseDevice,
    PlayLostModeSound,
)
from mdm.queue import service as queue
from mdm.queue.models import Lane, SafetySwitch
from mdm.queue.repository import QueueRepository
from mdm.queue.service import Timing
from mdm.reconcile import service as reconcile
from mdm.reconcile.repository import ReconcileRepository

MESSAGE = "Cette tablette appartient à la ville de {town}. Merci d'appeler ce numéro."
POSITION_LIFE = timedelta(hours=72)
KEEP_POSITION = timedelta(days=7)
PER_HOUR, PER_DAY, TOWN_PER_DAY = 5, 20, 50


def mark_lost(
    work: Work,
    actor: Actor,
    tablet_id: UUID,
    reason: str,
    *,
    message: str | None = None,
    phone: str | None = None,
    footnote: str | None = None,
) -> LostCase:
    """Report a tablet lost and order lost mode. A second click finds the open case and orders nothing again."""
    tablet = _held(work, actor, tablet_id, Permission.CARE)
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
    audit.record(work, actor, "tablet.mark_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    tablets.change_state(work, actor, tablet, TabletState.LOST, "reported lost")
    _order(work, actor, tablet, _lost_mode(case), required=False)
    return case


def _lost_mode(case: LostCase) -> EnableLostMode:
    return EnableLostMode(message=case.message, phone_number=case.phone, footnote=case.footnote)


def lift(work: Work, actor: Actor, tablet_id: UUID, reason: str) -> LostCase:
    """Ask for the end of lost mode. The case is closed when the tablet confirms. Raises `NotLost`.

    Asked again, it only renews an order that came to nothing; who asked first, and why, stays.
    """
    tablet = _held(work, actor, tablet_id, Permission.CARE)
    case = _open_case(work, tablet)
    if case.lift_requested_at is not None and _is_ordered(work, tablet, DisableLostMode()):
        return case
    audit.record(work, actor, "tablet.lift_lost", "tablet", tablet.id, town_id=tablet.town_id, case_id=str(case.id))
    if case.lift_requested_at is None:
        case.lift_requested_by, case.lift_requested_at, case.lift_reason = actor.account_id, work.now, reason
    ordered = _order(work, actor, tablet, DisableLostMode(), required=False)
    if not ordered:
        close(work, case, tablet)
    return case


def close(work: Work, case: LostCase, tablet: Tablet) -> None:
    """The tablet has confirmed, or cannot be reached at all: the case is over."""
    case.lifted_at = work.now
    if tablet.state is TabletState.LOST:
        tablets.change_state(work, SYSTEM, tablet, TabletState.FOUND, "lost mode lifted")
    loan = TabletRepository(work.session).open_loan_of_tablet(tablet.id)
    if tablet.state is TabletState.FOUND and loan is not None:
        tablets.change_state(work, SYSTEM, tablet, TabletState.IN_USE, "found, loan still open")


def ask_position(work: Work, actor: Actor, tablet_id: UUID, reason: str) -> PositionRequest:
    """Ask for one fix of a lost tablet; another person approves (schools.md section 9.4).

    Raises `NotLost`, `LostNotConfirmed`.
    """
    tablet = _held(work, actor, tablet_id, Permission.LOCATE)
    case = _open_case(work, tablet)
    if case.confirmed_at is None:
        raise LostNotConfirmed
    if case.lift_requested_at is not None:
        raise NotLost
    waiting = CareRepository(work.session).open_requests(case.id)
    if waiting and waiting[-1].expires_at > work.now:
        return waiting[-1]
    request = PositionRequest(
        town_id=tablet.town_id,
        case_id=case.id,
        reason=reason,
        requested_by=actor.account_id,
        requested_at=work.now,
        expires_at=work.now + POSITION_LIFE,
    )
    work.session.add(request)
    work.session.flush()
    audit.record(work, actor, "position.ask", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id))
    return request


def approve_position(work: Work, actor: Actor, request_id: UUID) -> PositionRequest:
    """Let one fix be asked. Raises `OwnRequest`, `PositionUnknown`, `NotLost`."""
    request, case = _request(work, actor, request_id)
    actor.require(Permission.GOVERN, case.town_id, case.school_id)
    if request.requested_by == actor.account_id:
        raise OwnRequest
    audit.hold(work, case.town_id)
    work.session.refresh(request)
    tablet = work.session.get_one(Tablet, case.tablet_id)
    if case.lifted_at is not None or case.lift_requested_at is not None or request.expires_at <= work.now:
        raise NotLost
    if request.approved_at is None:
        audit.record(work, actor, "position.approve", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id))
        request.approved_by, request.approved_at = actor.account_id, work.now
        until = Timing(deadline=request.expires_at)
        _order(work, actor, tablet, DeviceLocation(), reason="approved position request", timing=until)
    return request


def read_position(work: Work, actor: Actor, request_id: UUID) -> PositionRequest:
    """Read a request and its answer; the reading of a position is audited."""
    request, case = _request(work, actor, request_id)
    actor.require(Permission.LOCATE, case.town_id, case.school_id)
    if request.position is not None:
        audit.record(work, actor, "position.read", "position_request", request.id, town_id=request.town_id)
    return request


def open_positions(work: Work, actor: Actor, limit: int = 100) -> list[PositionRequest]:
    """The requests in the actor's reach that still wait, for an approval or for the tablet. Never with a position."""
    return CareRepository(work.session).listed_requests(actor, work.now, limit)


def lock(work: Work, actor: Actor, tablet_id: UUID, message: str | None = None) -> None:
    """Switch the screen off. It blocks nothing on a tablet without passcode."""
    tablet = _tablet(work, actor, tablet_id, Permission.CARE)
    audit.record(work, actor, "tablet.lock", "tablet", tablet.id, town_id=tablet.town_id)
    _order(work, actor, tablet, DeviceLock(message=message))


def play_sound(work: Work, actor: Actor, tablet_id: UUID) -> None:
    """Let a lost tablet ring. Raises `NotLost`."""
    tablet = _tablet(work, actor, tablet_id, Permission.CARE)
    if _open_case(work, tablet).confirmed_at is None:
        raise LostNotConfirmed
    audit.record(work, actor, "tablet.sound", "tablet", tablet.id, town_id=tablet.town_id)
    _order(work, actor, tablet, PlayLostModeSound())


def refresh(work: Work, actor: Actor, tablet_id: UUID) -> None:
    """Ask the tablet anew what it is and has."""
    tablet = _tablet(work, actor, tablet_id, Permission.CARE)
    audit.record(work, actor, "tablet.refresh", "tablet", tablet.id, town_id=tablet.town_id)
    reconcile.refresh(work, [tablet.id])


def erase(work: Work, actor: Actor, tablet_id: UUID, reason: str, ticket: str) -> None:
    """Erase one tablet, within quotas (schools.md section 20). A second click on a waiting order costs nothing.

    Raises `OnHold`, `Stopped`, `QuotaReached`, `NotEnrolled`.
    """
    tablet = _held(work, actor, tablet_id, Permission.DESTROY)
    repository = CareRepository(work.session)
    if tablet.evidence_hold:
        raise OnHold
    switch = repository.switch(tablet.town_id)
    if switch is not None and switch.stopped_at is not None:
        raise Stopped
    if _is_ordered(work, tablet, EraseDevice()):
        return
    _check_quota(work, actor, tablet)
    audit.record(work, actor, "tablet.erase", "tablet", tablet.id, town_id=tablet.town_id, ticket=ticket)
    _order(work, actor, tablet, EraseDevice(), reason=reason)


def _check_quota(work: Work, actor: Actor, tablet: Tablet) -> None:
    repository = CareRepository(work.session)
    hour, day = work.now - timedelta(hours=1), work.now - timedelta(days=1)
    if actor.account_id is not None:
        if repository.erases(hour, actor_id=actor.account_id) >= PER_HOUR:
            raise QuotaReached(limit=f"{PER_HOUR}/h")
        if repository.erases(day, actor_id=actor.account_id) >= PER_DAY:
            raise QuotaReached(limit=f"{PER_DAY}/24h")
    if repository.erases(day, town_id=tablet.town_id) >= TOWN_PER_DAY:
        raise QuotaReached(limit=f"{TOWN_PER_DAY}/24h")


def set_stop(work: Work, actor: Actor, town_id: UUID, reason: str, *, stopped: bool) -> SafetySwitch:
    """Throw or release the town's stop switch for destructive commands."""
    actor.require(Permission.GOVERN, town_id)
    audit.hold(work, town_id)
    row = CareRepository(work.session).switch(town_id)
    if row is None:
        row = SafetySwitch(town_id=town_id)
        work.session.add(row)
        work.session.flush()
    audit.record(work, actor, "safety.stop" if stopped else "safety.resume", "town", town_id, town_id=town_id)
    row.stopped_at, row.stopped_by, row.reason = (work.now if stopped else None), actor.account_id, reason
    return row


def after_enrolment(work: Work, tablet_id: UUID) -> None:
    """A tablet that comes back while its case is open is locked again: an erase does not end a loss."""
    case = CareRepository(work.session).open_case(tablet_id)
    if case is not None and case.lift_requested_at is None:
        case.confirmed_at = None
        _order(work, SYSTEM, work.session.get_one(Tablet, tablet_id), _lost_mode(case), required=False)


def verify_lost_mode(work: Work, tablet_id: UUID) -> None:
    """Ask the tablet whether lost mode is on: a refused order proves neither."""
    order = DeviceInformation(queries=("IsMDMLostModeEnabled",))
    _order(work, SYSTEM, work.session.get_one(Tablet, tablet_id), order, required=False, timing=Timing(lane=Lane.URGENT))


def purge(work: Work) -> None:
    """Positions are kept for seven days after a case is closed (PRIV-07)."""
    CareRepository(work.session).purge_positions(work.now - KEEP_POSITION, work.now - POSITION_LIFE - KEEP_POSITION)


def _tablet(work: Work, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    tablet = tablets.get(work, actor, tablet_id)
    actor.require(permission, tablet.town_id, tablet.school_id)
    return tablet


def _held(work: Work, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """The tablet as it is now, with every other act of care in its town waiting: two clicks see each other."""
    tablet = _tablet(work, actor, tablet_id, permission)
    audit.hold(work, tablet.town_id)
    work.session.refresh(tablet)
    return tablet


def _request(work: Work, actor: Actor, request_id: UUID) -> tuple[PositionRequest, LostCase]:
    found = CareRepository(work.session).request(actor, request_id)
    if found is None:
        raise PositionUnknown
    return found[0], found[1]


def _is_ordered(work: Work, tablet: Tablet, order: Order) -> bool:
    """Whether an equal order is under way."""
    channel = ReconcileRepository(work.session).enrolled([tablet.id]).get(tablet.id)
    return channel is not None and order.dedupe_key() in QueueRepository(work.session).open_types(channel.id)


def _open_case(work: Work, tablet: Tablet) -> LostCase:
    case = CareRepository(work.session).open_case(tablet.id)
    if case is None:
        raise NotLost
    return case


def _order(
    work: Work,
    actor: Actor,
    tablet: Tablet,
    order: Order,
    *,
    reason: str | None = None,
    required: bool = True,
    timing: Timing | None = None,
) -> bool:
    """Enqueue for the tablet's device channel. Returns False, or raises `NotEnrolled`, when it has none."""
    channel = ReconcileRepository(work.session).enrolled([tablet.id]).get(tablet.id)
    if channel is None:
        if required:
            raise NotEnrolled
        return False
    queue.enqueue(work, actor, order, [channel.id], reason=reason, timing=timing)
    return True
