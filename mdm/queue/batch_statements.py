"""The channel's set-based SQL on commands: apply results, select the next command, mark as sent.

Each method is one statement for any number of enrollments. Written as SQL text, since they run for every connect request
of every tablet. The two dialects differ only in how a set of rows is passed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session
from sqlalchemy.types import LargeBinary

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Json, UtcDateTime
from mdm.protocol.commands.registry import COMMANDS
from mdm.queue.models import CommandState

_IDS = {"id": "bigint"}
_REPORTED = {"id": "bigint", "nonce": "bigint", "enrollment_id": "bigint", "state": "text", "state_reason": "text"}
_ENDED = {"id": "bigint", "state": "text", "state_reason": "text"}

#: An Idle request starts a conversation and offers again what the tablet put off with NotNow; a result continues it. What is put off
#: within a conversation waits for the next one, and what was put off before is queued again when one starts.
DELIVERABLE_AT_START = "'queued', 'sent', 'not_now'"
DELIVERABLE_DURING = "'queued', 'sent'"

#: The first open command of the enrollment `e`, by lane, then age.
_FIRST_OPEN = """
SELECT {columns} FROM command q
WHERE q.enrollment_id = e.id AND q.state IN ({states})
  AND q.deadline > :now AND (q.not_before IS NULL OR q.not_before <= :now) AND q.generation = e.generation
ORDER BY q.lane, q.id LIMIT 1
"""
#: It as the table `c` of a join. On PostgreSQL the limit also keeps the planner from beginning with the commands.
_FIRST_OPEN_AS_TABLE = {
    "postgresql": "LATERAL ("
    + _FIRST_OPEN.replace("{columns}", "q.id, q.body_id, q.state, q.lane, q.delivery_count")
    + ") c ON true",
    "sqlite": "command c ON c.id = (" + _FIRST_OPEN.replace("{columns}", "q.id") + ")",
}
#: `LEFT JOIN`, though each command has a body: the planner must not begin with the body either, and read its commands on all tablets.
_SELECT_NEXT = """
SELECT e.id, c.id, c.body_id, c.state, c.lane, c.delivery_count, b.nonce, b.request_type
FROM {requested} JOIN device_enrollment e ON e.id = requested.id JOIN {first}
LEFT JOIN command_body b ON b.id = c.body_id
"""
#: A result changes only an open command of the reporting enrollment whose nonce matches. A command that is put off is
#: superseded when an equal one waits already. `state || ''` keeps the planner from the index of open rows, and the nonce as a
#: subquery from the commands of a body, which all tablets that were enqueued together have in common: the primary key is the right one here.
_APPLY_REPORTED = """
UPDATE command SET state_reason = reported.state_reason,
    finished_at = CASE WHEN reported.state = 'not_now' AND NOT EXISTS ({equal}) THEN NULL ELSE :now END,
    delivery_count = CASE WHEN reported.state = 'not_now' THEN 0 ELSE command.delivery_count END,
    state = CASE WHEN reported.state = 'not_now' AND EXISTS ({equal}) THEN 'superseded' ELSE reported.state END
FROM {reported}
WHERE command.id = reported.id AND command.enrollment_id = reported.enrollment_id
  AND command.state || '' IN ('queued', 'sent', 'not_now') AND ({nonce}) = reported.nonce
RETURNING command.id, command.town_id, command.state,
    (SELECT t.request_type FROM command_body t WHERE t.id = command.body_id) AS request_type
"""
_NONCE = "SELECT b.nonce FROM command_body b WHERE b.id = command.body_id"
_EQUAL_WAITING = """
SELECT 1 FROM command o WHERE o.enrollment_id = command.enrollment_id AND o.dedupe_key = command.dedupe_key
AND o.state IN ('queued', 'not_now') AND o.id <> command.id"""
#: Only an open command is sent or ended: another session may have cancelled, superseded or answered it meanwhile.
_MARK_SENT = """
UPDATE command SET state = 'sent', sent_at = :now, delivery_count = delivery_count + 1
FROM {sent} WHERE command.id = sent.id AND command.state || '' IN ('queued', 'sent', 'not_now')
RETURNING command.id
"""
_QUEUE_AGAIN = """
UPDATE command SET state = 'queued' FROM {requested} WHERE command.enrollment_id = requested.id AND command.state = 'not_now'
"""
_END = """
UPDATE command SET state = ended.state, state_reason = ended.state_reason, finished_at = :now
FROM {ended} WHERE command.id = ended.id AND command.state || '' IN ('queued', 'sent', 'not_now')
"""
#: The commands of late results: ended before, by a deadline or by the server, and without a result so far.
_SELECT_UNANSWERED = """
SELECT command.id FROM {reported}
JOIN command ON command.id = reported.id AND command.enrollment_id = reported.enrollment_id
LEFT JOIN command_result r ON r.command_id = command.id
WHERE command.state || '' NOT IN ('queued', 'sent', 'not_now') AND r.command_id IS NULL AND ({nonce}) = reported.nonce
"""
_SAVE_RESULTS = """
INSERT INTO command_result (command_id, status, received_at, error_chain, body, town_id)
{rows}
{condition}ON CONFLICT (command_id) DO UPDATE SET status = excluded.status, received_at = excluded.received_at,
    error_chain = excluded.error_chain, body = excluded.body
"""
#: A result has the town of its command: of one that the same statement ends, or of one that had ended before.
_FINAL = "JOIN applied AS owner ON owner.id = results.command_id WHERE owner.state IN ('acknowledged', 'failed', 'rejected')\n"
_LATE = {"postgresql": "JOIN command AS owner ON owner.id = results.command_id\n", "sqlite": ""}
#: PostgreSQL: states and results in one statement.
_APPLY_AND_SAVE = "WITH applied AS ({apply}), saved AS ({save}) SELECT id, state, request_type FROM applied"
_RESULT_ROWS = {
    "postgresql": "SELECT results.*, owner.town_id FROM unnest(CAST(:command_id AS bigint[]), CAST(:status AS text[]),"
    " CAST(:received_at AS timestamptz[]), CAST(:error_chain AS jsonb[]), CAST(:body AS bytea[]))"
    " AS results(command_id, status, received_at, error_chain, body)",
    "sqlite": "SELECT :command_id, :status, :received_at, :error_chain, :body, town_id FROM command WHERE id = :command_id",
}


@dataclass(frozen=True, slots=True)
class DeliveryCandidate:
    """The first open command of an enrollment, before it is checked whether it may be delivered."""

    enrollment_id: int
    command_id: int
    body_id: int
    state: CommandState
    lane: int
    delivery_count: int
    nonce: int
    request_type: str


@dataclass(frozen=True, slots=True)
class ReportedState:
    """The state that a tablet's result gives to a command. `nonce` and `enrollment_id` must match the stored command."""

    command_id: int
    nonce: int
    enrollment_id: int
    state: CommandState
    state_reason: str | None


class ResultRow(TypedDict):
    """A result as it is stored. `body` is the property list as received, compressed (zlib)."""

    command_id: int
    status: str
    received_at: datetime
    error_chain: list[dict[str, Any]] | None
    body: bytes | None


class AppliedState(NamedTuple):
    """The state that a command has after a result, and its type."""

    state: CommandState
    request_type: str

    @property
    def is_final(self) -> bool:
        """Whether the command has ended with this result."""
        return self.state in (CommandState.ACKNOWLEDGED, CommandState.FAILED, CommandState.REJECTED)

    @property
    def is_handled(self) -> bool:
        """Whether the worker has something to do with the result."""
        return self.state is not CommandState.ACKNOWLEDGED or COMMANDS[self.request_type].acknowledgement_is_handled


class BatchStatements:
    """The statements, bound to one session."""

    def __init__(self, session: Session) -> None:
        self.connection = session.connection()
        self.dialect = self.connection.dialect.name
        self.statements = _get_statements(self.dialect)

    def select_next_commands(
        self, enrollment_ids: Sequence[int], now: datetime, *, starts_conversation: bool
    ) -> list[DeliveryCandidate]:
        """Return the first open command of each enrollment that has one."""
        if not enrollment_ids:
            return []
        name = "next_at_start" if starts_conversation else "next_during"
        rows = self._execute(name, "requested", _IDS, [(enrollment_id,) for enrollment_id in enrollment_ids], now)
        return [
            DeliveryCandidate(enrollment_id, command_id, body_id, CommandState(state), *rest)
            for enrollment_id, command_id, body_id, state, *rest in rows
        ]

    def apply_results(
        self, reported: Sequence[ReportedState], results: Sequence[ResultRow], now: datetime
    ) -> dict[int, AppliedState]:
        """Update the open commands that match, and store the results of those that have ended. `results` has one for each of `reported`.

        Returns the new states by command id; commands that match nothing are absent.
        """
        values = {**build_parameters(self.dialect, "reported", _REPORTED, _build_reported_rows(reported)), "now": now}
        if self.dialect == "postgresql":
            rows = self.connection.execute(self.statements["apply_and_save"], {**values, **_build_result_columns(results)}).all()
        else:
            changed = self.connection.execute(self.statements["apply_reported"], values)
            rows = changed.columns("id", "state", "request_type").all()
        applied = {command_id: AppliedState(CommandState(state), request_type) for command_id, state, request_type in rows}
        if self.dialect != "postgresql":
            self.save_results([row for row in results if row["command_id"] in applied and applied[row["command_id"]].is_final])
        return applied

    def list_unanswered(self, reported: Sequence[ReportedState]) -> list[int]:
        """Return the ids of those commands that match, had ended before, and have no result yet."""
        values = build_parameters(self.dialect, "reported", _REPORTED, _build_reported_rows(reported))
        return list(self.connection.execute(self.statements["unanswered"], values).scalars())

    def end_commands(self, ended: Sequence[tuple[int, CommandState, str]], now: datetime) -> None:
        """End commands that must not be delivered; each is (command id, final state, reason)."""
        values = [(command_id, state.value, reason) for command_id, state, reason in ended]
        self._execute("end", "ended", _ENDED, values, now)

    def save_results(self, rows: Sequence[ResultRow]) -> None:
        """Insert or replace results."""
        if rows:
            values: Any = _build_result_columns(rows) if self.dialect == "postgresql" else rows
            self.connection.execute(self.statements["save_results"], values)

    def mark_sent(self, command_ids: Sequence[int], now: datetime) -> set[int]:
        """Set those of the commands that are still open to sent and count the delivery. Returns their ids."""
        rows = self._execute("mark_sent", "sent", _IDS, [(command_id,) for command_id in command_ids], now)
        return set(rows.scalars())

    def queue_postponed_again(self, enrollment_ids: Sequence[int], now: datetime) -> None:
        """Queue again what the tablets of these enrollments put off in earlier conversations, so that this one offers all of it."""
        self._execute("queue_again", "requested", _IDS, [(enrollment_id,) for enrollment_id in enrollment_ids], now)

    def _execute(self, name: str, alias: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], now: datetime) -> Any:
        return self.connection.execute(
            self.statements[name], {**build_parameters(self.dialect, alias, columns, rows), "now": now}
        )


def _build_result_columns(rows: Sequence[ResultRow]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in ResultRow.__annotations__}  # type: ignore[literal-required]
    columns["error_chain"] = [None if chain is None else json.dumps(chain) for chain in columns["error_chain"]]
    return columns


def _build_reported_rows(reported: Sequence[ReportedState]) -> list[tuple[Any, ...]]:
    return [(r.command_id, r.nonce, r.enrollment_id, r.state.value, r.state_reason) for r in reported]


def build_first_open(dialect: str, states: str) -> str:
    """Return the SQL of a table `c` to join: of each enrollment `e` the first command in one of these states that may be delivered at `:now`."""
    return _FIRST_OPEN_AS_TABLE[dialect].format(states=states)


def _build_statements(dialect: str) -> dict[str, Any]:
    now = bindparam("now", type_=UtcDateTime())

    def bind_statement(template: str, alias: str, columns: dict[str, str], **parts: str) -> Any:
        return text(template.format(**{alias: build_table_sql(dialect, alias, columns)}, **parts)).bindparams(now)

    save_results = text(_SAVE_RESULTS.format(rows=_RESULT_ROWS[dialect], condition=_LATE[dialect]))
    if dialect == "sqlite":
        types: dict[str, Any] = {"received_at": UtcDateTime(), "error_chain": Json, "body": LargeBinary()}
        save_results = save_results.bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    apply_reported = _APPLY_REPORTED.format(
        reported=build_table_sql(dialect, "reported", _REPORTED), equal=_EQUAL_WAITING, nonce=_NONCE
    )
    save_applied = _SAVE_RESULTS.format(rows=_RESULT_ROWS[dialect], condition=_FINAL)
    return {
        "next_at_start": bind_statement(_SELECT_NEXT, "requested", _IDS, first=build_first_open(dialect, DELIVERABLE_AT_START)),
        "next_during": bind_statement(_SELECT_NEXT, "requested", _IDS, first=build_first_open(dialect, DELIVERABLE_DURING)),
        "apply_reported": text(apply_reported).bindparams(now),
        "apply_and_save": text(_APPLY_AND_SAVE.format(apply=apply_reported, save=save_applied)).bindparams(now),
        "queue_again": text(_QUEUE_AGAIN.format(requested=build_table_sql(dialect, "requested", _IDS))),
        "end": bind_statement(_END, "ended", _ENDED),
        "mark_sent": bind_statement(_MARK_SENT, "sent", _IDS),
        "unanswered": text(_SELECT_UNANSWERED.format(reported=build_table_sql(dialect, "reported", _REPORTED), nonce=_NONCE)),
        "save_results": save_results,
    }


_STATEMENTS_BY_DIALECT: dict[str, dict[str, Any]] = {}


def _get_statements(dialect: str) -> dict[str, Any]:
    if dialect not in _STATEMENTS_BY_DIALECT:
        _STATEMENTS_BY_DIALECT[dialect] = _build_statements(dialect)
    return _STATEMENTS_BY_DIALECT[dialect]
