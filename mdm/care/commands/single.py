"""A command that a person gives to one tablet, and the bypass code of its activation lock. Audited first. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import lookup
from mdm.care.commands.checks import check_command, find_target_obstacle
from mdm.care.commands.delivery import enqueue_kind
from mdm.care.commands.errors import AppsAreDeclared, CannotReceiveCommand
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.models import ActivationBypassCode
from mdm.care.commands.parameters import NO_PARAMETERS, CommandParameters
from mdm.care.commands.repository import CommandRepository
from mdm.care.commands.rules import CommandTarget, Obstacle


class NoBypassCode(NotFound):
    """The tablet has reported no bypass code."""

    code = "no_bypass_code"
    message = Message("This tablet has told no bypass code.")


def give_command(
    work: UnitOfWork, actor: Actor, tablet_id: UUID, kind: CommandKind, parameters: CommandParameters = NO_PARAMETERS
) -> None:
    """Enqueue a command of this kind for one tablet; where an equal one waits, that one stays.

    Raises `CannotReceiveCommand`, `AppsAreDeclared`, `ReauthenticationRequired`, `Invalid`, `TabletNotFound`, `Forbidden`.
    """
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    check_command(work, actor, tablet.town_id, kind, parameters)
    [target] = CommandRepository(work.session).list_targets_of([tablet.id], parameters.app_id)
    obstacle = find_target_obstacle(work.settings, target, kind)
    if obstacle is Obstacle.APP_DECLARED:
        raise AppsAreDeclared
    if obstacle is not None:
        raise CannotReceiveCommand(obstacle=obstacle.value)
    audit.record_event(work, actor, "tablet.command", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value)
    enqueue_kind(work, actor, kind, parameters, [target])


def list_obstacles(work: UnitOfWork, tablet_id: UUID) -> tuple[CommandTarget, dict[CommandKind, Obstacle | None]]:
    """Return a tablet as target, and for each kind why it cannot receive it. The caller has checked that the actor may see it."""
    [target] = CommandRepository(work.session).list_targets_of([tablet_id])
    return target, {kind: find_target_obstacle(work.settings, target, kind) for kind in CommandKind}


def get_bypass_code(work: UnitOfWork, tablet_id: UUID) -> ActivationBypassCode | None:
    """Return the stored code for pages that say whether there is one. The caller shows no code without `reveal_bypass_code`."""
    return CommandRepository(work.session).get_bypass_code(tablet_id)


def reveal_bypass_code(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str) -> str:
    """Return the code that removes the activation lock of a tablet. Each reading is audited with its reason.

    Raises `NoBypassCode`, `ReauthenticationRequired`, `TabletNotFound`, `Forbidden`.
    """
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.HANDLE)
    actor.require_reauthentication()
    row = CommandRepository(work.session).get_bypass_code(tablet.id)
    if row is None:
        raise NoBypassCode
    audit.record_event(work, actor, "tablet.bypass_code", "tablet", tablet.id, town_id=tablet.town_id, reason=reason)
    return row.code
