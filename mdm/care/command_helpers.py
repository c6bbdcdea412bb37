"""What the services of care share: whether a command is open for a tablet, and sending one."""

from __future__ import annotations

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.care.errors import TabletNotEnrolled
from mdm.devices.service import get_enrolled_channel
from mdm.protocol.commands.base import Command
from mdm.queue import service as queue
from mdm.queue.repository import QueueRepository
from mdm.queue.service import DeliveryOptions


def is_command_open(work: UnitOfWork, tablet: Tablet, command: Command) -> bool:
    """Return whether an equal command is open for the tablet."""
    channel = get_enrolled_channel(work, tablet.id)
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
    channel = get_enrolled_channel(work, tablet.id)
    if channel is None:
        if required:
            raise TabletNotEnrolled
        return False
    queue.enqueue_command(work, actor, command, [channel.id], reason=reason, timing=timing)
    return True
