"""The results that tablets report for commands: stored, with the new states of their commands. What a result means is decided by the worker."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

import structlog

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.channel.connect_requests import ConnectRequest
from mdm.channel.limits import MAX_RESULT_BYTES
from mdm.queue.batch_statements import BatchStatements, ReportedState, ResultRow
from mdm.queue.models import CommandState
from mdm.queue.rules import STATE_BY_STATUS, UNREADABLE_ANSWER, UNREADABLE_STATUS, parse_command_uuid

log = structlog.get_logger()
#: Characters of a text in an error chain, and bytes of an unreadable answer, that are kept.
MAX_ERROR_TEXT = 1000
MAX_UNREADABLE_BYTES = 2**20


class CommandResults:
    """Stores results within one unit of work."""

    def __init__(self, work: UnitOfWork, queue: BatchStatements) -> None:
        self.work = work
        self.now = work.now
        self.queue = queue

    def apply_results(self, connects: list[ConnectRequest]) -> None:
        """Store the reported results and update their commands.

        A late result, of a command that had ended without one, is stored too, and leaves the state of the command.
        """
        reported: dict[int, tuple[ReportedState, ConnectRequest]] = {}
        for connect in connects:
            message = connect.message
            parsed_uuid = parse_command_uuid(message.command_uuid) if message.command_uuid else None
            state = STATE_BY_STATUS.get(message.status)
            if parsed_uuid is not None and state is not None:
                nonce, command_id = parsed_uuid
                reason = message.innermost_error
                if not message.is_readable:
                    state = state if state is CommandState.NOT_NOW else CommandState.FAILED
                    reason = UNREADABLE_ANSWER
                new_state = ReportedState(command_id, nonce, connect.enrollment.enrollment_id, state, reason)
                reported[command_id] = new_state, connect
        if not reported:
            return
        results = {command_id: _build_result_row(command_id, connect, self.now) for command_id, (_, connect) in reported.items()}
        applied = self.queue.apply_results([new_state for new_state, _ in reported.values()], list(results.values()), self.now)
        to_handle = [command_id for command_id, each in applied.items() if each.is_final and each.is_handled]
        if unmatched := reported.keys() - applied.keys():
            late = self._list_late_results([reported[command_id][0] for command_id in sorted(unmatched)])
            self.queue.save_results([results[command_id] for command_id in late])
            to_handle += late
        if to_handle:
            self.work.enqueue_job(Topic.COMMAND_RESULT, *to_handle)

    def _list_late_results(self, unmatched: list[ReportedState]) -> list[int]:
        """Return the commands of results that come late; duplicates and results for unknown commands are only logged."""
        late_ids = self.queue.list_unanswered([state for state in unmatched if state.state is not CommandState.NOT_NOW])
        for state in unmatched:
            outcome = "late" if state.command_id in late_ids else "ignored"
            log.info("channel.result_unexpected", enrollment=state.enrollment_id, outcome=outcome)
        return late_ids


def _build_result_row(command_id: int, connect: ConnectRequest, now: datetime) -> ResultRow:
    message = connect.message
    keeps_body = not message.is_readable or any(key not in _COMMON_KEYS for key in message.body)
    keeps_body = keeps_body and (len(connect.request.raw) <= MAX_RESULT_BYTES or not message.is_readable)
    return {
        "command_id": command_id,
        "status": message.status.value if message.is_readable else UNREADABLE_STATUS,
        "received_at": now,
        "error_chain": [_shorten_link(link) for link in message.error_chain] or None,
        "body": zlib.compress(_cut_raw(connect), 1) if keeps_body else None,
    }


def _shorten_link(link: dict[str, Any]) -> dict[str, Any]:
    values = {key: value[:MAX_ERROR_TEXT] if isinstance(value, str) else value for key, value in link.items()}
    return {key: value for key, value in values.items() if isinstance(value, str | int | float | bool)}


def _cut_raw(connect: ConnectRequest) -> bytes:
    """Return the bytes as received; of an unreadable message not more than people look at."""
    raw = connect.request.raw
    return raw if connect.message.is_readable else raw[:MAX_UNREADABLE_BYTES]


_COMMON_KEYS = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID", "NotOnConsole"}
