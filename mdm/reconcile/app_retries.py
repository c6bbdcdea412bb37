"""Lets an app that failed be tried again, because a person has decided so. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.devices.repository import DeviceRepository
from mdm.devices.service import get_enrolled_channel
from mdm.reconcile.declarations import reset_declarations
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences


def can_retry_app(row: TabletApp) -> bool:
    """Return whether a person may have an app tried again: it or its configuration has failed, or waits after a failure."""
    if row.configuration_problem is not None:
        return True
    return row.state is AppState.FAILED or (row.state is AppState.WAITING and row.attempts > 0)


def retry_app(work: UnitOfWork, tablet_id: UUID, app_id: UUID) -> bool:
    """Order an app again now, with all attempts before it. The reason stays until the tablet reports something else.

    Returns False when there is nothing to try again: the tablet has it by now, or is at it.
    """
    row = ReconcileRepository(work.session).lock_tablet_app(tablet_id, app_id)
    channel = get_enrolled_channel(work, tablet_id)
    if row is None or channel is None or not can_retry_app(row):
        return False
    if row.configuration_problem is not None:
        row.configuration_attempts, row.configuration_next_at = 0, work.now
    if row.state is not AppState.INSTALLED:
        row.state, row.attempts, row.changed_at = AppState.WAITING, 0, work.now
    if row.reason is AppReason.NO_LICENCE:
        licences.enqueue_licence_sync(work, app_id, tablet_id)
    if work.settings.declarative_apps:
        for state in DeviceRepository(work.session).lock_declarative_states([channel.id]):
            reset_declarations(state)
    work.enqueue_job(Topic.RECONCILE, tablet_id)
    return True
