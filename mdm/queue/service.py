"""Verbs of the queue: enqueue, cancel, expire, history, read an answer. Never commits; delivery is the channel's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select

from cartable.errors import Conflict, NotFound
from cartable.i18n import Message
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeviceEnrollment
from mdm.protocol import plist
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.registry import build_command
from mdm.protocol.connect import parse_connect
from mdm.protocol.errors import ProtocolError
from mdm.queue.models import QueuedCommand, CommandResult, CommandBody, CommandState, Lane
from mdm.queue.repository import UNSENT_STATES, QueueRepository
from mdm.queue.rules import get_lane, create_nonce, build_command_uuid

#: How long the raw answer of a tablet is kept once it could be read.
RESULT_BODY_RETENTION = timedelta(days=30)
#: A put-off or unanswered command is followed by a push after this time.
PUSH_AGAIN_AFTER = timedelta(minutes=15)


class CannotCancel(Conflict):
    """The command has gone out or is over."""

    code = "cannot_cancel"
    message = Message("This command has already gone out or is over.")


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """The body of an order and how many tablets it waits for; equal waiting orders are not counted again."""

    body_id: int
    count: int


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """When an order may go out and until when; None: the command's own rules."""

    lane: Lane | None = None
    not_before: datetime | None = None
    deadline: datetime | None = None


def enqueue_command(
    work: UnitOfWork,
    actor: Actor,
    command: Order,
    enrollment_ids: Sequence[int],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> EnqueueResult:
    """Enqueue an order for some enrolments."""
    selection = select(DeviceEnrollment.id).where(DeviceEnrollment.id.in_(enrollment_ids))
    return enqueue_for_selection(work, actor, command, selection, reason=reason, timing=timing)


def enqueue_for_tablets(
    work: UnitOfWork,
    actor: Actor,
    command: Order,
    tablet_ids: Sequence[UUID],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> EnqueueResult:
    """Enqueue an order for the device channels of some tablets."""
    selection = QueueRepository(work.session).select_device_channels(tablet_ids)
    return enqueue_for_selection(work, actor, command, selection, reason=reason, timing=timing)


def enqueue_for_selection(
    work: UnitOfWork,
    actor: Actor,
    command: Order,
    selection: Select[int],
    *,
    reason: str | None = None,
    timing: DeliveryOptions | None = None,
) -> EnqueueResult:
    """Enqueue an order for every selected enrolment, in a constant number of statements: a class, a grade, a town."""
    timing = timing or DeliveryOptions()
    repository = QueueRepository(work.session)
    body = CommandBody(
        nonce=create_nonce(),
        request_type=command.request_type,
        args=json.dumps(command.to_args()).encode(),
        asked_by=actor.account_id,
        asked_by_name=actor.name,
        reason=reason,
        created_at=work.now,
    )
    repository.add_body(body)
    if superseded := command.superseded_keys():
        repository.supersede_commands(selection, superseded, work.now)
    values: dict[str, Any] = {
        "body_id": body.id,
        "lane": int(timing.lane if timing.lane is not None else get_lane(command)),
        "state": CommandState.QUEUED,
        "dedupe_key": command.dedupe_key(),
        "not_before": timing.not_before,
        "deadline": timing.deadline or work.now + command.timeout,
        "created_at": work.now,
        "deliveries": 0,
    }
    count = repository.insert_commands(selection, values)
    if count:
        repository.enqueue_pushes(body.id, timing.not_before or work.now)
        work.topics_to_notify.add(Topic.PUSH)
    return EnqueueResult(body.id, count)


def raise_priority(work: UnitOfWork, command: Order, enrollment_ids: Sequence[int], lane: Lane) -> None:
    """Let an order that waits already, or was put off, go before others."""
    key = command.dedupe_key()
    if key is not None:
        QueueRepository(work.session).raise_priority(enrollment_ids, key, int(lane))


def cancel_command(work: UnitOfWork, actor: Actor, command_id: int) -> QueuedCommand:
    """Withdraw a command that has not gone out. Raises `NotFound`, `Forbidden`, `CannotCancel`."""
    found = QueueRepository(work.session).get_visible_command(actor, command_id)
    if found is None:
        raise NotFound
    command, _, enrollment = found
    actor.require_permission(Permission.CARE, enrollment.town_id)
    if command.state not in UNSENT_STATES:
        raise CannotCancel
    command.state, command.finished_at, command.state_reason = CommandState.CANCELLED, work.now, "withdrawn"
    return command


def reap_commands(work: UnitOfWork) -> int:
    """End what passed its deadline, and wake tablets that put a command off. Returns how many expired."""
    repository = QueueRepository(work.session)
    expired = repository.expire_commands(work.now)
    work.enqueue_job(Topic.PUSH, *repository.list_enrollments_to_push(work.now - PUSH_AGAIN_AFTER, work.now))
    repository.clear_result_bodies(work.now - RESULT_BODY_RETENTION)
    return expired


def list_commands(
    work: UnitOfWork, tablet_id: UUID, *, before: int | None = None, limit: int = 50
) -> Sequence[Row[QueuedCommand, CommandBody, CommandResult | None]]:
    """Commands of a tablet, newest first. The caller has checked that the actor may see the tablet."""
    return QueueRepository(work.session).list_commands(tablet_id, before, limit)


@dataclass(frozen=True, slots=True)
class CommandWithResult:
    """A command with what the tablet said. `result` is None unless it acknowledged and the answer could be read."""

    command_id: int
    body_id: int
    uuid: str
    enrollment_id: int
    tablet_id: UUID
    town_id: UUID
    generation: int
    command: Order
    state: CommandState
    result: Any
    error: str | None
    received_at: datetime


def load_command_with_result(work: UnitOfWork, command_id: int) -> CommandWithResult | None:
    """Return an answered command, read. An answer that cannot be read has `result` None and says so in `error`."""
    found = QueueRepository(work.session).get_command_with_result(command_id)
    if found is None:
        return None
    command, body, answer, enrollment = found
    order = build_command(body.request_type, json.loads(body.args))
    result, error = None, command.state_reason
    if command.state is CommandState.ACKNOWLEDGED:
        try:
            message = plist.loads(zlib.decompress(answer.body)) if answer.body else {}
            result = order.parse_response(parse_connect(message).body) if message else None
        except (ProtocolError, zlib.error) as unreadable:
            error = f"unreadable answer: {unreadable}"[:200]
    return CommandWithResult(
        command_id=command.id,
        body_id=body.id,
        uuid=build_command_uuid(body.nonce, command.id),
        enrollment_id=enrollment.id,
        tablet_id=enrollment.tablet_id,
        town_id=enrollment.town_id,
        generation=command.generation,
        command=order,
        state=command.state,
        result=result,
        error=error,
        received_at=answer.received_at,
    )
