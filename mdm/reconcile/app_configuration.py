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
from mdm.reconcile.app_outcomes import RETRY_DELAYS
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps.configuration import (
    ConfigurationEntry,
    check_entries,
    compute_digest,
    dump_entries,
)
from profiles.apps.errors import AppNotFound
from profiles.apps.models import App
from profiles.apps.repository import AppRepository
from profiles.apps.tablet_configuration import build_tablet_configuration

_ITEM = "ApplicationConfiguration"
_MAX_PROBLEM = 300


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


def build_configuration_commands(
    work: UnitOfWork, tablet: TabletFacts, rows_by_app: Mapping[UUID, TabletApp], apps_by_id: Mapping[UUID, App]
) -> list[Command]:
    """Return the commands that change the configuration of installed apps, and note what they send.

    The same is sent twice only where the tablet has refused it.
    """
    commands: list[Command] = []
    for app_id, row in sorted(rows_by_app.items(), key=lambda pair: str(pair[0])):
        app = apps_by_id.get(app_id)
        if app is None or row.state is not AppState.INSTALLED or row.reason is AppReason.NOT_MANAGED:
            continue
        configuration = build_tablet_configuration(app, tablet)
        digest = compute_digest(configuration)
        if digest != row.configuration_sent:
            forget_problem(row)
        elif row.configuration_next_at is None or row.configuration_next_at > work.now:
            continue
        row.configuration_sent, row.configuration_next_at = digest, None
        value = {"Configuration": configuration} if configuration else {}
        commands.append(SettingsCommand(settings=({"Item": _ITEM, "Identifier": app.bundle_identifier, **value},)))
    return commands


def handle_settings(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Ask the tablet what it has of the configurations that it accepted, and send the refused ones again later."""
    command = outcome.command
    if not isinstance(command, SettingsCommand):
        return
    identifiers = [str(item.get("Identifier")) for item in command.settings if item.get("Item") == _ITEM]
    if not identifiers:
        return
    problems = _list_problems(command, outcome)
    accepted = tuple(each for each in identifiers if each not in problems)
    if accepted:
        queue.enqueue_command(work, SYSTEM, ManagedApplicationConfiguration(identifiers=accepted), [outcome.enrollment_id])
    for row, app in ReconcileRepository(work.session).list_tablet_apps(outcome.tablet_id) if problems else ():
        if app.bundle_identifier in problems:
            _record_refusal(work, row, problems[app.bundle_identifier])


def _list_problems(command: SettingsCommand, outcome: CommandWithResult) -> dict[str, str]:
    """Return what the tablet says of each configuration that it refused. The items of a result are in the order of the command."""
    results = outcome.result if isinstance(outcome.result, list) and outcome.succeeded else [None] * len(command.settings)
    problems = {}
    for item, result in zip(command.settings, results, strict=False):
        if item.get("Item") != _ITEM:
            continue
        if result is None:
            problems[str(item.get("Identifier"))] = (outcome.error or "refused")[:_MAX_PROBLEM]
        elif result.get("Status") not in (None, "Acknowledged"):
            problems[str(item.get("Identifier"))] = _describe_refusal(result)
    return problems


def _describe_refusal(result: Mapping[str, Any]) -> str:
    """Return the innermost error of a refused item, else its status."""
    chain = result.get("ErrorChain")
    errors = [each for each in chain if isinstance(each, dict)] if isinstance(chain, list) else []
    if not errors:
        return str(result.get("Status"))[:_MAX_PROBLEM]
    text = errors[-1].get("USEnglishDescription") or errors[-1].get("LocalizedDescription") or ""
    return f"{errors[-1].get('ErrorCode', '')} {text}".strip()[:_MAX_PROBLEM] or "refused"


def _record_refusal(work: UnitOfWork, row: TabletApp, problem: str) -> None:
    """Store why a configuration was refused, and let it be sent again after a growing delay, a limited number of times."""
    row.configuration_problem = problem
    row.configuration_attempts += 1
    row.configuration_next_at = None
    if row.configuration_attempts <= len(RETRY_DELAYS):
        row.configuration_next_at = work.now + RETRY_DELAYS[row.configuration_attempts - 1]
        work.enqueue_job(Topic.RECONCILE, row.tablet_id, not_before=row.configuration_next_at)


def forget_problem(row: TabletApp) -> None:
    """Forget that a tablet has refused a configuration: it has taken it, or gets another one."""
    row.configuration_problem, row.configuration_attempts, row.configuration_next_at = None, 0, None


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
            if row.configuration_proved == row.configuration_sent:
                forget_problem(row)


def count_progress(work: UnitOfWork, app: App) -> ConfigurationProgress:
    """Return how many tablets have an app, and how many have proved what was sent to them last."""
    return ConfigurationProgress(
        *ReconcileRepository(work.session).count_configured(app.id, has_configuration=app.configuration is not None)
    )
