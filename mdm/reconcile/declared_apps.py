"""Apps that are delivered by declarations: what tablets report of them, and when a new tablet waits to prove that it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from enrollment.facts import TabletFacts
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.protocol import ddm
from mdm.reconcile.app_configuration import forget_problem
from mdm.reconcile.app_outcomes import Presence, read_declared_app
from mdm.reconcile.declarations import REPORT_TIMEOUT
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps import licences
from profiles.apps.configuration import compute_digest
from profiles.apps.models import App
from profiles.apps.tablet_configuration import build_tablet_configuration
from profiles.effective.compile import DesiredState, WantedApp, declares_apps
from profiles.render.declarations import build_app_identifier, build_values_identifier, renew_token


def are_apps_declared(settings: Settings, os_version: str | None, state: DeclarativeState | None) -> bool:
    """Return whether the apps of a tablet come by declaration now: then it refuses commands about them."""
    if os_version is None or state is None or not state.is_proved:
        return False
    return declares_apps(settings, parse_version(os_version))


def list_app_declarations(bundle_identifier: str, values: str | None) -> list[str]:
    """Return the identifiers of the declarations of an app: its configuration, and the asset with its values if it has any."""
    values_identifiers = [build_values_identifier(values)] if values is not None else []
    return [build_app_identifier(bundle_identifier), *values_identifiers]


def defer_apps(work: UnitOfWork, channel: DeviceEnrollment, desired: DesiredState, state: DeclarativeState | None) -> bool:
    """Return True, and enqueue a later run, while a new tablet may still prove that its apps can be declared."""
    if not desired.declares_apps or desired.declaration_set is None or channel.enrolled_at is None:
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
    tablet: TabletFacts,
    desired: DesiredState,
    rows_by_app: Mapping[UUID, TabletApp],
    licensed: Mapping[UUID, set[UUID]],
    state: DeclarativeState,
    apps_by_id: Mapping[UUID, App],
) -> list[str]:
    """Store the state of each declared app as the tablet last reported it (status item `app.managed.list`).

    A tablet that has not got the app and for which no licence is free waits for one: its declaration cannot be fulfilled before. Rows
    and licences of apps that are no longer declared are released. Returns the identifiers of the declarations whose values have
    become others for this tablet alone, which is to fetch them again.
    """
    tablet_id, renewed = tablet.tablet_id, list[str]()
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
                tablet_id=tablet_id, app_id=app.app_id, state=current[0], reason=current[1], attempts=0, changed_at=work.now,
                configuration_attempts=0,
            )  # fmt: skip
            work.session.add(row)
        elif (row.state, row.reason) != current:
            row.state, row.reason, row.changed_at = *current, work.now
        if row.state is AppState.INSTALLED:
            licences.mark_assigned(work, app.app_id, tablet_id)
        if app.app_id in apps_by_id:
            values = build_tablet_configuration(apps_by_id[app.app_id], tablet)
            renewed += record_declared_configuration(row, app, compute_digest(values), desired, state)
    desired_ids = {app.app_id for app in desired.apps}
    for app_id, row in rows_by_app.items():
        if app_id not in desired_ids:
            work.session.delete(row)  # the declaration was removed, and the system removes the app with it
            licences.release_licence(work, app_id, tablet_id)
    return renewed


def record_declared_configuration(
    row: TabletApp, app: WantedApp, digest: str | None, desired: DesiredState, state: DeclarativeState
) -> list[str]:
    """Store whether the tablet has applied the configuration of a declared app, or why not.

    Returns the identifiers of what it must fetch again: its values are others than before, as after a change of its grade.
    """
    identifiers = list_app_declarations(app.bundle_identifier, app.values)
    former, row.configuration_sent = row.configuration_sent, digest
    if former is not None and digest not in (None, former, row.configuration_proved):
        forget_problem(row)
        return identifiers
    reported = [_find_reported(state, kind, name, desired) for kind, name in zip(_REPORTED_KINDS, identifiers, strict=False)]
    refused = next((each for each in reported if each is not None and each["valid"] == "invalid"), None)
    if refused is not None:
        row.configuration_problem = ddm.describe_reasons(refused) if app.values is not None else None
    elif all(each is not None and _has_token(each, state, desired) for each in reported) and _is_applied(reported[0] or {}):
        row.configuration_proved = digest
        forget_problem(row)
    return []


#: The kinds of the declarations of an app: the configuration, and the asset with its values.
_REPORTED_KINDS = ("configurations", "assets")


def _is_applied(reported: Mapping[str, Any]) -> bool:
    return reported.get("active") is True and reported.get("valid") == "valid"


def _find_reported(state: DeclarativeState, kind: str, identifier: str, desired: DesiredState) -> Mapping[str, Any] | None:
    """Return what the tablet has last reported of a declaration with its present content, at this attempt or a former one."""
    content_token, attempts = desired.app_tokens.get(identifier, ""), (state.repairs or {}).get(identifier, 0)
    tokens = {renew_token(content_token, attempt) for attempt in range(attempts + 1)}
    rows = (state.reported_declarations or {}).get(kind, ())
    return next((row for row in rows if row["identifier"] == identifier and row["server-token"] in tokens), None)


def _has_token(reported: Mapping[str, Any], state: DeclarativeState, desired: DesiredState) -> bool:
    """Return whether a declaration is reported in its present version, not in one of a former attempt."""
    identifier = str(reported["identifier"])
    attempt = (state.repairs or {}).get(identifier, 0)
    return bool(reported["server-token"] == renew_token(desired.app_tokens.get(identifier, ""), attempt))
