"""Recovery of a missing tablet that somebody of the town has in hand: lost mode lifted, identity renewed. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import incidents, lookup
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import TransitionNotAllowed
from enrollment.tablets.models import Condition, IncidentKind, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import MISSING
from mdm.care.lost_mode.service import lift_case
from mdm.care.repository import CareRepository
from mdm.reconcile import service as reconcile
from mdm.reconcile.repository import ReconcileRepository


def mark_found(work: UnitOfWork, actor: Actor, town_id: UUID, scan: str, condition: Condition) -> Tablet:
    """Mark a scanned tablet as found, lift lost mode, renew its certificate and query it again. No other command is delivered
    before the tablet has confirmed the lift.

    Raises `UnknownScan`, `WrongState` (it was not missing), `Forbidden`.
    """
    tablet = lookup.get_scanned_for_update(work, actor, town_id, scan)
    if tablet.state is S.FOUND:
        return tablet
    if tablet.state not in MISSING and tablet.state is not S.MISSING_WRITTEN_OFF:
        raise TransitionNotAllowed(before=tablet.state.value, after=S.FOUND.value)
    audit.record_event(work, actor, "tablet.found", "tablet", tablet.id, town_id=tablet.town_id, condition=condition.value)
    tablets.change_state(work, actor, tablet, S.FOUND, "scanned in hand")
    case = CareRepository(work.session).get_open_case(tablet.id)
    if case is not None:
        lift_case(work, actor, tablet, case, "scanned in hand")
    else:
        _end_incident(work, actor, tablet)
    channel = ReconcileRepository(work.session).load_enrolled_channels([tablet.id]).get(tablet.id)
    if channel is not None:
        work.enqueue_job(Topic.RENEW_CERTIFICATE, channel.id)
        reconcile.enqueue_refresh(work, [tablet.id])
    return tablet


def _end_incident(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    incident = TabletRepository(work.session).get_open_incident(tablet.id)
    if incident is not None and incident.kind is not IncidentKind.BREAKAGE:
        incidents.close_incident(work, actor, incident)
