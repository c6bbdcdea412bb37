"""Looking up the tablet of an id or of a scan, and locking it for a change. Changes nothing."""

from __future__ import annotations

from uuid import UUID

from cartable.errors import DomainError
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets import service
from enrollment.tablets.errors import (
    TabletOfAnotherTown,
    UnknownScan,
)
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import parse_scan


def get_tablet_for_update(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission = Permission.HANDLE) -> Tablet:
    """Return the current tablet under the lock of its town, for an actor who has `permission` over it.

    Of two requests the second sees the effect of the first. Raises `TabletNotFound`, `Forbidden`.
    """
    return service.lock_tablet(work, get_tablet(work, actor, tablet_id, permission))


def find_town_of_label(work: UnitOfWork, tag: str) -> Town | None:
    """Return the one town whose labels begin so, whether it has this tablet or not: nobody can try out tags."""
    towns = TabletRepository(work.session).list_towns_of_prefix(tag.partition("-")[0].upper())
    return towns[0] if len(towns) == 1 else None


def get_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission) -> Tablet:
    """Return the tablet, for an actor who has `permission` over it. Raises `TabletNotFound`, `Forbidden`."""
    tablet = service.get_tablet(work, actor, tablet_id)
    actor.require_permission(permission, tablet.town_id, tablet.school_id)
    return tablet


def get_scanned_for_update(work: UnitOfWork, actor: Actor, town_id: UUID, text: str) -> Tablet:
    """Lock and return the tablet whose label or serial number was scanned.

    Raises `UnknownScan`, `TabletOfAnotherTown`, `Forbidden`.
    """
    return get_tablet_for_update(work, actor, find_by_scan(work, actor, town_id, text, UnknownScan(field="scan")).id)


def find_by_scan(work: UnitOfWork, actor: Actor, town_id: UUID, text: str, unknown: DomainError) -> Tablet:
    """Return the tablet of a scan. Raises `unknown` when there is none.

    Raises `TabletOfAnotherTown` when another town that the actor may see has it.
    """
    repository = TabletRepository(work.session)
    label = parse_scan(text)
    tablet = repository.get_by_scan(actor, town_id, label) if label else None
    if tablet is not None:
        return tablet
    if label and (town := repository.get_town_name_by_scan(actor, label)) is not None:
        raise TabletOfAnotherTown(town=town)
    raise unknown
