"""A command to many tablets: preview, request, approval where many people are interrupted, progress, cancellation. Never commits.

See docs/domain/commands.md#commands-to-many-tablets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, SchoolClass
from enrollment.safeguards.stop_switch import check_not_stopped
from mdm.care.commands.checks import check_command, find_target_obstacle
from mdm.care.commands.delivery import enqueue_kind
from mdm.care.commands.errors import BulkCommandEnded, BulkCommandNotFound, NobodyReached
from mdm.care.commands.kinds import RULES, CommandKind
from mdm.care.commands.models import BulkCommand, BulkCommandTablet
from mdm.care.commands.parameters import (
    NO_PARAMETERS,
    CommandParameters,
    dump_parameters,
    load_parameters,
)
from mdm.care.commands.repository import BulkLine, CommandRepository, TabletSelection
from mdm.care.commands.rules import (
    MAX_IN_OWN_LANE,
    MAX_TABLETS,
    CommandTarget,
    Obstacle,
    needs_second_person,
)
from mdm.queue.models import CommandState, Lane
from mdm.queue.repository import QueueRepository
from mdm.queue.service import DeliveryOptions
from profiles.apps.models import App

_UNSENT = frozenset({CommandState.QUEUED, CommandState.NOT_NOW})
_OPEN = _UNSENT | {CommandState.SENT}


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """Whom a command would reach: the tablets that can receive it, those of them that are off, and the others by obstacle."""

    ready: Sequence[CommandTarget]
    off: Sequence[CommandTarget]
    obstacles: Mapping[Obstacle, Sequence[CommandTarget]]
    needs_approval: bool


class BulkState(StrEnum):
    """State of a bulk command as a whole."""

    WAITING_APPROVAL = "waiting_approval"
    RUNNING = "running"  # some commands are open
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """A bulk command with the number of its tablets by state of their command, or by obstacle; None: purged, or not sent yet."""

    bulk: BulkCommand
    counts: Mapping[CommandState | Obstacle | None, int]
    school_name: str | None
    class_label: str | None

    @property
    def state(self) -> BulkState:
        """Return the state of the whole."""
        if self.bulk.cancelled_at is not None and not self._count(_OPEN):
            return BulkState.CANCELLED
        if self.bulk.sent_at is None:
            return BulkState.WAITING_APPROVAL
        return BulkState.RUNNING if self._count(_OPEN) else BulkState.ENDED

    @property
    def total(self) -> int:
        """Return the number of tablets."""
        return sum(self.counts.values())

    @property
    def can_cancel(self) -> bool:
        """Return whether something has not left yet."""
        return self.bulk.cancelled_at is None and (self.bulk.sent_at is None or self._count(_UNSENT) > 0)

    def _count(self, states: frozenset[CommandState]) -> int:
        return sum(number for state, number in self.counts.items() if state in states)


def preview_bulk_command(
    work: UnitOfWork, actor: Actor, selection: TabletSelection, kind: CommandKind, app_id: UUID | None = None
) -> BulkPreview:
    """Return whom a command, of an app if one is given, would reach of the tablets that the actor cares for.

    Raises `Forbidden`, `Invalid`, and `NotFound` for ids of another town.
    """
    require_in_town(work, App, app_id, selection.town_id, field="app_id")
    return _sort_targets(_list_targets(work, actor, selection, app_id), kind, work)


def _sort_targets(targets: Sequence[CommandTarget], kind: CommandKind, work: UnitOfWork) -> BulkPreview:
    obstacles: dict[Obstacle, list[CommandTarget]] = {}
    ready = []
    for target in targets:
        obstacle = find_target_obstacle(work.settings, target, kind)
        if obstacle is None:
            ready.append(target)
        else:
            obstacles.setdefault(obstacle, []).append(target)
    return BulkPreview(
        ready, [target for target in ready if target.is_off(work.now)], obstacles, needs_second_person(kind, len(ready))
    )


def _list_targets(work: UnitOfWork, actor: Actor, selection: TabletSelection, app_id: UUID | None) -> list[CommandTarget]:
    if not actor.has_permission_somewhere(Permission.CARE, selection.town_id):
        actor.require_permission(Permission.CARE, selection.town_id)
    require_in_town(work, School, selection.school_id, selection.town_id, field="school_id")
    require_in_town(work, SchoolClass, selection.class_id, selection.town_id, field="class_id")
    targets = CommandRepository(work.session).list_targets(actor, selection, MAX_TABLETS + 1, app_id)
    if len(targets) > MAX_TABLETS:
        raise Invalid(field="tablets", maximum=MAX_TABLETS)
    if selection.tablet_ids - {target.tablet_id for target in targets}:
        raise NotFound(field="tablet_ids")
    return targets


def request_bulk_command(
    work: UnitOfWork,
    actor: Actor,
    selection: TabletSelection,
    kind: CommandKind,
    parameters: CommandParameters = NO_PARAMETERS,
    reason: str | None = None,
) -> BulkCommand:
    """Give a command to many tablets and return it. It is sent at once, unless it interrupts so many that a second person must agree.

    Raises `NobodyReached`, `DestructiveCommandsStopped`, `ReauthenticationRequired`, `Invalid`, `Forbidden`.
    """
    check_command(work, actor, selection.town_id, kind, parameters)
    locks.lock_town(work, selection.town_id)
    targets = _list_targets(work, actor, selection, parameters.app_id)
    _check_stop_switch(work, actor, selection.town_id, kind)
    preview = _sort_targets(targets, kind, work)
    if not preview.ready:
        raise NobodyReached
    schools = {target.school_id for target in targets}
    bulk = BulkCommand(
        town_id=selection.town_id,
        school_id=next(iter(schools)) if len(schools) == 1 else None,
        class_id=selection.class_id,
        grade=selection.grade,
        kind=kind,
        parameters=dump_parameters(parameters),
        reason=reason,
        requested_by=actor.account_id,
        requested_by_name=actor.name,
        requested_at=work.now,
        needs_approval=preview.needs_approval,
    )
    work.session.add(bulk)
    work.session.flush()
    work.session.add_all(
        BulkCommandTablet(town_id=bulk.town_id, bulk_id=bulk.id, tablet_id=target.tablet_id) for target in targets
    )
    work.session.flush()
    audit.record_event(
        work, actor, "bulk_command.request", "bulk_command", bulk.id, town_id=bulk.town_id, kind=kind.value, tablets=len(targets)
    )
    if bulk.needs_approval:
        raise_alarm(
            work, bulk.town_id, AlarmKind.BULK_COMMAND_REQUESTED, actor=actor, bulk_id=str(bulk.id), command=kind.value,
            tablets=len(preview.ready),
        )  # fmt: skip
    else:
        _send(work, bulk)
    return bulk


def approve_bulk_command(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkCommand:
    """Agree to a bulk command that another person has requested, and send it. A second approval changes nothing.

    Raises `SamePerson`, `NotTrustedYet`, `ReauthenticationRequired`, `BulkCommandEnded`, `DestructiveCommandsStopped`, `BulkCommandNotFound`.
    """
    bulk = _get_for_update(work, actor, bulk_id)
    if bulk.cancelled_at is not None or not bulk.needs_approval:
        raise BulkCommandEnded
    actor.require_second_person(work.now, bulk.requested_by)
    if bulk.approved_at is None:
        _check_stop_switch(work, actor, bulk.town_id, bulk.kind)
        audit.record_event(work, actor, "bulk_command.approve", "bulk_command", bulk.id, town_id=bulk.town_id)
        bulk.approved_by, bulk.approved_at = actor.account_id, work.now
        _send(work, bulk)
    return bulk


def cancel_bulk_command(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkCommand:
    """Cancel what has not left of a bulk command. What a tablet has received already is done. Raises `BulkCommandEnded`, `BulkCommandNotFound`."""
    bulk = _get_for_update(work, actor, bulk_id)
    if bulk.cancelled_at is not None:
        return bulk
    repository = CommandRepository(work.session)
    cancelled = QueueRepository(work.session).cancel_commands(repository.select_commands(bulk.id), work.now)
    if bulk.sent_at is not None and not cancelled:
        raise BulkCommandEnded
    audit.record_event(work, actor, "bulk_command.cancel", "bulk_command", bulk.id, town_id=bulk.town_id, cancelled=cancelled)
    bulk.cancelled_by, bulk.cancelled_at = actor.account_id, work.now
    return bulk


def list_bulk_commands(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[BulkProgress]:
    """List the bulk commands of a town that the actor may see, newest first. Raises `Forbidden`."""
    if not actor.has_permission_somewhere(Permission.CARE, town_id):
        actor.require_permission(Permission.CARE, town_id)
    rows = CommandRepository(work.session).list_newest(actor, town_id, page)
    return rows.map(_load_progress(work, rows.items).__getitem__)


def get_bulk_command(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkProgress:
    """Return a bulk command with its progress. Raises `BulkCommandNotFound`, `Forbidden`."""
    bulk = _get_bulk(work, actor, bulk_id)
    return _load_progress(work, [bulk])[bulk]


def _load_progress(work: UnitOfWork, rows: Sequence[BulkCommand]) -> dict[BulkCommand, BulkProgress]:
    """Return each bulk command with its progress, with a constant number of statements."""
    repository, ids = CommandRepository(work.session), [bulk.id for bulk in rows]
    counts, places = repository.count_lines(ids), repository.load_places(ids)
    return {bulk: BulkProgress(bulk, counts.get(bulk.id, {}), *places[bulk.id]) for bulk in rows}


def list_bulk_lines(work: UnitOfWork, actor: Actor, bulk_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[BulkLine]:
    """List the tablets of a bulk command by tag, each with the state of its command. Raises `BulkCommandNotFound`, `Forbidden`."""
    return CommandRepository(work.session).list_lines(_get_bulk(work, actor, bulk_id).id, page)


def _send(work: UnitOfWork, bulk: BulkCommand) -> None:
    """Enqueue the commands for the tablets that can receive them now, and store why the others cannot."""
    repository, parameters = CommandRepository(work.session), load_parameters(bulk.parameters)
    targets = repository.list_targets_of(repository.list_tablet_ids(bulk.id), parameters.app_id)
    preview = _sort_targets(targets, bulk.kind, work)
    repository.save_obstacles(
        bulk.id, {target.tablet_id: obstacle for obstacle, targets in preview.obstacles.items() for target in targets}
    )
    requester = Actor(bulk.requested_by, bulk.requested_by_name)
    timing = DeliveryOptions(lane=Lane.BACKGROUND) if len(preview.ready) > MAX_IN_OWN_LANE else None
    body_ids = enqueue_kind(work, requester, bulk.kind, parameters, preview.ready, reason=bulk.reason, timing=timing)
    repository.link_commands(bulk.id, body_ids)
    bulk.sent_at = work.now


def _check_stop_switch(work: UnitOfWork, actor: Actor, town_id: UUID, kind: CommandKind) -> None:
    if RULES[kind].interrupts:
        check_not_stopped(work, town_id, actor)


def _get_bulk(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkCommand:
    bulk = CommandRepository(work.session).get_visible(actor, bulk_id)
    if bulk is None:
        raise BulkCommandNotFound
    actor.require_permission(Permission.CARE, bulk.town_id, bulk.school_id)
    return bulk


def _get_for_update(work: UnitOfWork, actor: Actor, bulk_id: UUID) -> BulkCommand:
    bulk = _get_bulk(work, actor, bulk_id)
    locks.lock_town(work, bulk.town_id)
    work.session.refresh(bulk)
    return bulk
