"""The channel's batch statements on commands: settle answers, pick the next, mark as sent. Constant in number.

Written as SQL text: they run for every check-in of every tablet. The two dialects differ only in how a list
of values is handed over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, LargeBinary, String

from mdm.kit.db import Json, Utc
from mdm.queue.models import CommandState

_IDS = {
    "postgresql": "= ANY(:ids)",
    "sqlite": "IN (SELECT value FROM json_each(:ids))",
}

_NEXT = """
SELECT c.enrollment_id, c.id, c.body_id, c.state, c.lane, b.nonce, b.request_type
FROM command c JOIN command_body b ON b.id = c.body_id
WHERE c.id IN (
    SELECT (SELECT q.id FROM command q
            WHERE q.enrollment_id = e.id AND q.state IN ({states})
              AND q.deadline > :now AND (q.not_before IS NULL OR q.not_before <= :now) AND q.generation = e.generation
            ORDER BY q.lane, q.id LIMIT 1)
    FROM device_enrollment e WHERE e.id {ids})
"""
_ASKED = """
SELECT c.id, c.enrollment_id, c.state, b.nonce, b.request_type
FROM command c JOIN command_body b ON b.id = c.body_id WHERE c.id {ids}
"""
_SETTLE = """
UPDATE command SET finished_at = :at, why = :why, state = CASE
    WHEN :state = 'not_now' AND EXISTS (
        SELECT 1 FROM command o WHERE o.enrollment_id = command.enrollment_id AND o.dedupe_key = command.dedupe_key
        AND o.state IN ('queued', 'not_now') AND o.id <> command.id) THEN 'superseded'
    ELSE :state END
WHERE id = :id AND state IN ('queued', 'sent', 'not_now')
"""
_SENT = "UPDATE command SET state = 'sent', sent_at = :now, deliveries = deliveries + 1 WHERE id {ids}"
_REFUSE = "UPDATE command SET state = :state, why = :why, finished_at = :at WHERE id = :id"
_ANSWER = """
INSERT INTO command_answer (command_id, status, received_at, error_chain, body)
VALUES (:command_id, :status, :received_at, :error_chain, :body)
ON CONFLICT (command_id) DO UPDATE SET status = excluded.status, received_at = excluded.received_at,
    error_chain = excluded.error_chain, body = excluded.body
"""

#: In a conversation that goes on, what was put off stays put off; a new one offers it again.
_GOING_ON = "'queued', 'sent'"
_BEGINNING = "'queued', 'sent', 'not_now'"


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
class Known:
    """A command that an answer speaks of."""

    command_id: int
    enrollment_id: int
    state: CommandState
    nonce: int
    request_type: str


class HotQueue:
    """The batch statements, on one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.statements = _statements(session.get_bind().dialect.name)

    def next_for(self, enrollment_ids: Sequence[int], now: datetime, *, beginning: bool) -> list[Candidate]:
        """The first open command of each enrolment, by lane, then age."""
        if not enrollment_ids:
            return []
        statement = self.statements["next_beginning" if beginning else "next_going_on"]
        rows = self.session.execute(statement, {"ids": self._list(enrollment_ids), "now": now})
        return [Candidate(e, c, b, CommandState(s), lane, n, t) for e, c, b, s, lane, n, t in rows]

    def asked(self, command_ids: Sequence[int]) -> dict[int, Known]:
        """The commands of these numbers."""
        rows = self.session.execute(self.statements["asked"], {"ids": self._list(command_ids)})
        return {c: Known(c, e, CommandState(s), n, t) for c, e, s, n, t in rows}

    def settle(self, rows: list[dict[str, Any]]) -> None:
        """Write the states that answers lead to: id, state, at, why."""
        self.session.execute(self.statements["settle"], rows)

    def refuse(self, rows: list[dict[str, Any]]) -> None:
        """End commands that must not go out: id, state, at, why."""
        self.session.execute(self.statements["refuse"], rows)

    def keep_answers(self, rows: list[dict[str, Any]]) -> None:
        """Keep what was answered: command_id, status, received_at, error_chain, body (zlib)."""
        self.session.execute(self.statements["answer"], rows)

    def mark_sent(self, command_ids: Sequence[int], now: datetime) -> None:
        """These commands are in the responses of this batch."""
        self.session.execute(self.statements["sent"], {"ids": self._list(command_ids), "now": now})

    def _list(self, values: Sequence[int]) -> Any:
        return json.dumps(list(values)) if self.session.get_bind().dialect.name == "sqlite" else list(values)


def _build(dialect: str) -> dict[str, Any]:
    ids = _IDS[dialect]
    listed = bindparam("ids", type_=ARRAY(BigInteger) if dialect == "postgresql" else String())
    now = bindparam("now", type_=Utc())
    at = bindparam("at", type_=Utc())
    state = bindparam("state", type_=String(32))
    return {
        "next_beginning": text(_NEXT.format(ids=ids, states=_BEGINNING)).bindparams(listed, now),
        "next_going_on": text(_NEXT.format(ids=ids, states=_GOING_ON)).bindparams(listed, now),
        "asked": text(_ASKED.format(ids=ids)).bindparams(listed),
        "settle": text(_SETTLE).bindparams(at, state),
        "refuse": text(_REFUSE).bindparams(at, state),
        "sent": text(_SENT.format(ids=ids)).bindparams(listed, now),
        "answer": text(_ANSWER).bindparams(
            bindparam("received_at", type_=Utc()), bindparam("error_chain", type_=Json), bindparam("body", type_=LargeBinary())
        ),
    }


_BUILT: dict[str, dict[str, Any]] = {}


def _statements(dialect: str) -> dict[str, Any]:
    if dialect not in _BUILT:
        _BUILT[dialect] = _build(dialect)
    return _BUILT[dialect]
