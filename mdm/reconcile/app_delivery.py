"""Delivery of apps by commands: which installations and removals are missing on a tablet. Results are in `app_results`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from mdm.protocol.commands.apps import DEVICE_LICENCE, MANAGE, InstallApplication, RemoveApplication
from mdm.protocol.commands.base import Command
from mdm.reconcile.app_outcomes import get_retry_delay
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps import licences
from profiles.apps.models import App
from profiles.apps.tablet_configuration import build_tablet_configuration
from profiles.effective.compile import DesiredState, WantedApp


def reserve_licences(
    work: UnitOfWork,
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
    apps_by_tablet: Mapping[UUID, Mapping[UUID, TabletApp]],
) -> dict[UUID, set[UUID]]:
    """Reserve licences of store apps. Returns, for each app, the tablets that have one, from before or from now on."""
    tablets_by_app: dict[UUID, list[UUID]] = {}
    for tablet_id, desired in desired_by_tablet.items():
        for app in desired.apps:
            row = apps_by_tablet.get(tablet_id, {}).get(app.app_id)
            # An installed app needs one too: the tablet may have moved to a school with an account of its own.
            if app.app_store_id is not None and (row is None or row.state is not AppState.FAILED):
                tablets_by_app.setdefault(app.app_id, []).append(tablet_id)
    return {
        app_id: licences.reserve_licences(work, facts[tablet_ids[0]].town_id, app_id, tablet_ids)
        for app_id, tablet_ids in sorted(tablets_by_app.items())  # one order for all workers, since pools are locked
    }


def build_app_installs(
    work: UnitOfWork,
    tablet: TabletFacts,
    desired: DesiredState,
    rows_by_app: dict[UUID, TabletApp],
    licensed: Mapping[UUID, set[UUID]],
    apps_by_id: Mapping[UUID, App],
) -> list[Command]:
    """Return the installations to enqueue, and store the state and reason of every desired app."""
    commands: list[Command] = []
    tablet_id = tablet.tablet_id
    for app in desired.apps:
        if not app.is_installed_by_us:
            continue
        row = rows_by_app.get(app.app_id)
        if row is None:
            row = _new_waiting_app(work, tablet_id, app)
            work.session.add(row)
        elif row.state is AppState.REMOVING:
            row.state, row.attempts, row.changed_at, row.detail = AppState.WAITING, 0, work.now, None
        elif row.state is not AppState.WAITING:
            continue  # installing, installed or failed: only a result or a person changes it
        if app.app_store_id is not None and tablet_id not in licensed.get(app.app_id, ()):
            row.reason = AppReason.NO_LICENCE
            continue
        if row.attempts == 0 and row.detail is None:  # else what the tablet reported stays until it reports something else
            row.reason = AppReason.WAITING_CONTACT
        if work.now >= row.changed_at + (get_retry_delay(row.reason, row.attempts) or timedelta(0)):
            configuration = build_tablet_configuration(apps_by_id[app.app_id], tablet) if app.app_id in apps_by_id else {}
            commands.append(build_install_command(app.app_store_id, app.manifest_url, configuration))
    return commands


def _new_waiting_app(work: UnitOfWork, tablet_id: UUID, app: WantedApp) -> TabletApp:
    return TabletApp(
        tablet_id=tablet_id,
        app_id=app.app_id,
        state=AppState.WAITING,
        reason=AppReason.WAITING_CONTACT,
        attempts=0,
        changed_at=work.now,
    )


def build_install_command(
    app_store_id: int | None, manifest_url: str | None, configuration: dict[str, Any] | None = None
) -> Command:
    """Return the command that installs an app with its configuration, or brings the installed one up to date."""
    if app_store_id is not None:
        licence = {"PurchaseMethod": DEVICE_LICENCE}
        return InstallApplication(
            itunes_store_id=app_store_id, options=licence, management_flags=MANAGE, configuration=configuration or None
        )
    return InstallApplication(manifest_url=manifest_url, management_flags=MANAGE, configuration=configuration or None)


def mark_surplus_apps(work: UnitOfWork, desired: DesiredState, rows_by_app: dict[UUID, TabletApp]) -> list[UUID]:
    """Mark the apps that no bundle of the tablet contains any more as removing. Returns the ids of all apps that are to be removed.

    Those that are marked already are among them: their removal may have been cancelled, or have expired while the tablet was away.
    """
    desired_ids = {app.app_id for app in desired.apps}
    surplus = [app_id for app_id in rows_by_app if app_id not in desired_ids]
    for app_id in surplus:
        row = rows_by_app[app_id]
        if row.state is not AppState.REMOVING:
            row.state, row.changed_at = AppState.REMOVING, work.now
    return surplus


def list_opposite_keys(desired: DesiredState, surplus: Iterable[App]) -> set[str]:
    """Return the dedupe keys of the commands that contradict the desired apps: their removals, and installations of surplus apps.

    Where one still waits, it would otherwise follow the command that equals the present wish, and undo it.
    """
    removals = {RemoveApplication(identifier=app.bundle_identifier).dedupe_key() for app in desired.apps}
    installs = {
        str(build_install_command(app.app_store_id, app.manifest_url).dedupe_key())
        for app in surplus
        if app.app_store_id is not None or app.manifest_url is not None
    }
    return removals | installs
