"""Reads the stored results of commands, each once, and hands it to the handlers registered for its command.

What a result means is decided by the handlers, in the packages above.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row

from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeviceEnrollment
from mdm.protocol import plist
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.registry import build_command
from mdm.protocol.connect import CommandStatus, ErrorLink, parse_connect, parse_error_chain
from mdm.protocol.errors import ProtocolError
from mdm.queue.models import CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import build_command_uuid


@dataclass(frozen=True, slots=True)
class CommandWithResult:
    """A command that has ended, and what the tablet reported.

    `result` holds the parsed response keys: those of success for an acknowledged command, those of failure for another; None
    when there are none or they cannot be read. `succeeded` follows the tablet's status, since a late result counts although
    the command had ended before.
    """

    command_id: int
    body_id: int
    uuid: str
    enrollment_id: int
    tablet_id: UUID
    town_id: UUID
    generation: int
    is_current_generation: bool
    command: Command
    state: CommandState
    succeeded: bool
    result: Any
    error: str | None
    error_chain: Sequence[ErrorLink]
    received_at: datetime


ResultHandler: TypeAlias = Callable[[UnitOfWork, CommandWithResult], None]
HandlerTable: TypeAlias = Mapping[type[Command], Sequence[ResultHandler]]


def merge_tables(tables: Iterable[HandlerTable]) -> dict[type[Command], tuple[ResultHandler, ...]]:
    """Return one table with the handlers of all; those of an earlier table run first."""
    merged: dict[type[Command], tuple[ResultHandler, ...]] = {}
    for table in tables:
        for command_type, handlers in table.items():
            merged[command_type] = (*merged.get(command_type, ()), *handlers)
    return merged


def dispatch_results(work: UnitOfWork, command_ids: Sequence[int], handlers: HandlerTable) -> None:
    """Call the handlers of each of these commands with its result, in the order of the commands.

    A result of a former enrollment generation says nothing about the tablet of today, and no handler gets it.
    """
    for outcome in load_results(work, command_ids):
        if outcome.is_current_generation:
            for handler in handlers.get(type(outcome.command), ()):
                handler(work, outcome)


def load_results(work: UnitOfWork, command_ids: Sequence[int]) -> list[CommandWithResult]:
    """Return these commands with their parsed results, by command id; those that have not ended are left out.

    For an unreadable response `result` is None and `error` says so.
    """
    commands_by_body: dict[int, Command] = {}
    outcomes = []
    for row in QueueRepository(work.session).list_ended_commands(command_ids):
        body: CommandBody = row[1]
        if body.id not in commands_by_body:  # equal commands of many tablets share one body
            commands_by_body[body.id] = build_command(body.request_type, json.loads(body.args))
        outcomes.append(_build_outcome(row, commands_by_body[body.id]))
    return outcomes


def _build_outcome(
    row: Row[QueuedCommand, CommandBody, CommandResult | None, DeviceEnrollment], command: Command
) -> CommandWithResult:
    queued_command, body, stored, enrollment = row
    result, error = _parse_stored(command, stored)
    return CommandWithResult(
        command_id=queued_command.id,
        body_id=body.id,
        uuid=build_command_uuid(body.nonce, queued_command.id),
        enrollment_id=enrollment.id,
        tablet_id=enrollment.tablet_id,
        town_id=enrollment.town_id,
        generation=queued_command.generation,
        is_current_generation=queued_command.generation == enrollment.generation,
        command=command,
        state=queued_command.state,
        succeeded=stored is not None and stored.status == CommandStatus.ACKNOWLEDGED,
        result=result,
        error=error or queued_command.state_reason,
        error_chain=parse_error_chain(stored.error_chain if stored is not None else None),
        received_at=stored.received_at if stored is not None else queued_command.finished_at or queued_command.created_at,
    )


def _parse_stored(command: Command, stored: CommandResult | None) -> tuple[Any, str | None]:
    """Return the parsed response keys, and what is wrong with them if they cannot be read."""
    if stored is None or not stored.body:
        return None, None
    try:
        body = parse_connect(plist.loads_leniently(zlib.decompress(stored.body))).body
        if stored.status == CommandStatus.ACKNOWLEDGED:
            return command.parse_response(body), None
        return command.parse_failure(body), None
    except (ProtocolError, zlib.error) as unreadable:
        return None, f"unreadable response: {unreadable}"[:200]
