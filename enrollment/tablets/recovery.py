"""Recovery of a missing tablet that somebody of the town has in hand. Never commits. See docs/domain/custody.md#loss."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import incidents, lookup, service
from enrollment.tablets.errors import TransitionNotAllowed
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.models import Condition, IncidentKind, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.ports import RecoverDevice
from enrollment.tablets.rules import MISSING


def mark_found(
    work: UnitOfWork, actor: Actor, town_id: UUID, scan: str, condition: Condition, *, recover_device: RecoverDevice
) -> Tablet:
    """Mark a scanned tablet as found and recover its device: lost mode is lifted, its certificate renewed.

    Raises `UnknownScan`, `TransitionNotAllowed` (it was not missing), `Forbidden`.
    """
    tablet = lookup.get_scanned_for_update(work, actor, town_id, scan)
    if tablet.state is S.FOUND:
        return tablet
    if tablet.state not in MISSING and tablet.state is not S.MISSING_WRITTEN_OFF:
        if recover_device(work, actor, tablet):
            return tablet  # it was in lost mode, and nobody had reported it missing
        raise TransitionNotAllowed(before=tablet.state.value, after=S.FOUND.value)
    audit.record_event(work, actor, "tablet.found", "tablet", tablet.id, town_id=tablet.town_id, condition=condition.value)
    service.change_state(work, actor, tablet, S.FOUND, "scanned in hand")
    if not recover_device(work, actor, tablet):
        _end_incident(work, actor, tablet)  # otherwise it ends with the lost case
    return tablet


def _end_incident(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    incident = IncidentRepository(work.session).get_open_incident(tablet.id)
    if incident is not None and incident.kind is not IncidentKind.BREAKAGE:
        incidents.close_incident(work, actor, incident)
