"""The outbox: what must happen after a commit, written in the same transaction and drained by the worker.

The row is the job; a broker message only wakes the worker. Waiting rows with equal (topic, key) coalesce into one: of their two
times the earlier is kept, of their two lanes the more urgent. This module is the only place that adds rows, and the only one that
spells a key; `outbox_leases` gives them to workers, `outbox_figures` counts them.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    SmallInteger,
    String,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Base, BigKey, EnumText, UtcDateTime, get_insert
from cartable.tracing import TRACEPARENT_LENGTH, get_traceparent


class Topic(StrEnum):
    """The kinds of jobs. Each has one handler, registered in `mdm.worker.handlers`."""

    PUSH = "push"  # key: enrollment id
    COMMAND_RESULT = "command_result"  # key: command id; parse a stored result and apply its effects
    MODES = "modes"  # key: town id; bring its tablets whose mode is due into their next mode
    RECONCILE = "reconcile"  # key: tablet id; compare desired and reported state, enqueue what is missing
    ENROLLED = "enrolled"  # key: enrollment id; its enrollment has just been completed
    ADE_SYNC = "ade_sync"  # key: device management server id; synchronise with Automated Device Enrollment
    LICENCE_SYNC = "licence_sync"  # key: content token id; synchronise with Apps and Books
    APPLE_SCHOOL_MANAGER_SYNC = "apple_school_manager_sync"  # key: town id; read which devices the organisation owns
    FILTER_LISTS = "filter_lists"  # key: town id; fetch its filter lists from the operator's mirror
    ALARM = "alarm"  # key: alarm id; decide who is written to
    ACCOUNT_LINK = "account_link"  # key: link id; mail it to the owner of the account
    APP_REQUEST = "app_request"  # key: request id; decide who is written to about it
    APP_REQUEST_MAIL = "app_request_mail"  # key: request and account; mail the request to who decides, or the answer to who asked
    AUDIT_ROOT = "audit_root"  # key: always the same; post the newest daily root of the audit trail
    NOTICE = "notice"  # key: notice id; send it by mail or webhook
    RENEW_CERTIFICATE = "renew_certificate"  # key: enrollment id; its identity certificate is due for renewal
    TIMELINE = "timeline"  # key: always the same; an order that cannot be taken back was given or withdrawn


class JobLane(IntEnum):
    """Priority of a job: of the due jobs of a topic, those of the lowest lane run first, however many wait in the others."""

    URGENT = 0  # a person waits for it: a lost tablet, an erase, an enrollment
    NORMAL = 1
    BACKGROUND = 2  # what concerns the fleet: the change of mode at 08:20, a policy for a whole town


_WAITING = text("lease_until IS NULL AND parked_at IS NULL")


class OutboxRow(Base):
    """One job. `lease_until` is set while a worker executes it, and `leased_by` names the worker; a crashed worker's lease expires.

    `parked_at` is set when a job has failed `MAX_ATTEMPTS` times: no worker takes it until it is released, by a person or by a new
    reason to run it.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    topic: Mapped[Topic] = mapped_column(EnumText(Topic))
    key: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any] | None]
    lane: Mapped[int] = mapped_column(SmallInteger, default=JobLane.NORMAL, server_default="1")
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    parked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(500))
    #: The trace of the act that caused the job, when traces are on: of the first of those that coalesced.
    traceparent: Mapped[str | None] = mapped_column(String(TRACEPARENT_LENGTH))
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
        # A claim reads one lane of one topic in order, so its cost does not depend on what waits in the others.
        Index(
            "ix_outbox_due",
            "topic",
            "lane",
            "not_before",
            "id",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index(
            "ix_outbox_leased",
            "lease_until",
            sqlite_where=lease_until.is_not(None),
            postgresql_where=lease_until.is_not(None),
        ),
    )


_COLUMNS = ["topic", "key", "lane", "not_before", "created_at", "attempts", "traceparent"]
_KEY_COLUMNS = {"key": "text"}
_SELECT_NEW_JOBS = (
    "SELECT CAST(:topic AS text), key, CAST(:lane AS integer), CAST(:not_before AS {instant}), CAST(:now AS {instant}), 0,"
    " CAST(:traceparent AS text) FROM {keys} WHERE true"
)


def enqueue_jobs(
    session: Session,
    now: datetime,
    topic: Topic,
    keys: list[str],
    *,
    not_before: datetime | None = None,
    lane: JobLane = JobLane.NORMAL,
) -> None:
    """Add a job of `topic` for each of `keys`; it runs after the commit. Equal waiting jobs become one."""
    if not keys:
        return
    dialect = session.get_bind().dialect.name
    values = build_parameters(dialect, "keys", _KEY_COLUMNS, [(key,) for key in sorted(set(keys))])
    session.connection().execute(
        _build_enqueue_statement(dialect),
        {
            **values,
            "topic": topic.value,
            "lane": int(lane),
            "not_before": not_before or now,
            "now": now,
            "traceparent": get_traceparent(),
        },
    )


def enqueue_selected_jobs(
    session: Session,
    now: datetime,
    topic: Topic,
    keys: Select[Any],
    *,
    not_before: datetime | None = None,
    lane: JobLane = JobLane.NORMAL,
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
            literal(int(lane), type_=OutboxRow.__table__.c.lane.type),
            literal(not_before or now, type_=instants),
            literal(now, type_=instants),
            literal(0),
            literal(get_traceparent(), type_=String()),
        )
        .where(literal(1) == 1)  # without a WHERE, SQLite reads ON CONFLICT as a join condition
        .order_by(key)  # two transactions that add the same jobs lock them in the same order
    )
    session.execute(_merge_with_waiting(get_insert(dialect)(OutboxRow).from_select(_COLUMNS, source)))


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


@cache
def _build_enqueue_statement(dialect: str) -> Any:
    """Build the statement that adds any number of jobs. It is cached, because every command result adds a job."""
    key_rows = text(
        _SELECT_NEW_JOBS.format(
            instant="timestamptz" if dialect == "postgresql" else "text", keys=build_table_sql(dialect, "keys", _KEY_COLUMNS)
        )
    ).bindparams(bindparam("not_before", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime()))
    source = key_rows.columns(*(column(name) for name in _COLUMNS))
    return _merge_with_waiting(get_insert(dialect)(OutboxRow).from_select(_COLUMNS, source))


def _merge_with_waiting(statement: Any) -> Any:
    """Complete an INSERT: where an equal job is already waiting, the earlier of the two times and the more urgent lane are kept.

    Otherwise a job that is due in an hour would delay an urgent one. A parked job is released: what has changed may have ended
    what it failed for.
    """
    new, lane = statement.excluded.not_before, statement.excluded.lane
    parked = OutboxRow.parked_at.is_not(None)
    return statement.on_conflict_do_update(
        index_elements=["topic", "key"],
        index_where=OutboxRow.lease_until.is_(None),
        set_={
            "not_before": case((parked, new), (OutboxRow.not_before <= new, OutboxRow.not_before), else_=new),
            "lane": case((OutboxRow.lane <= lane, OutboxRow.lane), else_=lane),
            "attempts": case((parked, 0), else_=OutboxRow.attempts),
            "parked_at": null(),
            "traceparent": func.coalesce(OutboxRow.traceparent, statement.excluded.traceparent),
        },
    )
