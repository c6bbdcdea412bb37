"""What the services of care share: get or lock a tablet with a permission, get its open lost case, send it a command."""

from __future__ import annotations

from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from mdm.care.errors import TabletNotEnrolled, TabletNotLost
from mdm.care.models import LostCase
from mdm.care.repository import CareRepository
from mdm.protocol.commands.base import Command
from mdm.queue import service as queue
from mdm.queue.repository import QueueRepository
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.repository import ReconcileRepository


def get_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """Return the tablet, for an actor who holds `permission` over it. Raises `TabletNotFound`, `Forbidden`."""
    tablet = tablets.get_tablet(work, actor, tablet_id)
    actor.require_permission(permission, tablet.town_id, tablet.school_id)
    return tablet


def lock_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """Return the current tablet under the lock of its town, so that a second request sees the effect of the first.

    Raises `TabletNotFound`, `Forbidden`.
    """
    return tablets.lock_tablet(work, get_tablet(work, actor, tablet_id, permission))


def get_open_case(work: UnitOfWork, tablet: Tablet) -> LostCase:
    """Return the open case of a lost tablet. Raises `TabletNotLost`."""
    case = CareRepository(work.session).get_open_case(tablet.id)
    if case is None:
        raise TabletNotLost
    return case


def is_command_open(work: UnitOfWork, tablet: Tablet, command: Command) -> bool:
    """Return whether an equal command is open for the tablet."""
    channel = ReconcileRepository(work.session).load_enrolled_channels([tablet.id]).get(tablet.id)
    return channel is not None and command.dedupe_key() in QueueRepository(work.session).list_open_dedupe_keys(channel.id)


def send_command(
    work: UnitOfWork,
    actor: Actor,
    tablet: Tablet,
    command: Command,
    *,
    reason: str | None = None,
    required: bool = True,
    timing: DeliveryOptions | None = None,
) -> bool:
    """Enqueue a command for the tablet's device channel. Without a channel it returns False, or raises `TabletNotEnrolled` if `required`."""
    channel = ReconcileRepository(work.session).load_enrolled_channels([tablet.id]).get(tablet.id)
    if channel is None:
        if required:
            raise TabletNotEnrolled
        return False
    queue.enqueue_command(work, actor, command, [channel.id], reason=reason, timing=timing)
    return True
