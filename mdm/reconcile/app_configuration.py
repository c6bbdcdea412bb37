"""Delivery of managed app configurations: what each tablet should give to an app, what was sent, and what the tablet has proved.

A configuration goes along with the installation, so that the app has it when it is first opened. What is installed gets changes by a
Settings command; then the tablet is asked what it has, and only that proves it. See docs/domain/apps.md#configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from mdm.protocol.commands.actions import SettingsCommand
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import ManagedApplicationConfiguration
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps.configuration import (
    ConfigurationEntry,
    Variable,
    build_configuration,
    check_entries,
    compute_digest,
    dump_entries,
    load_entries,
)
from profiles.apps.errors import AppNotFound
from profiles.apps.models import App
from profiles.apps.repository import AppRepository

_ITEM = "ApplicationConfiguration"


@dataclass(frozen=True, slots=True)
class ConfigurationProgress:
    """How many tablets have an app, and how many of them have proved its present configuration."""

    installed: int
    proved: int


def get_configurable_app(work: UnitOfWork, actor: Actor, app_id: UUID) -> App:
    """Return an app whose configuration the actor may write. Raises `AppNotFound`."""
    app = AppRepository(work.session).get_app(actor, app_id)
    if app is None:
        raise AppNotFound
    actor.require_permission(Permission.AUTHOR, app.town_id)
    return app


def set_configuration(work: UnitOfWork, actor: Actor, app_id: UUID, entries: Sequence[ConfigurationEntry]) -> App:
    """Keep the configuration of an app; each tablet that has it follows. Values are not audited, they may be keys of licences.

    Raises `AppNotFound`, `BadConfiguration`.
    """
    app = get_configurable_app(work, actor, app_id)
    checked = check_entries(entries)
    stored = dump_entries(checked)
    if stored == app.configuration:
        return app
    app.configuration = stored
    audit.record_event(work, actor, "app.configure", "app", app.id, town_id=app.town_id, keys=[each.key for each in checked])
    work.session.flush()
    work.enqueue_selected_jobs(Topic.RECONCILE, ReconcileRepository(work.session).select_tablets_with_app(app.id))
    return app


def build_tablet_configuration(app: App, tablet: TabletFacts) -> dict[str, Any]:
    """Return what a tablet gives to an app; empty without a configuration."""
    return build_configuration(load_entries(app.configuration), _list_variables(tablet)) if app.configuration else {}


def preview_configuration(entries: Sequence[ConfigurationEntry], tablet: TabletFacts) -> dict[str, Any]:
    """Return what a tablet would give to an app with these entries. Raises `BadConfiguration`."""
    return build_configuration(check_entries(entries), _list_variables(tablet))


def _list_variables(tablet: TabletFacts) -> dict[Variable, str]:
    grade = tablet.grade.value if tablet.grade else ""
    return {Variable.TAG: tablet.tag, Variable.SERIAL: tablet.serial, Variable.GRADE: grade}


def build_configuration_commands(
    tablet: TabletFacts, rows_by_app: Mapping[UUID, TabletApp], apps_by_id: Mapping[UUID, App]
) -> list[Command]:
    """Return the commands that change the configuration of installed apps, and note what they send: the same is not sent twice."""
    commands: list[Command] = []
    for app_id, row in sorted(rows_by_app.items(), key=lambda pair: str(pair[0])):
        app = apps_by_id.get(app_id)
        if app is None or row.state is not AppState.INSTALLED or row.reason is AppReason.NOT_MANAGED:
            continue
        configuration = build_tablet_configuration(app, tablet)
        digest = compute_digest(configuration)
        if digest == row.configuration_sent:
            continue
        row.configuration_sent = digest
        value = {"Configuration": configuration} if configuration else {}
        commands.append(SettingsCommand(settings=({"Item": _ITEM, "Identifier": app.bundle_identifier, **value},)))
    return commands


def handle_settings(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """After a configuration was accepted, ask the tablet what it has."""
    command = outcome.command
    if not isinstance(command, SettingsCommand) or not outcome.succeeded:
        return
    identifiers = tuple(str(item.get("Identifier")) for item in command.settings if item.get("Item") == _ITEM)
    if identifiers:
        query = ManagedApplicationConfiguration(identifiers=identifiers)
        queue.enqueue_command(work, SYSTEM, query, [outcome.enrollment_id])


def handle_managed_configuration(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Store which configurations the tablet has proved."""
    if not outcome.succeeded or not isinstance(outcome.result, list):
        return
    reported = {
        str(row.get("Identifier")): configuration
        for row in outcome.result
        if isinstance(configuration := row.get("Configuration", {}), dict)
    }
    for row, app in ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id):
        if app.bundle_identifier in reported:
            row.configuration_proved = compute_digest(reported[app.bundle_identifier])


def count_progress(work: UnitOfWork, app: App) -> ConfigurationProgress:
    """Return how many tablets have an app, and how many have proved what was sent to them last."""
    return ConfigurationProgress(
        *ReconcileRepository(work.session).count_configured(app.id, has_configuration=app.configuration is not None)
    )
