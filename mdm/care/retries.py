"""What a person has tried again on a tablet: its rules, or an app. Audited first. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import lookup
from mdm.care.errors import NothingToRetry, TabletNotEnrolled
from mdm.reconcile import app_retries
from mdm.reconcile import service as reconcile


def retry_rules(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> None:
    """Deliver the tablet's rules again now, with all attempts before it. Raises `TabletNotFound`, `Forbidden`, `TabletNotEnrolled`."""
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    audit.record_event(work, actor, "tablet.retry_rules", "tablet", tablet.id, town_id=tablet.town_id)
    if not reconcile.retry_rules(work, tablet.id):
        raise TabletNotEnrolled


def retry_app(work: UnitOfWork, actor: Actor, tablet_id: UUID, app_id: UUID) -> None:
    """Order an app that failed again now. Raises `TabletNotFound`, `Forbidden`, `NothingToRetry`."""
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    audit.record_event(work, actor, "tablet.retry_app", "tablet", tablet.id, town_id=tablet.town_id, app_id=str(app_id))
    if not app_retries.retry_app(work, tablet.id, app_id):
        raise NothingToRetry
