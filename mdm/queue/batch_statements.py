"""The channel's batch statements on commands: settle answers, pick the next, mark as sent. Constant in number.

Written as SQL text: they run for every check-in of every tablet. The two dialects differ only in how a set
of rows is handed over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session
from sqlalchemy.types import LargeBinary

from cartable.bulk_params import build_parameters, build_table_sql
from cartable.database import Json, UtcDateTime
from mdm.queue.models import CommandState

_IDS = {"id": "bigint"}
_ANSWERED = {"id": "bigint", "nonce": "bigint", "owner": "bigint", "state": "text", "why": "text"}
_ENDED = {"id": "bigint", "state": "text", "why": "text"}

#: In a conversation that goes on, what was put off stays put off; a new one offers it again.
GOING_ON = "'queued', 'sent'"
BEGINNING = "'queued', 'sent', 'not_now'"

#: The first open command of the enrolment `e`, by lane, then age.
FIRST_OPEN = """
SELECT q.id FROM command q
WHERE q.enrollment_id = e.id AND q.state IN ({states})
  AND q.deadline > :now AND (q.not_before IS NULL OR q.not_before <= :now) AND q.generation = e.generation
ORDER BY q.lane, q.id LIMIT 1
"""
_NEXT = """
SELECT c.enrollment_id, c.id, c.body_id, c.state, c.lane, b.nonce, b.request_type
FROM command c JOIN command_body b ON b.id = c.body_id
WHERE c.id IN (SELECT ({first}) FROM {asked} JOIN device_enrollment e ON e.id = asked.id)
"""
#: An answer changes only a command of its own enrolment, made by us, that is still open. A command that is put off gives
#: way when an equal one waits already. `state || ''` keeps the planner from the index of open rows: the primary key is meant.
_SETTLE = """
UPDATE command SET why = said.why,
    finished_at = CASE WHEN said.state = 'not_now' AND NOT EXISTS ({equal}) THEN NULL ELSE :now END,
    state = CASE WHEN said.state = 'not_now' AND EXISTS ({equal}) THEN 'superseded' ELSE said.state END
FROM {said}, command_body b
WHERE command.id = said.id AND command.enrollment_id = said.owner AND command.state || '' IN ('queued', 'sent', 'not_now')
  AND b.id = command.body_id AND b.nonce = said.nonce
RETURNING command.id, command.state
"""
_EQUAL = """
SELECT 1 FROM command o WHERE o.enrollment_id = command.enrollment_id AND o.dedupe_key = command.dedupe_key
AND o.state IN ('queued', 'not_now') AND o.id <> command.id"""
_SENT = """
UPDATE command SET state = 'sent', sent_at = :now, deliveries = deliveries + 1 FROM {chosen} WHERE command.id = chosen.id
"""
_REFUSE = """
UPDATE command SET state = ended.state, why = ended.why, finished_at = :now FROM {ended} WHERE command.id = ended.id
"""
_ANSWER = """
INSERT INTO command_answer (command_id, status, received_at, error_chain, body)
{rows}
ON CONFLICT (command_id) DO UPDATE SET status = excluded.status, received_at = excluded.received_at,
    error_chain = excluded.error_chain, body = excluded.body
"""
_ANSWER_ROWS = {
    "postgresql": "SELECT * FROM unnest(CAST(:command_id AS bigint[]), CAST(:status AS text[]),"
    " CAST(:received_at AS timestamptz[]), CAST(:error_chain AS jsonb[]), CAST(:body AS bytea[]))",
    "sqlite": "VALUES (:command_id, :status, :received_at, :error_chain, :body)",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """The first open command of an enrolment."""

    enrollment_id: int
    command_id: int
    body_id: int
    state: CommandState
    lane: int
    nonce: int
    request_type: str


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer makes of a command, if it is one of the enrolment's own."""

    command_id: int
    nonce: int
    enrollment_id: int
    state: CommandState
    why: str | None


class HotQueue:
    """The batch statements, on one session."""

    def __init__(self, session: Session) -> None:
        self.connection = session.connection()
        self.dialect = self.connection.dialect.name
        self.statements = _statements(self.dialect)

    def next_for(self, enrollment_ids: Sequence[int], now: datetime, *, beginning: bool) -> list[Candidate]:
        """The first open command of each enrolment."""
        if not enrollment_ids:
            return []
        name = "next_beginning" if beginning else "next_going_on"
        rows = self._run(name, "asked", _IDS, [(number,) for number in enrollment_ids], now)
        return [Candidate(e, c, b, CommandState(s), lane, n, t) for e, c, b, s, lane, n, t in rows]

    def settle(self, said: Sequence[Said], now: datetime) -> dict[int, CommandState]:
        """Write what the answers lead to. Returns the new states of the commands that they fitted."""
        values = [(a.command_id, a.nonce, a.enrollment_id, a.state.value, a.why) for a in said]
        return {row[0]: CommandState(row[1]) for row in self._run("settle", "said", _ANSWERED, values, now).all()}

    def refuse(self, ended: Sequence[tuple[int, CommandState, str]], now: datetime) -> None:
        """End commands that must not go out: id, state, why."""
        self._run("refuse", "ended", _ENDED, [(number, state.value, why) for number, state, why in ended], now)

    def keep_answers(self, rows: list[dict[str, Any]]) -> None:
        """Keep what was answered: command_id, status, received_at, error_chain, body (zlib)."""
        if self.dialect == "postgresql":
            columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
            columns["error_chain"] = [None if chain is None else json.dumps(chain) for chain in columns["error_chain"]]
            self.connection.execute(self.statements["answer"], columns)
        else:
            self.connection.execute(self.statements["answer"], rows)

    def mark_sent(self, command_ids: Sequence[int], now: datetime) -> None:
        """These commands are in the responses of this batch."""
        self._run("sent", "chosen", _IDS, [(number,) for number in command_ids], now)

    def _run(self, name: str, alias: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], now: datetime) -> Any:
        return self.connection.execute(
            self.statements[name], {**build_parameters(self.dialect, alias, columns, rows), "now": now}
        )


def _build(dialect: str) -> dict[str, Any]:
    now = bindparam("now", type_=UtcDateTime())

    def statement(template: str, alias: str, columns: dict[str, str], **parts: str) -> Any:
        return text(template.format(**{alias: build_table_sql(dialect, alias, columns)}, **parts)).bindparams(now)

    rows = text(_ANSWER.format(rows=_ANSWER_ROWS[dialect]))
    if dialect == "sqlite":
        types: dict[str, Any] = {"received_at": UtcDateTime(), "error_chain": Json, "body": LargeBinary()}
        rows = rows.bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    return {
        "next_beginning": statement(_NEXT, "asked", _IDS, first=FIRST_OPEN.format(states=BEGINNING)),
        "next_going_on": statement(_NEXT, "asked", _IDS, first=FIRST_OPEN.format(states=GOING_ON)),
        "settle": statement(_SETTLE, "said", _ANSWERED, equal=_EQUAL),
        "refuse": statement(_REFUSE, "ended", _ENDED),
        "sent": statement(_SENT, "chosen", _IDS),
        "answer": rows,
    }


_BUILT: dict[str, dict[str, Any]] = {}


def _statements(dialect: str) -> dict[str, Any]:
    if dialect not in _BUILT:
        _BUILT[dialect] = _build(dialect)
    return _BUILT[dialect]
