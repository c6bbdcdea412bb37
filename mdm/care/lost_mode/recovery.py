"""What a found tablet gets from the server: lost mode lifted, identity renewed, queries. `enrollment.tablets.recovery` calls it."""

from __future__ import annotations

from cartable.outbox import Topic
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.care.lost_mode.service import lift_case
from mdm.devices.service import get_enrolled_channel
from mdm.reconcile import refresh


def recover_device(work: UnitOfWork, actor: Actor, tablet: Tablet) -> bool:
    """Lift lost mode, renew the certificate and query the tablet again. Returns whether a lost case was open.

    No other command is delivered before the tablet has confirmed the lift.
    """
    case = LostModeRepository(work.session).get_open_case(tablet.id)
    if case is not None:
        lift_case(work, actor, tablet, case, "scanned in hand")
    channel = get_enrolled_channel(work, tablet.id)
    if channel is not None:
        work.enqueue_job(Topic.RENEW_CERTIFICATE, channel.id)
        refresh.enqueue_refresh(work, [tablet.id])
    return case is not None
