"""The position of a lost tablet: asked with a reason, approved by another person, one fix, kept for a short time
(schools.md section 9.4). Never commits.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import hold, open_case, send
from mdm.care.errors import LostNotConfirmed, NotLost, OwnRequest, PositionUnknown
from mdm.care.models import LostCase, PositionRequest
from mdm.care.repository import CareRepository
from mdm.protocol.commands.security import DeviceLocation
from mdm.queue.service import Timing

POSITION_LIFE = timedelta(hours=72)
KEEP_POSITION = timedelta(days=7)


def ask_position(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str) -> PositionRequest:
    """Ask for one fix of a lost tablet; another person approves (schools.md section 9.4).

    Raises `NotLost`, `LostNotConfirmed`.
    """
    tablet = hold(work, actor, tablet_id, Permission.LOCATE)
    case = open_case(work, tablet)
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
    audit.record_event(work, actor, "position.ask", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id))
    return request


def approve_position(work: UnitOfWork, actor: Actor, request_id: UUID) -> PositionRequest:
    """Let one fix be asked. Raises `OwnRequest`, `PositionUnknown`, `NotLost`."""
    request, case = _request(work, actor, request_id)
    actor.require_permission(Permission.GOVERN, case.town_id, case.school_id)
    if request.requested_by == actor.account_id:
        raise OwnRequest
    locks.lock_town(work, case.town_id)
    work.session.refresh(request)
    tablet = work.session.get_one(Tablet, case.tablet_id)
    if case.lifted_at is not None or case.lift_requested_at is not None or request.expires_at <= work.now:
        raise NotLost
    if request.approved_at is None:
        audit.record_event(
            work, actor, "position.approve", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id)
        )
        request.approved_by, request.approved_at = actor.account_id, work.now
        until = Timing(deadline=request.expires_at)
        send(work, actor, tablet, DeviceLocation(), reason="approved position request", timing=until)
    return request


def read_position(work: UnitOfWork, actor: Actor, request_id: UUID) -> PositionRequest:
    """Read a request and its answer; the reading of a position is audited."""
    request, case = _request(work, actor, request_id)
    actor.require_permission(Permission.LOCATE, case.town_id, case.school_id)
    if request.position is not None:
        audit.record_event(work, actor, "position.read", "position_request", request.id, town_id=request.town_id)
    return request


def open_positions(work: UnitOfWork, actor: Actor, limit: int = 100) -> list[PositionRequest]:
    """The requests in the actor's reach that still wait, for an approval or for the tablet. Never with a position."""
    return CareRepository(work.session).listed_requests(actor, work.now, limit)


def purge(work: UnitOfWork) -> None:
    """Positions are kept for seven days after a case is closed (PRIV-07)."""
    CareRepository(work.session).purge_positions(work.now - KEEP_POSITION, work.now - POSITION_LIFE - KEEP_POSITION)


def _request(work: UnitOfWork, actor: Actor, request_id: UUID) -> tuple[PositionRequest, LostCase]:
    found = CareRepository(work.session).request(actor, request_id)
    if found is None:
        raise PositionUnknown
    return found[0], found[1]
