"""Operations of the command queue: enqueue, cancel, expire, list. Results are read in `results`; delivery is in `mdm.channel`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from cartable.errors import Conflict, NotFound
from cartable.i18n import Message
from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, KeyPart, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.tracing import get_traceparent
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.registry import COMMANDS
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import ArchivedCommand, CommandBody, CommandResult, CommandState, Lane, QueuedCommand
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import create_nonce, get_lane, get_push_lane

#: How long a command stays in the queue after its end, with its arguments and the raw result; then it is archived without them.
ARCHIVED_AFTER = timedelta(days=30)
#: The same for a command that a tablet received and has not answered: one that lay in a drawer answers it yet.
UNANSWERED_ARCHIVED_AFTER = timedelta(days=90)
#: Commands that one run archives, in one transaction. With a run each minute: 2.8 million a day.
ARCHIVED_PER_RUN = 2000
#: Keys of `Topic.TIMELINE`: the timeline advances after the commit, so that a backup from before is recognised; a tablet has shown
#: a certificate that the database does not know, so it must have been restored.
ADVANCE = "advance"
CERTIFICATE_EVIDENCE = "certificate"
#: After this time without a result, or with NotNow, the tablet gets another push.
PUSH_AGAIN_AFTER = timedelta(minutes=15)
DESTRUCTIVE_TYPES = frozenset(name for name, command_type in COMMANDS.items() if command_type.destructive)


class CannotCancel(Conflict):
    """The command has been sent or has ended."""

    code = "cannot_cancel"
    message = Message("This command has already gone out or is over.")


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """The stored body and the number of commands inserted for it. Enrollments where an equal command waits do not count."""

    body_id: int
    count: int


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Lane, earliest time and deadline of a delivery. None: what the command type declares."""

    lane: Lane | None = None
    not_before: datetime | None = None
    deadline: datetime | None = None


def enqueue_command(
    work: UnitOfWork,
    actor: Actor,
    command: Command,
    enrollment_ids: Sequence[int],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> EnqueueResult:
    """Enqueue a command for these enrollments."""
    selection = select(DeviceEnrollment.id).where(DeviceEnrollment.id.in_(enrollment_ids))
    return enqueue_for_selection(work, actor, command, selection, reason=reason, timing=timing)


def supersede_commands(work: UnitOfWork, key: str, enrollment_ids: Sequence[int]) -> None:
    """Supersede the unsent commands of these enrollments that have this dedupe key."""
    selection = select(DeviceEnrollment.id).where(DeviceEnrollment.id.in_(enrollment_ids))
    QueueRepository(work.session).supersede_commands(selection, [key], work.now)


def enqueue_for_selection(
    work: UnitOfWork,
    actor: Actor,
    command: Command,
    selection: Select[int],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> EnqueueResult:
    """Enqueue a command for every selected enrollment, such as a class or a town, with a constant number of statements.

    Supersedes the unsent commands that this one replaces, and enqueues one push per enrollment.
    """
    timing = timing or DeliveryOptions()
    repository = QueueRepository(work.session)
    body = _build_body(work, actor, command, reason)
    repository.add_body(body)
    if superseded_keys := command.superseded_keys():
        repository.supersede_commands(selection, superseded_keys, work.now)
    lane = timing.lane if timing.lane is not None else get_lane(command)
    values: dict[str, Any] = {
        "body_id": body.id,
        "lane": int(lane),
        "state": CommandState.QUEUED,
        "dedupe_key": command.dedupe_key(),
        "not_before": timing.not_before,
        "deadline": timing.deadline or work.now + command.timeout,
        "created_at": work.now,
        "delivery_count": 0,
    }
    count = repository.insert_commands(selection, values)
    if count and command.expires_after_restore:
        work.enqueue_job(Topic.TIMELINE, ADVANCE)
    if count:
        repository.enqueue_pushes(body.id, work.now, timing.not_before, get_push_lane(lane))
        work.topics_to_notify.add(Topic.PUSH)
    return EnqueueResult(body.id, count)


def _build_body(work: UnitOfWork, actor: Actor, command: Command, reason: str | None) -> CommandBody:
    return CommandBody(
        nonce=create_nonce(),
        request_type=command.request_type,
        args=json.dumps(command.to_args()).encode(),
        requested_by=actor.account_id,
        requested_by_name=actor.name,
        reason=reason,
        created_at=work.now,
        traceparent=get_traceparent(),
    )


def enqueue_individual_commands(
    work: UnitOfWork,
    actor: Actor,
    commands: Mapping[int, Command],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> list[int]:
    """Enqueue for each enrollment a command of its own, all of one type, with a constant number of statements. Returns their bodies.

    Each supersedes what it replaces; an enrollment where an equal command waits gets none.
    """
    timing = timing or DeliveryOptions()
    if not commands:
        return []
    repository = QueueRepository(work.session)
    bodies = [_build_body(work, actor, command, reason) for command in commands.values()]
    ids_by_nonce = repository.insert_bodies(bodies)
    example = next(iter(commands.values()))
    selection = select(DeviceEnrollment.id).where(DeviceEnrollment.id.in_(commands))
    if superseded_keys := sorted({key for command in commands.values() for key in command.superseded_keys()}):
        repository.supersede_commands(selection, superseded_keys, work.now)
    rows = [
        (enrollment_id, ids_by_nonce[body.nonce], command.dedupe_key())
        for (enrollment_id, command), body in zip(commands.items(), bodies, strict=True)
    ]
    lane = timing.lane if timing.lane is not None else get_lane(example)
    repository.insert_individual_commands(rows, int(lane), timing.deadline or work.now + example.timeout, work.now)
    if example.expires_after_restore:
        work.enqueue_job(Topic.TIMELINE, ADVANCE)
    work.enqueue_job(Topic.PUSH, *commands, lane=get_push_lane(lane))
    return list(ids_by_nonce.values())


def raise_priority(work: UnitOfWork, command: Command, enrollment_ids: Sequence[int], lane: Lane) -> None:
    """Move the unsent commands equal to `command` to a more urgent lane, and push their tablets as urgently."""
    key = command.dedupe_key()
    if key is not None:
        QueueRepository(work.session).raise_priority(enrollment_ids, key, int(lane))
        work.enqueue_job(Topic.PUSH, *enrollment_ids, lane=get_push_lane(lane))


def cancel_command(work: UnitOfWork, actor: Actor, command_id: int) -> QueuedCommand:
    """Cancel a command that has not been sent, and return it. Raises `NotFound`, `Forbidden`, `CannotCancel`."""
    repository = QueueRepository(work.session)
    row = repository.get_visible_command(actor, command_id)
    if row is None:
        raise NotFound
    command, body, enrollment = row
    actor.require_permission(Permission.CARE, enrollment.town_id)
    if not repository.cancel_command(command_id, work.now):
        raise CannotCancel
    if COMMANDS[body.request_type].expires_after_restore:
        work.enqueue_job(Topic.TIMELINE, ADVANCE)
    work.session.refresh(command)
    return command


def list_undelivered_destructive(
    work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE
) -> Page[tuple[QueuedCommand, CommandBody, Tablet]]:
    """Return the destructive commands that no tablet of a town has received, oldest first: they can still be cancelled.

    The stop switch holds them. Raises `Forbidden`.
    """
    actor.require_permission(Permission.CARE, town_id)
    return QueueRepository(work.session).list_undelivered(town_id, DESTRUCTIVE_TYPES, page)


def get_last_command(work: UnitOfWork, enrollment_id: int, command: Command) -> QueuedCommand | None:
    """Return the newest command of an enrollment with the dedupe key of `command`, in any state."""
    key = command.dedupe_key()
    return QueueRepository(work.session).get_last_command(enrollment_id, key) if key is not None else None


def reap_commands(work: UnitOfWork) -> int:
    """Expire overdue commands and push tablets that owe a result. Returns how many commands expired."""
    repository = QueueRepository(work.session)
    expired_count = repository.expire_commands(work.now)
    work.enqueue_job(Topic.PUSH, *repository.list_enrollments_to_push(work.now - PUSH_AGAIN_AFTER, work.now))
    return expired_count


def archive_ended_commands(work: UnitOfWork) -> int:
    """Move the commands that ended longest ago to the archive, up to `ARCHIVED_PER_RUN`. Returns how many."""
    repository = CommandArchiveRepository(work.session)
    ids = repository.list_due_commands(work.now - ARCHIVED_AFTER, work.now - UNANSWERED_ARCHIVED_AFTER, ARCHIVED_PER_RUN)
    repository.archive_commands(ids)
    return len(ids)


def list_commands(
    work: UnitOfWork, tablet_id: UUID, page: PageRequest, source: int, without: str | None = None
) -> list[tuple[tuple[KeyPart, ...], tuple[QueuedCommand, CommandBody, CommandResult | None]]]:
    """Return one page of a tablet's commands, newest first, each with its keyset (instant, `source`, id), but those of `without`.

    The list is merged with other sources, so one command more than fits is returned. The caller has checked that the actor
    may see the tablet.
    """
    return QueueRepository(work.session).list_commands(tablet_id, page, source, without)


def list_archived_commands(
    work: UnitOfWork, tablet_id: UUID, page: PageRequest, source: int, without: str | None = None
) -> list[tuple[tuple[KeyPart, ...], tuple[ArchivedCommand]]]:
    """Return one page of a tablet's archived commands, as `list_commands` does: with the same `source` no row is shown twice or missed
    that is archived between two pages.
    """
    return CommandArchiveRepository(work.session).list_archived(tablet_id, page, source, without)
