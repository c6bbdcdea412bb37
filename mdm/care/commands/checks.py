"""The checks of a command before it is given to one tablet or to many: its parameters, the password, the app, each tablet."""

from __future__ import annotations

from uuid import UUID

from cartable.references import require_in_town
from cartable.scope import Actor
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from mdm.care.commands.kinds import RULES, CommandKind
from mdm.care.commands.parameters import CommandParameters, check_parameters
from mdm.care.commands.rules import CommandTarget, Obstacle, find_obstacle
from profiles.apps.models import App
from profiles.effective.compile import declares_apps


def check_command(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: CommandKind,
    parameters: CommandParameters,
) -> None:
    """Raise `Invalid`, `ReauthenticationRequired`, or `NotFound` for an app of another town."""
    check_parameters(kind, parameters)
    if RULES[kind].needs_password:
        actor.require_reauthentication()
    if kind is CommandKind.INSTALL_APP:
        require_in_town(work, App, parameters.app_id, town_id, field="app_id")


def find_target_obstacle(settings: Settings, target: CommandTarget, kind: CommandKind) -> Obstacle | None:
    """Return why a tablet cannot receive a command of this kind on this server; None when it can."""
    system = parse_version(target.os_version) if target.os_version is not None else None
    return find_obstacle(target, kind, has_declared_apps=target.proves_declarations and declares_apps(settings, system))
