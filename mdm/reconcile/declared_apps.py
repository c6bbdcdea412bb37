"""Apps that are delivered by declarations: what tablets report of them, and when a new tablet waits to prove that it can."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.protocol import ddm
from mdm.reconcile.app_outcomes import Presence, read_declared_app
from mdm.reconcile.declarations import REPORT_TIMEOUT
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps import licences
from profiles.effective.compile import DesiredState


def defer_apps(work: UnitOfWork, channel: DeviceEnrollment, desired: DesiredState, state: DeclarativeState | None) -> bool:
    """Return True, and enqueue a later run, while a new tablet may still prove that its apps can be declared."""
    if not work.settings.declarative_apps or desired.declaration_set is None or channel.enrolled_at is None:
        return False
    until = channel.enrolled_at + REPORT_TIMEOUT
    if (state is not None and (state.fallback_reason or state.reported_at)) or work.now >= until:
        return False
    work.enqueue_job(Topic.RECONCILE, channel.tablet_id, not_before=until)
    return True


_DECLARED_STATES = {
    Presence.INSTALLED: AppState.INSTALLED,
    Presence.INSTALLING: AppState.INSTALLING,
    Presence.UNINSTALLED: AppState.WAITING,
    Presence.REJECTED: AppState.FAILED,
    Presence.FAILED: AppState.FAILED,
}


def record_declared_apps(
    work: UnitOfWork,
    tablet_id: UUID,
    desired: DesiredState,
    rows_by_app: Mapping[UUID, TabletApp],
    licensed: Mapping[UUID, set[UUID]],
    state: DeclarativeState,
) -> None:
    """Store the state of each declared app as the tablet last reported it (status item `app.managed.list`).

    A tablet that has not got the app and for which no licence is free waits for one: its declaration cannot be fulfilled before. Rows and licences of apps that are no longer declared are released.
    """
    reports = {row["identifier"]: read_declared_app(row) for row in ddm.list_managed_apps(state.status_items or {})}
    for app in desired.apps:
        if not app.is_installed_by_us:
            continue
        report = reports.get(app.bundle_identifier)
        current = (
            (AppState.WAITING, AppReason.WAITING_CONTACT)
            if report is None
            else (_DECLARED_STATES[report.presence], report.reason)
        )
        if (
            app.app_store_id is not None
            and tablet_id not in licensed.get(app.app_id, ())
            and current[0] is not AppState.INSTALLED
        ):
            current = (AppState.WAITING, AppReason.NO_LICENCE)
        row = rows_by_app.get(app.app_id)
        if row is None:
            row = TabletApp(
                tablet_id=tablet_id, app_id=app.app_id, state=current[0], reason=current[1], attempts=0, changed_at=work.now
            )
            work.session.add(row)
        elif (row.state, row.reason) != current:
            row.state, row.reason, row.changed_at = *current, work.now
        if row.state is AppState.INSTALLED:
            licences.mark_assigned(work, app.app_id, tablet_id)
    desired_ids = {app.app_id for app in desired.apps}
    for app_id, row in rows_by_app.items():
        if app_id not in desired_ids:
            work.session.delete(row)  # the declaration was removed, and the system removes the app with it
            licences.release_licence(work, app_id, tablet_id)
