"""SQL of commands that have ended long ago: which are due for deletion, and their deletion in batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from mdm.devices.models import DeviceEnrollment
from mdm.queue.models import OPEN_STATES, CommandBody, CommandResult, QueuedCommand

_NO_SYNC = {"synchronize_session": False}


class CommandHistoryRepository:
    """Deletes ended commands with their results, and the bodies that no command has any more.

    The newest row of each table stays: SQLite would give its number to the next row, and numbers of bodies are cached.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def select_ended_commands(self, before: datetime, town_id: UUID | None = None) -> Select[int]:
        """Return a statement that selects the ended commands made before an instant, oldest first; of one town, or of all."""
        newest = select(func.max(QueuedCommand.id)).scalar_subquery()
        statement = select(QueuedCommand.id).where(
            QueuedCommand.created_at < before, QueuedCommand.state.not_in(OPEN_STATES), QueuedCommand.id < newest
        )
        if town_id is not None:
            of_town = select(DeviceEnrollment.id).where(DeviceEnrollment.town_id == town_id)
            statement = statement.where(QueuedCommand.enrollment_id.in_(of_town))
        return statement.order_by(QueuedCommand.created_at, QueuedCommand.id)

    def delete_commands(self, ids: Sequence[int]) -> int:
        """Delete commands with their results, and those of their bodies that no command has any more. Returns the number of commands."""
        if not ids:
            return 0
        statement = select(QueuedCommand.body_id).where(QueuedCommand.id.in_(ids)).distinct()
        body_ids = list(self.session.scalars(statement))
        self._delete(CommandResult, CommandResult.command_id.in_(ids))
        self._delete(QueuedCommand, QueuedCommand.id.in_(ids))
        is_used = exists().where(QueuedCommand.body_id == CommandBody.id)
        newest = select(func.max(CommandBody.id)).scalar_subquery()
        self._delete(CommandBody, CommandBody.id.in_(body_ids) & ~is_used & (CommandBody.id < newest))
        return len(ids)

    def clear_result_bodies(self, before: datetime, limit: int) -> None:
        """Delete the raw bodies of up to `limit` results received before an instant, oldest first."""
        due = (
            select(CommandResult.command_id)
            .where(CommandResult.body.is_not(None), CommandResult.received_at < before)
            .order_by(CommandResult.received_at)
            .limit(limit)
        )
        statement = update(CommandResult).where(CommandResult.command_id.in_(due)).values(body=None)
        self.session.execute(statement.execution_options(**_NO_SYNC))

    def _delete(self, model: Any, condition: Any) -> None:
        self.session.execute(delete(model).where(condition).execution_options(**_NO_SYNC))
