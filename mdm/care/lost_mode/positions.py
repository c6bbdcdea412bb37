"""Position of a lost tablet: requested with a reason, approved by another person, deleted after a short time. Never commits.

See docs/domain/custody.md#position.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import lookup
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import send_command
from mdm.care.lost_mode.errors import LostNotConfirmed, PositionRequestNotFound, TabletNotLost
from mdm.care.lost_mode.models import LostCase, PositionRequest
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.care.lost_mode.service import get_open_case
from mdm.protocol.commands.security import DeviceLocation
from mdm.queue.service import DeliveryOptions

#: How long a request waits for its approval and for the tablet.
REQUEST_LIFETIME = timedelta(hours=72)
#: How long a position is kept after its case was closed.
POSITION_RETENTION = timedelta(days=7)


def request_position(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str) -> PositionRequest:
    """Request one position of a lost tablet, which another person must approve. Returns the pending request if there is one.

    Raises `TabletNotLost`, `LostNotConfirmed`.
    """
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.LOCATE)
    case = get_open_case(work, tablet)
    if case.confirmed_at is None:
        raise LostNotConfirmed
    actor.require_trust(work.now)
    if case.lift_requested_at is not None:
        raise TabletNotLost
    pending = LostModeRepository(work.session).list_open_requests_of_case(case.id)
    if pending and pending[-1].expires_at > work.now:
        return pending[-1]
    request = PositionRequest(
        town_id=tablet.town_id,
        case_id=case.id,
        reason=reason,
        requested_by=actor.account_id,
        requested_at=work.now,
        expires_at=work.now + REQUEST_LIFETIME,
    )
    work.session.add(request)
    work.session.flush()
    audit.record_event(work, actor, "position.request", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id))
    return request


def approve_position(work: UnitOfWork, actor: Actor, request_id: UUID) -> PositionRequest:
    """Approve a request and enqueue the command for one position. Raises `SamePerson`, `NotTrustedYet`, `ReauthenticationRequired`, `PositionRequestNotFound`, `TabletNotLost`."""
    request, case = _get_request(work, actor, request_id)
    actor.require_permission(Permission.GOVERN, case.town_id, case.school_id)
    actor.require_second_person(work.now, request.requested_by)
    locks.lock_town(work, case.town_id)
    work.session.refresh(request)
    work.session.refresh(case)  # its end may have been requested meanwhile
    tablet = work.session.get_one(Tablet, case.tablet_id)
    if case.lifted_at is not None or case.lift_requested_at is not None or request.expires_at <= work.now:
        raise TabletNotLost
    if request.approved_at is None:
        audit.record_event(
            work, actor, "position.approve", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id)
        )
        request.approved_by, request.approved_at = actor.account_id, work.now
        timing = DeliveryOptions(deadline=request.expires_at)
        send_command(work, actor, tablet, DeviceLocation(), reason="approved position request", timing=timing)
    return request


def read_position(work: UnitOfWork, actor: Actor, request_id: UUID) -> PositionRequest:
    """Return a request with its position; reading a position is audited. Raises `PositionRequestNotFound`, `Forbidden`."""
    request, case = _get_request(work, actor, request_id)
    actor.require_permission(Permission.LOCATE, case.town_id, case.school_id)
    if request.position is not None:
        audit.record_event(work, actor, "position.read", "position_request", request.id, town_id=request.town_id)
    return request


def list_open_requests(work: UnitOfWork, actor: Actor, page: PageRequest = FIRST_PAGE) -> Page[PositionRequest]:
    """List the visible requests that wait for an approval or for the tablet; none of them has a position yet."""
    return LostModeRepository(work.session).list_open_requests(actor, work.now, page)


def list_requests_of_tablet(work: UnitOfWork, actor: Actor, tablet: Tablet) -> list[PositionRequest]:
    """Return the requests for positions of a tablet that is lost now, oldest first, to whoever may ask for one; without a position."""
    if not actor.has_permission(Permission.LOCATE, tablet.town_id, tablet.school_id):
        return []
    repository = LostModeRepository(work.session)
    case = repository.get_open_case(tablet.id)
    return repository.list_requests_of_case(case.id) if case is not None else []


def purge_positions(work: UnitOfWork) -> None:
    """Delete the positions whose retention has ended (PRIV-07)."""
    LostModeRepository(work.session).purge_positions(
        work.now - POSITION_RETENTION, work.now - REQUEST_LIFETIME - POSITION_RETENTION
    )


def _get_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> tuple[PositionRequest, LostCase]:
    request_and_case = LostModeRepository(work.session).get_position_request(actor, request_id)
    if request_and_case is None:
        raise PositionRequestNotFound
    return request_and_case[0], request_and_case[1]
