"""The outbox: what must happen after a commit, written in the same transaction and drained by the worker.

The row is the job; a broker message only wakes the worker. Waiting rows with equal (topic, key) coalesce into one, and of their two
times the earlier is kept. This module is the only place that writes the table, and the only one that spells a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    String,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    null,
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
    ALARM = "alarm"  # key: alarm id; send it to addresses outside the system
    RENEW_CERTIFICATE = "renew_certificate"  # key: enrollment id; its identity certificate is due for renewal
    TIMELINE = "timeline"  # key: always the same; an order that cannot be taken back was given or withdrawn


class OutboxRow(Base):
    """One job. `lease_until` is set while a worker executes it; the lease of a crashed worker expires.

    `parked_at` is set when a job has failed `MAX_ATTEMPTS` times: no worker takes it until it is released, by a person or by a new
    reason to run it.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    topic: Mapped[Topic] = mapped_column(EnumText(Topic))
    key: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any] | None]
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    parked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
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


#: A job that has failed so many times is parked: about 73 minutes after the first failure.
MAX_ATTEMPTS = 12
LONGEST_DELAY = timedelta(hours=1)
_COLUMNS = ["topic", "key", "not_before", "created_at", "attempts"]
_KEY_COLUMNS = {"key": "text"}
_SELECT_NEW_JOBS = (
    "SELECT CAST(:topic AS text), key, CAST(:not_before AS {instant}), CAST(:now AS {instant}), 0 FROM {keys} WHERE true"
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


def enqueue_selected_jobs(
    session: Session, now: datetime, topic: Topic, keys: Select[Any], *, not_before: datetime | None = None
) -> None:
    """Add a job of `topic` for each row of `keys`, a statement that selects one column of ids, without fetching them."""
    dialect = session.get_bind().dialect.name
    selected = keys.distinct().subquery()
    key = _spell_key(next(iter(selected.c)), dialect)
    instants = OutboxRow.__table__.c.not_before.type
    source = (
        select(
            literal(topic, type_=OutboxRow.__table__.c.topic.type),
            key,
            literal(not_before or now, type_=instants),
            literal(now, type_=instants),
            literal(0),
        )
        .where(literal(1) == 1)  # without a WHERE, SQLite reads ON CONFLICT as a join condition
        .order_by(key)  # two transactions that add the same jobs lock them in the same order
    )
    session.execute(_keep_earlier_time(_insert(dialect)(OutboxRow).from_select(_COLUMNS, source)))


def _spell_key(column: ColumnElement[Any], dialect: str) -> ColumnElement[str]:
    """Build the expression of a job's key, spelled as `str()` spells the id in Python: SQLite stores a UUID as 32 hex digits."""
    if dialect != "sqlite" or not isinstance(column.type, Uuid):
        return cast(column, String)
    digits = type_coerce(column, String)
    parts = [func.substr(digits, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    spelled: ColumnElement[str] = parts[0]
    for part in parts[1:]:
        spelled = spelled.concat("-").concat(part)
    return spelled


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


@cache
def _build_enqueue_statement(dialect: str) -> Any:
    """Build the statement that adds any number of jobs. It is cached, because every command result adds a job."""
    key_rows = text(
        _SELECT_NEW_JOBS.format(
            instant="timestamptz" if dialect == "postgresql" else "text", keys=build_table_sql(dialect, "keys", _KEY_COLUMNS)
        )
    ).bindparams(bindparam("not_before", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime()))
    source = key_rows.columns(*(column(name) for name in _COLUMNS))
    return _keep_earlier_time(_insert(dialect)(OutboxRow).from_select(_COLUMNS, source))


def _keep_earlier_time(statement: Any) -> Any:
    """Complete an INSERT: where an equal job is already waiting, the earlier of the two times is kept.

    Otherwise a job that is due in an hour would delay an urgent one. A parked job is released: what has changed may have ended
    what it failed for.
    """
    new = statement.excluded.not_before
    parked = OutboxRow.parked_at.is_not(None)
    return statement.on_conflict_do_update(
        index_elements=["topic", "key"],
        index_where=OutboxRow.lease_until.is_(None),
        set_={
            "not_before": case((parked, new), (OutboxRow.not_before <= new, OutboxRow.not_before), else_=new),
            "attempts": case((parked, 0), else_=OutboxRow.attempts),
            "parked_at": null(),
        },
    )


def claim_jobs(session: Session, now: datetime, topic: Topic, limit: int, lease: timedelta) -> list[OutboxRow]:
    """Lease up to `limit` due jobs of `topic` for `lease`, oldest first, and return them. Two workers never get the same job."""
    due = (
        select(OutboxRow.id)
        .where(OutboxRow.topic == topic, OutboxRow.not_before <= now, OutboxRow.parked_at.is_(None))
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


def complete_jobs(session: Session, rows: list[OutboxRow]) -> None:
    """Delete jobs that are finished."""
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])))


def record_failure(session: Session, row_id: int, now: datetime, why: str) -> bool:
    """Postpone a job that failed, longer each time; after `MAX_ATTEMPTS` park it. Return whether it is parked now."""
    row = session.get(OutboxRow, row_id)
    if row is None or not _postpone(session, row, now + min(timedelta(seconds=2**row.attempts), LONGEST_DELAY), why):
        return False
    if row.attempts >= MAX_ATTEMPTS:
        row.parked_at = now
    return row.parked_at is not None


def postpone_job(session: Session, row_id: int, retry_at: datetime, why: str) -> None:
    """Let a job wait until `retry_at` because a service outside could not be reached. It is never parked: nothing is wrong with it."""
    row = session.get(OutboxRow, row_id)
    if row is not None:
        _postpone(session, row, retry_at, why)


def _postpone(session: Session, row: OutboxRow, retry_at: datetime, why: str) -> bool:
    """Give a leased job back and return True. If an equal one is waiting meanwhile, it takes over at the earlier of both times."""
    waiting = session.scalar(
        select(OutboxRow)
        .where(OutboxRow.topic == row.topic, OutboxRow.key == row.key, OutboxRow.lease_until.is_(None), OutboxRow.id != row.id)
        .with_for_update()
    )
    if waiting is not None:
        waiting.not_before = min(waiting.not_before, retry_at)
        session.delete(row)
        return False
    row.lease_until, row.last_error, row.not_before = None, why[:500], retry_at
    return True


def count_parked_jobs(session: Session) -> dict[Topic, int]:
    """Return how many jobs of each topic are parked; topics without any are left out."""
    statement = select(OutboxRow.topic, func.count()).where(OutboxRow.parked_at.is_not(None)).group_by(OutboxRow.topic)
    return {row[0]: row[1] for row in session.execute(statement)}


def list_parked_jobs(session: Session, limit: int = 100) -> Sequence[OutboxRow]:
    """Return parked jobs with the reason of each, the oldest first."""
    statement = select(OutboxRow).where(OutboxRow.parked_at.is_not(None)).order_by(OutboxRow.parked_at, OutboxRow.id).limit(limit)
    return session.scalars(statement).all()


def release_parked_jobs(session: Session, now: datetime, topic: Topic | None = None) -> dict[Topic, int]:
    """Let parked jobs (of `topic`, or all) run again at once, and return how many of each topic were released."""
    conditions = [OutboxRow.parked_at.is_not(None)] + ([OutboxRow.topic == topic] if topic else [])
    statement = (
        update(OutboxRow)
        .where(*conditions)
        .values(parked_at=None, attempts=0, not_before=now)
        .returning(OutboxRow.topic)
        .execution_options(synchronize_session=False)
    )
    return dict(Counter(session.scalars(statement)))


def get_oldest_due(session: Session, now: datetime) -> datetime | None:
    """Return since when the oldest due job has been waiting; None when no job is due."""
    return session.scalar(
        select(func.min(OutboxRow.not_before)).where(
            OutboxRow.not_before <= now, OutboxRow.lease_until.is_(None), OutboxRow.parked_at.is_(None)
        )
    )
