"""The outbox: what must happen after a commit, written in the same transaction and drained by the worker.

A row is the job; the broker is only a bell. Equal (topic, key) rows that wait coalesce into one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Index, String, bindparam, case, column, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Base, BigKey, EnumText, UtcDateTime


class Topic(StrEnum):
    """What the worker can be asked to do. One handler each, registered in `mdm.worker.handlers`."""

    PUSH = "push"  # key: enrollment id
    COMMAND_RESULT = "answer"  # key: command id; read a stored answer and apply its effects
    RECONCILE = "decide"  # key: tablet id; desired minus reported
    ENROLLED = "checked_in"  # key: enrollment id; it has just become enrolled
    ADE_SYNC = "assignment"  # key: device-assignment server id; compare with Apple's list
    LICENCE_SYNC = "licences"  # key: town id; compare with Apps and Books
    APPLE_SCHOOL_MANAGER_SYNC = "organisation"  # key: town id; read which devices its organisation owns
    RENEW_CERTIFICATE = "renew"  # key: enrollment id; its certificate is due


class OutboxRow(Base):
    """One job. `lease_until` is set while a worker holds it; a crashed worker's lease runs out."""

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
        # A leased row no longer coalesces: what changes while a job runs needs a new run.
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
    """Ask for `topic` on each of `keys`, once after commit. Equal waiting jobs become one."""
    if not keys:
        return
    dialect = session.get_bind().dialect.name
    values = build_parameters(dialect, "keys", _KEY_COLUMNS, [(key,) for key in sorted(set(keys))])
    session.connection().execute(_build_enqueue_statement(dialect), {**values, "topic": topic.value, "not_before": not_before or now, "now": now})


_KEY_COLUMNS = {"key": "text"}
_SELECT_NEW_JOBS = "SELECT CAST(:topic AS text), key, CAST(:not_before AS {instant}), CAST(:now AS {instant}), 0 FROM {keys} WHERE true"


@cache
def _build_enqueue_statement(dialect: str) -> Any:
    """One statement for any number of jobs: every answer of every tablet leaves one."""
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    listed = text(
        _SELECT_NEW_JOBS.format(instant="timestamptz" if dialect == "postgresql" else "text", keys=build_table_sql(dialect, "keys", _KEY_COLUMNS))
    ).bindparams(bindparam("not_before", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime()))
    columns = ["topic", "key", "not_before", "created_at", "attempts"]
    return keep_earlier_time(insert(OutboxRow).from_select(columns, listed.columns(*(column(name) for name in columns))))


def keep_earlier_time(statement: Any) -> Any:
    """Complete an INSERT: where an equal job waits already, the earlier of the two times holds. A poll that is due in an
    hour must never hold back an urgent push.
    """
    new = statement.excluded.not_before
    return statement.on_conflict_do_update(
        index_elements=["topic", "key"],
        index_where=OutboxRow.lease_until.is_(None),
        set_={"not_before": case((OutboxRow.not_before <= new, OutboxRow.not_before), else_=new)},
    )


def claim_jobs(session: Session, now: datetime, topic: Topic, limit: int, lease: timedelta) -> list[OutboxRow]:
    """Take up to `limit` due rows of `topic`, oldest first, leased for `lease`. Safe between workers."""
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
    """These jobs are finished."""
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])))


def record_failure(session: Session, row_id: int, now: datetime, why: str) -> None:
    """A job did not succeed: it waits longer each time. After `MAX_ATTEMPTS` it is kept, far in the future, for a person.

    If an equal job is waiting by now, that one takes over.
    """
    row = session.get(OutboxRow, row_id)
    if row is None:
        return
    twin = session.scalar(
        select(OutboxRow.id).where(
            OutboxRow.topic == row.topic, OutboxRow.key == row.key, OutboxRow.lease_until.is_(None), OutboxRow.id != row.id
        )
    )
    if twin is not None:
        session.delete(row)
        return
    delay = timedelta(days=3650) if row.attempts >= MAX_ATTEMPTS else min(timedelta(seconds=2**row.attempts), timedelta(hours=1))
    row.lease_until, row.last_error, row.not_before = None, why[:500], now + delay


def get_oldest_due(session: Session, now: datetime) -> datetime | None:
    """Since when the oldest due job waits; None when nothing waits."""
    return session.scalar(
        select(func.min(OutboxRow.not_before)).where(OutboxRow.not_before <= now, OutboxRow.lease_until.is_(None))
    )
