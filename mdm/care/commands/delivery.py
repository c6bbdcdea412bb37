"""Builds and enqueues the commands of a kind for tablets that can receive them. Audit and checks are the callers'. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.parameters import CommandParameters, build_name
from mdm.care.commands.repository import CommandRepository
from mdm.care.commands.rules import CommandTarget
from mdm.protocol.commands.actions import SettingsCommand
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import ProfileList
from mdm.protocol.commands.security import (
    ClearPasscode,
    ClearRestrictionsPassword,
    DeviceLock,
    PlayLostModeSound,
    RestartDevice,
    ShutDownDevice,
)
from mdm.queue import service as queue
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.app_delivery import build_install_command
from mdm.reconcile.refresh import build_app_query, build_device_query

#: The kinds whose command takes no parameter.
_PLAIN: dict[CommandKind, type[Command]] = {
    CommandKind.RESTART: RestartDevice,
    CommandKind.SHUT_DOWN: ShutDownDevice,
    CommandKind.CLEAR_SCREEN_TIME: ClearRestrictionsPassword,
    CommandKind.SOUND: PlayLostModeSound,
}


def enqueue_kind(
    work: UnitOfWork,
    actor: Actor,
    kind: CommandKind,
    parameters: CommandParameters,
    targets: Sequence[CommandTarget],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> list[int]:
    """Enqueue the commands of a kind for enrolled tablets. Returns the bodies of those whose results count.

    A tablet where an equal command waits gets none.
    """
    if kind in (CommandKind.CLEAR_PASSCODE, CommandKind.RENAME):
        individual = _build_individual_commands(work, kind, parameters, targets)
        return queue.enqueue_individual_commands(work, actor, individual, reason=reason, timing=timing)
    enrollment_ids = [target.enrollment_id for target in targets if target.enrollment_id is not None]
    results = [
        queue.enqueue_command(work, actor, command, enrollment_ids, reason=reason, timing=timing)
        for command in _build_shared_commands(work, kind, parameters)
    ]
    return [results[0].body_id]


def _build_shared_commands(work: UnitOfWork, kind: CommandKind, parameters: CommandParameters) -> tuple[Command, ...]:
    """Return the commands that every tablet gets alike; the result of the first one counts."""
    match kind:
        case CommandKind.REFRESH:
            return build_device_query(), ProfileList(managed_only=True), build_app_query()
        case CommandKind.LOCK:
            return (DeviceLock(message=parameters.message or None, phone_number=parameters.phone or None),)
        case CommandKind.WALLPAPER:
            return (_build_setting("Wallpaper", Image=parameters.image, Where=int(parameters.place)),)
        case CommandKind.TIME_ZONE:
            return (_build_setting("TimeZone", TimeZone=parameters.time_zone),)
        case CommandKind.INSTALL_APP:
            assert parameters.app_id is not None
            app = CommandRepository(work.session).get_app(parameters.app_id)
            return (build_install_command(app.app_store_id, app.manifest_url),)
    return (_PLAIN[kind](),)


def _build_setting(item: str, **values: object) -> SettingsCommand:
    return SettingsCommand(settings=({"Item": item, **values},))


def _build_individual_commands(
    work: UnitOfWork, kind: CommandKind, parameters: CommandParameters, targets: Sequence[CommandTarget]
) -> Mapping[int, Command]:
    """Return a command for each enrollment that differs from the others: by its unlock token, or by the name."""
    by_enrollment = {target.enrollment_id: target for target in targets if target.enrollment_id is not None}
    if kind is CommandKind.CLEAR_PASSCODE:
        tokens = CommandRepository(work.session).load_unlock_tokens(by_enrollment)
        return {enrollment_id: ClearPasscode(unlock_token=token) for enrollment_id, token in tokens.items()}
    return {
        enrollment_id: _build_setting(
            "DeviceName", DeviceName=build_name(parameters.name or "", {"tag": target.tag, "serial": target.serial})
        )
        for enrollment_id, target in by_enrollment.items()
    }
