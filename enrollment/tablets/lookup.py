"""Finding the tablet that is meant, by its number or by a scan, for one who handles tablets there. Changes nothing."""

from __future__ import annotations

from uuid import UUID

from cartable.errors import DomainError
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service
from enrollment.tablets.errors import (
    OtherTown,
    UnknownScan,
)
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import read_scan


def held(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> Tablet:
    """The tablet as it is now, for one who handles tablets there; other acts on the town's tablets wait."""
    tablet = service.get(work, actor, tablet_id)
    actor.require_permission(Permission.HANDLE, tablet.town_id, tablet.school_id)
    return service.hold(work, tablet)


def scanned(work: UnitOfWork, actor: Actor, town_id: UUID, text: str) -> Tablet:
    """The tablet whose label or back was scanned. Raises `UnknownScan`, `OtherTown`."""
    return held(work, actor, found(work, actor, town_id, text, UnknownScan(field="scan")).id)


def found(work: UnitOfWork, actor: Actor, town_id: UUID, text: str, unknown: DomainError) -> Tablet:
    """The tablet of a scan. Raises `unknown` when there is none, `OtherTown` when it is another town's within reach."""
    repository = TabletRepository(work.session)
    wanted = read_scan(text)
    tablet = repository.scanned(actor, town_id, wanted) if wanted else None
    if tablet is not None:
        return tablet
    if wanted and (town := repository.town_of_scanned(actor, wanted)) is not None:
        raise OtherTown(town=town)
    raise unknown
