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
from cartable.i18n import Words
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeviceEnrollment
from mdm.protocol import plist
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.registry import build
from mdm.protocol.connect import parse_connect
from mdm.protocol.errors import WireError
from mdm.queue.models import Command, CommandAnswer, CommandBody, CommandState, Lane
from mdm.queue.repository import UNSENT, QueueRepository
from mdm.queue.rules import lane_of, new_nonce, uuid_of

#: How long the raw answer of a tablet is kept once it could be read.
KEEP_ANSWERS = timedelta(days=30)
#: A put-off or unanswered command is followed by a push after this time.
WAKE_AGAIN_AFTER = timedelta(minutes=15)


class CannotCancel(Conflict):
    """The command has gone out or is over."""

    code = "cannot_cancel"
    words = Words(fr="Cette commande est déjà partie ou terminée.", en="This command has already gone out or is over.")


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The body of an order and how many tablets it waits for; equal waiting orders are not counted again."""

    body_id: int
    count: int


@dataclass(frozen=True, slots=True)
class Timing:
    """When an order may go out and until when; None: the command's own rules."""

    lane: Lane | None = None
    not_before: datetime | None = None
    deadline: datetime | None = None


def enqueue(
    work: UnitOfWork,
    actor: Actor,
    order: Order,
    enrollment_ids: Sequence[int],
    *,
    reason: str | None = None,
    timing: Timing | None = None,
) -> Enqueued:
    """Enqueue an order for some enrolments."""
    selection = select(DeviceEnrollment.id).where(DeviceEnrollment.id.in_(enrollment_ids))
    return enqueue_where(work, actor, order, selection, reason=reason, timing=timing)


def enqueue_for_tablets(
    work: UnitOfWork,
    actor: Actor,
    order: Order,
    tablet_ids: Sequence[UUID],
    *,
    reason: str | None = None,
    timing: Timing | None = None,
) -> Enqueued:
    """Enqueue an order for the device channels of some tablets."""
    selection = QueueRepository(work.session).device_channels(tablet_ids)
    return enqueue_where(work, actor, order, selection, reason=reason, timing=timing)


def enqueue_where(
    work: UnitOfWork,
    actor: Actor,
    order: Order,
    selection: Select[int],
    *,
    reason: str | None = None,
    timing: Timing | None = None,
) -> Enqueued:
    """Enqueue an order for every selected enrolment, in a constant number of statements: a class, a grade, a town."""
    timing = timing or Timing()
    repository = QueueRepository(work.session)
    body = CommandBody(
        nonce=new_nonce(),
        request_type=order.request_type,
        args=json.dumps(order.to_args()).encode(),
        asked_by=actor.account_id,
        asked_by_name=actor.name,
        reason=reason,
        created_at=work.now,
    )
    repository.add_body(body)
    if superseded := order.supersedes():
        repository.supersede(selection, superseded, work.now)
    values: dict[str, Any] = {
        "body_id": body.id,
        "lane": int(timing.lane if timing.lane is not None else lane_of(order)),
        "state": CommandState.QUEUED,
        "dedupe_key": order.dedupe_key(),
        "not_before": timing.not_before,
        "deadline": timing.deadline or work.now + order.timeout,
        "created_at": work.now,
        "deliveries": 0,
    }
    count = repository.insert_for(selection, values)
    if count:
        repository.ring_for(body.id, timing.not_before or work.now)
        work.topics_to_notify.add(Topic.PUSH)
    return Enqueued(body.id, count)


def hasten(work: UnitOfWork, order: Order, enrollment_ids: Sequence[int], lane: Lane) -> None:
    """Let an order that waits already, or was put off, go before others."""
    key = order.dedupe_key()
    if key is not None:
        QueueRepository(work.session).hasten(enrollment_ids, key, int(lane))


def cancel(work: UnitOfWork, actor: Actor, command_id: int) -> Command:
    """Withdraw a command that has not gone out. Raises `NotFound`, `Forbidden`, `CannotCancel`."""
    found = QueueRepository(work.session).visible(actor, command_id)
    if found is None:
        raise NotFound
    command, _, enrollment = found
    actor.require_permission(Permission.CARE, enrollment.town_id)
    if command.state not in UNSENT:
        raise CannotCancel
    command.state, command.finished_at, command.why = CommandState.CANCELLED, work.now, "withdrawn"
    return command


def reap(work: UnitOfWork) -> int:
    """End what passed its deadline, and wake tablets that put a command off. Returns how many expired."""
    repository = QueueRepository(work.session)
    expired = repository.expire(work.now)
    work.enqueue_job(Topic.PUSH, *repository.waiting_again(work.now - WAKE_AGAIN_AFTER, work.now))
    repository.read_answers_older_than(work.now - KEEP_ANSWERS)
    return expired


def history(
    work: UnitOfWork, tablet_id: UUID, *, before: int | None = None, limit: int = 50
) -> Sequence[Row[Command, CommandBody, CommandAnswer | None]]:
    """Commands of a tablet, newest first. The caller has checked that the actor may see the tablet."""
    return QueueRepository(work.session).history(tablet_id, before, limit)


@dataclass(frozen=True, slots=True)
class AnsweredCommand:
    """A command with what the tablet said. `result` is None unless it acknowledged and the answer could be read."""

    command_id: int
    body_id: int
    uuid: str
    enrollment_id: int
    tablet_id: UUID
    town_id: UUID
    generation: int
    order: Order
    state: CommandState
    result: Any
    error: str | None
    received_at: datetime


def load_answer(work: UnitOfWork, command_id: int) -> AnsweredCommand | None:
    """Return an answered command, read. An answer that cannot be read has `result` None and says so in `error`."""
    found = QueueRepository(work.session).answered(command_id)
    if found is None:
        return None
    command, body, answer, enrollment = found
    order = build(body.request_type, json.loads(body.args))
    result, error = None, command.why
    if command.state is CommandState.ACKNOWLEDGED:
        try:
            message = plist.loads(zlib.decompress(answer.body)) if answer.body else {}
            result = order.read(parse_connect(message).body) if message else None
        except (WireError, zlib.error) as unreadable:
            error = f"unreadable answer: {unreadable}"[:200]
    return AnsweredCommand(
        command_id=command.id,
        body_id=body.id,
        uuid=uuid_of(body.nonce, command.id),
        enrollment_id=enrollment.id,
        tablet_id=enrollment.tablet_id,
        town_id=enrollment.town_id,
        generation=command.generation,
        order=order,
        state=command.state,
        result=result,
        error=error,
        received_at=answer.received_at,
    )
