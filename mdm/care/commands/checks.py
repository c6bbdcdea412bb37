"""The checks of a command before it is given to one tablet or to many: its parameters, the password, the app."""

from __future__ import annotations

from uuid import UUID

from cartable.references import require_in_town
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from mdm.care.commands.errors import AppsAreDeclared
from mdm.care.commands.kinds import RULES, CommandKind
from mdm.care.commands.parameters import CommandParameters, check_parameters
from profiles.apps.models import App
from profiles.effective.compile import declares_apps


def check_command(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: CommandKind,
    parameters: CommandParameters,
    os_version: str | None = None,
) -> None:
    """Raise `Invalid`, `ReauthenticationRequired`, `AppsAreDeclared`, or `NotFound` for an app of another town.

    `os_version` is the system of the tablet, where there is one tablet: an older system gets its apps by commands.
    """
    check_parameters(kind, parameters)
    if RULES[kind].needs_password:
        actor.require_reauthentication()
    if kind is CommandKind.INSTALL_APP:
        require_in_town(work, App, parameters.app_id, town_id, field="app_id")
        is_declared = work.settings.declarative_apps
        if os_version is not None:
            is_declared = declares_apps(work.settings, parse_version(os_version))
        if is_declared:
            raise AppsAreDeclared
