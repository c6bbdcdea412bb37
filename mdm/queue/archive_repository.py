"""SQL of the archive: moves commands that ended weeks ago out of the queue, and deletes archived ones at the end of their term."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_keyed_rows
from cartable.paging import KeyPart, PageRequest
from cartable.partitions import Month, count_default_rows, drop_oldest_month, ensure_months, list_months
from mdm.devices.models import DeviceEnrollment
from mdm.queue.models import OPEN_STATES, ArchivedCommand, CommandBody, CommandResult, QueuedCommand

_NO_SYNC = {"synchronize_session": False}
_TABLE: Any = ArchivedCommand.__table__
_IS_BY_A_PERSON = ArchivedCommand.reason.is_not(None) | ArchivedCommand.requested_by.is_not(None)
#: Each column of the archive, and where its value comes from.
_SOURCES: dict[str, Any] = {
    **{
        name: getattr(QueuedCommand, name)
        for name in (
            "id",
            "created_at",
            "town_id",
            "enrollment_id",
            "generation",
            "state",
            "state_reason",
            "sent_at",
            "finished_at",
        )
    },
    **{name: getattr(CommandBody, name) for name in ("request_type", "requested_by", "requested_by_name", "reason")},
    **{name: getattr(CommandResult, name) for name in ("status", "received_at", "error_chain")},
}


class CommandArchiveRepository:
    """Moves ended commands to the archive, and reads and deletes there.

    In the queue the newest row of each table stays: SQLite would give its number to the next row, and numbers of bodies are cached.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_due_commands(self, ended_before: datetime, unanswered_before: datetime, limit: int) -> list[int]:
        """Return the oldest commands that are due for the archive, up to `limit`, and lock them.

        Those that ended before an instant; a command that was sent and has no result only if it ended before `unanswered_before`,
        because the tablet may still answer it.
        """
        statement = _select_due(ended_before, unanswered_before).limit(limit)
        return list(self.session.scalars(statement.with_for_update(skip_locked=True, of=QueuedCommand)))

    def has_due_commands(self, ended_before: datetime, unanswered_before: datetime) -> bool:
        """Return whether a command is due for the archive."""
        return self.session.scalar(_select_due(ended_before, unanswered_before).limit(1)) is not None

    def get_oldest_archived(self) -> datetime | None:
        """Return when the oldest archived command was made."""
        return self.session.scalar(select(ArchivedCommand.created_at).order_by(ArchivedCommand.created_at).limit(1))

    def count_default_rows(self) -> int:
        """Return how many archived commands stand in no month: their term ends row by row instead of with their partition."""
        return count_default_rows(self.session.connection(), _TABLE)

    def archive_commands(self, ids: Sequence[int]) -> None:
        """Move these commands with their results to the archive, and delete those of their bodies that no command has any more."""
        if not ids:
            return
        is_moved = QueuedCommand.id.in_(ids)
        bounds = self.session.execute(
            select(func.min(QueuedCommand.created_at), func.max(QueuedCommand.created_at)).where(is_moved)
        )
        first, last = bounds.one()
        ensure_months(self.session.connection(), _TABLE, _list_months_between(first, last))
        rows = (
            select(*_SOURCES.values())
            .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
            .outerjoin(CommandResult, CommandResult.command_id == QueuedCommand.id)
            .where(is_moved)
        )
        body_ids = list(self.session.scalars(select(QueuedCommand.body_id).where(is_moved).distinct()))
        self.session.execute(insert(ArchivedCommand).from_select(list(_SOURCES), rows))
        self._delete(CommandResult, CommandResult.command_id.in_(ids))
        self._delete(QueuedCommand, is_moved)
        is_used = exists().where(QueuedCommand.body_id == CommandBody.id)
        newest = select(func.max(CommandBody.id)).scalar_subquery()
        self._delete(CommandBody, CommandBody.id.in_(body_ids) & ~is_used & (CommandBody.id < newest))

    def drop_oldest_month(self, before: datetime) -> Month | None:
        """Drop the oldest partition if it lies before an instant, and return its month. Partitions exist on PostgreSQL only."""
        return drop_oldest_month(self.session.connection(), _TABLE, before)

    def has_partition_due(self, before: datetime) -> bool:
        """Return whether a partition lies before an instant: its rows need not be deleted one by one."""
        return any(month.following.start <= before for month in list_months(self.session.connection(), _TABLE))

    def select_archived(self, before: datetime, town_id: UUID | None = None) -> Select[int]:
        """Return a statement that selects the archived commands made before an instant; of one town, or of all."""
        statement = select(ArchivedCommand.id).where(ArchivedCommand.created_at < before)
        return statement if town_id is None else statement.where(ArchivedCommand.town_id == town_id)

    def delete_archived(self, statement: Select[int], limit: int) -> int:
        """Delete up to `limit` of the archived commands that a statement of `select_archived` selects. Returns how many."""
        ids = list(self.session.scalars(statement.order_by(ArchivedCommand.created_at, ArchivedCommand.id).limit(limit)))
        self._delete(ArchivedCommand, ArchivedCommand.id.in_(ids))
        return len(ids)

    def select_authors(self, town_id: UUID, before: datetime) -> Select[int]:
        """Return a statement that selects the archived commands of a town, made before an instant, that name a reason or a person."""
        return self.select_archived(before, town_id).where(_IS_BY_A_PERSON)

    def clear_authors(self, town_id: UUID, before: datetime) -> None:
        """Erase reason and author of the archived commands of a town that were made before an instant."""
        due: ColumnElement[bool] = (ArchivedCommand.town_id == town_id) & (ArchivedCommand.created_at < before) & _IS_BY_A_PERSON
        statement = update(ArchivedCommand).where(due).values(reason=None, requested_by=None, requested_by_name="")
        self.session.execute(statement.execution_options(**_NO_SYNC))

    def list_archived(
        self, tablet_id: UUID, page: PageRequest, source: int, without: str | None = None
    ) -> list[tuple[tuple[KeyPart, ...], tuple[ArchivedCommand]]]:
        """Return the archived commands of a tablet with their keysets (instant, source, id), newest first, over all its generations.

        Those given by an actor `without` are left out.
        """
        changed_at = func.coalesce(ArchivedCommand.finished_at, ArchivedCommand.sent_at, ArchivedCommand.created_at)
        of_tablet = select(DeviceEnrollment.id).where(DeviceEnrollment.tablet_id == tablet_id)
        statement = select(ArchivedCommand).where(ArchivedCommand.enrollment_id.in_(of_tablet))
        if without is not None:
            statement = statement.where(ArchivedCommand.requested_by_name != without)
        return fetch_keyed_rows(self.session, statement, page, changed_at, literal(source), ArchivedCommand.id, descending=True)

    def _delete(self, model: Any, condition: Any) -> None:
        self.session.execute(delete(model).where(condition).execution_options(**_NO_SYNC))


def _select_due(ended_before: datetime, unanswered_before: datetime) -> Select[int]:
    newest = select(func.max(QueuedCommand.id)).scalar_subquery()
    is_settled = QueuedCommand.sent_at.is_(None) | exists().where(CommandResult.command_id == QueuedCommand.id)
    return (
        select(QueuedCommand.id)
        .where(QueuedCommand.created_at < ended_before, QueuedCommand.state.not_in(OPEN_STATES), QueuedCommand.id < newest)
        .where(QueuedCommand.finished_at < ended_before, is_settled | (QueuedCommand.finished_at < unanswered_before))
        .order_by(QueuedCommand.created_at, QueuedCommand.id)
    )


def _list_months_between(first: datetime, last: datetime) -> list[Month]:
    months = [Month.of(first)]
    while months[-1] < Month.of(last):
        months.append(months[-1].following)
    return months
