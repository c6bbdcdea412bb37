"""Lets an app that failed be tried again, because a person has decided so. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.devices.service import get_enrolled_channel
from mdm.reconcile.declarations import renew_declarations
from mdm.reconcile.declared_apps import are_apps_declared, list_app_declarations
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences
from profiles.apps.tablet_configuration import get_values_location


def can_retry_app(row: TabletApp) -> bool:
    """Return whether a person may have an app tried again: it or its configuration has failed, waits after a failure, or was removed."""
    if row.configuration_problem is not None or row.state is AppState.FAILED:
        return True
    return row.state is AppState.WAITING and (row.attempts > 0 or row.reason is AppReason.UNINSTALLED)


def retry_app(work: UnitOfWork, tablet_id: UUID, app_id: UUID) -> bool:
    """Send the command for an app again now, with all attempts before it. The reason stays until the tablet reports something else.

    An app that comes by declaration is announced to this tablet anew, so that it installs it again; the others are ordered by commands.
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
    _renew_declared_app(work, channel, tablet_id, app_id)
    work.enqueue_job(Topic.RECONCILE, tablet_id)
    return True


def _renew_declared_app(work: UnitOfWork, channel: DeviceEnrollment, tablet_id: UUID, app_id: UUID) -> None:
    """Announce an app, with its configuration, to a tablet anew. Does nothing where apps go by commands."""
    state = DeviceRepository(work.session).get_declarative_state(channel.id)
    if not are_apps_declared(work.settings, work.session.get_one(Tablet, tablet_id).os_version, state):
        return
    app = ReconcileRepository(work.session).load_apps([app_id])[app_id]
    identifiers = list_app_declarations(app.bundle_identifier, get_values_location(app))
    renew_declarations(work, {channel.id: identifiers})
