"""The outbox: what must happen after a commit, written in the same transaction and drained by the worker.

The row is the job; a broker message only wakes the worker. Waiting rows with equal (topic, key) coalesce into one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, reduce
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    String,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Base, BigKey, EnumText, UtcDateTime


class Topic(StrEnum):
    """The kinds of jobs. Each has one handler, registered in `mdm.worker.handlers`."""

    PUSH = "push"  # key: enrollment id
    COMMAND_RESULT = "command_result"  # key: command id; parse a stored result and apply its effects
    RECONCILE = "reconcile"  # key: tablet id; compare desired and reported state, enqueue what is missing
    ENROLLED = "enrolled"  # key: enrollment id; its enrollment has just been completed
    ADE_SYNC = "ade_sync"  # key: device management server id; synchronise with Automated Device Enrollment
    LICENCE_SYNC = "licence_sync"  # key: town id; synchronise with Apps and Books
    APPLE_SCHOOL_MANAGER_SYNC = "apple_school_manager_sync"  # key: town id; read which devices the organisation owns
    RENEW_CERTIFICATE = "renew_certificate"  # key: enrollment id; its identity certificate is due for renewal


class OutboxRow(Base):
    """One job. `lease_until` is set while a worker executes it; the lease of a crashed worker expires."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    topic: Mapped[Topic] = mapped_column(EnumText(Topic))
    key: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any] | None]
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        # Only waiting rows coalesce: a change that happens while a job runs needs another run.
        Index(
            "uq_outbox_waiting",
            "topic",
            "key",
            unique=True,
            sqlite_where=lease_until.is_(None),
            postgresql_where=lease_until.is_(None),
        ),
        Index("ix_outbox_due", "not_before", "id"),
    )


def enqueue_jobs(session: Session, now: datetime, topic: Topic, keys: list[str], *, not_before: datetime | None = None) -> None:
    """Add a job of `topic` for each of `keys`; it runs after the commit. Equal waiting jobs become one."""
    if not keys:
        return
    dialect = session.get_bind().dialect.name
    values = build_parameters(dialect, "keys", _KEY_COLUMNS, [(key,) for key in sorted(set(keys))])
    session.connection().execute(
        _build_enqueue_statement(dialect), {**values, "topic": topic.value, "not_before": not_before or now, "now": now}
    )


_KEY_COLUMNS = {"key": "text"}
_SELECT_NEW_JOBS = (
    "SELECT CAST(:topic AS text), key, CAST(:not_before AS {instant}), CAST(:now AS {instant}), 0 FROM {keys} WHERE true"
)


@cache
def _build_enqueue_statement(dialect: str) -> Any:
    """Build the statement that adds any number of jobs. It is cached, because every command result adds a job."""
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    key_rows = text(
        _SELECT_NEW_JOBS.format(
            instant="timestamptz" if dialect == "postgresql" else "text", keys=build_table_sql(dialect, "keys", _KEY_COLUMNS)
        )
    ).bindparams(bindparam("not_before", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime()))
    columns = ["topic", "key", "not_before", "created_at", "attempts"]
    return keep_earlier_time(insert(OutboxRow).from_select(columns, key_rows.columns(*(column(name) for name in columns))))


def enqueue_selected_jobs(session: Session, now: datetime, topic: Topic, keys: Select[UUID]) -> None:
    """Ask for `topic` on every key that a statement selects, in one statement. Equal waiting jobs become one."""
    dialect = session.get_bind().dialect.name
    selected = keys.subquery()
    key = _spell_uuid(next(iter(selected.c)), dialect)
    instant = bindparam(None, now, type_=OutboxRow.__table__.c.not_before.type, unique=True)
    topic_value = bindparam(None, topic, type_=OutboxRow.__table__.c.topic.type, unique=True)
    # SQLite needs a WHERE here, or it reads ON CONFLICT as a join condition.
    source = select(topic_value, key, instant, instant, literal(0)).where(literal(1) == 1)
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    columns = ["topic", "key", "not_before", "created_at", "attempts"]
    session.execute(keep_earlier_time(insert(OutboxRow).from_select(columns, source)))


def _spell_uuid(column: ColumnElement[Any], dialect: str) -> ColumnElement[str]:
    """The text of a UUID column as Python spells it: SQLite stores it without hyphens."""
    if dialect == "postgresql":
        return cast(column, String)
    digits = type_coerce(column, String)
    parts = [func.substr(digits, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return reduce(lambda text, part: text.concat("-").concat(part), parts)


def keep_earlier_time(statement: Any) -> Any:
    """Complete an INSERT: where an equal job is already waiting, the earlier of the two times is kept.

    Otherwise a job that is due in an hour would delay an urgent one.
    """
    new = statement.excluded.not_before
    return statement.on_conflict_do_update(
        index_elements=["topic", "key"],
        index_where=OutboxRow.lease_until.is_(None),
        set_={"not_before": case((OutboxRow.not_before <= new, OutboxRow.not_before), else_=new)},
    )


def claim_jobs(session: Session, now: datetime, topic: Topic, limit: int, lease: timedelta) -> list[OutboxRow]:
    """Lease up to `limit` due jobs of `topic` for `lease`, oldest first, and return them. Two workers never get the same job."""
    due = (
        select(OutboxRow.id)
        .where(OutboxRow.topic == topic, OutboxRow.not_before <= now)
        .where((OutboxRow.lease_until.is_(None)) | (OutboxRow.lease_until < now))
        .order_by(OutboxRow.not_before, OutboxRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(OutboxRow)
        .where(OutboxRow.id.in_(due))
        .values(lease_until=now + lease, attempts=OutboxRow.attempts + 1)
        .returning(OutboxRow)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.scalars(statement), key=lambda row: row.id)


MAX_ATTEMPTS = 12


def complete_jobs(session: Session, rows: list[OutboxRow]) -> None:
    """Delete jobs that are finished."""
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])))


def record_failure(session: Session, row_id: int, now: datetime, why: str) -> None:
    """Postpone a job that failed, longer each time. After `MAX_ATTEMPTS` it is kept far in the future, for a person to see.

    If an equal job is waiting meanwhile, the failed one is deleted.
    """
    row = session.get(OutboxRow, row_id)
    if row is None:
        return
    waiting_id = session.scalar(
        select(OutboxRow.id).where(
            OutboxRow.topic == row.topic, OutboxRow.key == row.key, OutboxRow.lease_until.is_(None), OutboxRow.id != row.id
        )
    )
    if waiting_id is not None:
        session.delete(row)
        return
    delay = timedelta(days=3650) if row.attempts >= MAX_ATTEMPTS else min(timedelta(seconds=2**row.attempts), timedelta(hours=1))
    row.lease_until, row.last_error, row.not_before = None, why[:500], now + delay


def get_oldest_due(session: Session, now: datetime) -> datetime | None:
    """Return since when the oldest due job has been waiting; None when no job is due."""
    return session.scalar(
        select(func.min(OutboxRow.not_before)).where(OutboxRow.not_before <= now, OutboxRow.lease_until.is_(None))
    )
