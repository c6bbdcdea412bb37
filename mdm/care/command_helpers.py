"""What every verb of care needs: the tablet in reach, held against a second click, its open case, an order to it."""

from __future__ import annotations

from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from mdm.care.errors import NotEnrolled, NotLost
from mdm.care.models import LostCase
from mdm.care.repository import CareRepository
from mdm.protocol.commands.base import Command as Order
from mdm.queue import service as queue
from mdm.queue.repository import QueueRepository
from mdm.queue.service import Timing
from mdm.reconcile.repository import ReconcileRepository


def reach(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """The tablet, for an actor who holds `permission` over it. Raises `TabletNotFound`, `Forbidden`."""
    tablet = tablets.get(work, actor, tablet_id)
    actor.require_permission(permission, tablet.town_id, tablet.school_id)
    return tablet


def hold(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """The tablet as it is now, with every other act of care in its town waiting: two clicks see each other."""
    return tablets.hold(work, reach(work, actor, tablet_id, permission))


def open_case(work: UnitOfWork, tablet: Tablet) -> LostCase:
    """The case of a tablet that is lost. Raises `NotLost`."""
    case = CareRepository(work.session).open_case(tablet.id)
    if case is None:
        raise NotLost
    return case


def is_ordered(work: UnitOfWork, tablet: Tablet, order: Order) -> bool:
    """Whether an equal order is under way."""
    channel = ReconcileRepository(work.session).enrolled([tablet.id]).get(tablet.id)
    return channel is not None and order.dedupe_key() in QueueRepository(work.session).open_types(channel.id)


def send(
    work: UnitOfWork,
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
