"""The usual batch with results in one short transaction of the driver: contact, results, next commands, and their delivery.

The statements are those of the transaction in `connect_batch`, sent in the driver's pipeline mode and without a session. Whatever is not usual,
such as a late result, a command that must not be delivered or an unknown tablet, is left to `connect_batch`, which decides everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg
import structlog
from sqlalchemy.orm import Session

from cartable import outbox, tracing
from cartable.bulk_params import build_parameters
from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.command_results import build_result_row, read_reported_states
from mdm.channel.connect_requests import ConnectRequest
from mdm.channel.delivery import is_deliverable_without_lookup
from mdm.channel.driver_connection import DriverConnection
from mdm.channel.messages import ChannelRequest, ChannelResponse
from mdm.channel.repository import REQUESTED_COLUMNS, LoadedConnects, build_load_statement, read_loaded_row
from mdm.devices.models import EnrollmentState
from mdm.protocol.connect import CommandStatus, ConnectMessage
from mdm.queue import batch_statements
from mdm.queue.batch_statements import DeliveryCandidate

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveredBatch:
    """The responses to the requests of a batch, in their order, what it has loaded, and whether it has added jobs for the worker."""

    responses: list[ChannelResponse]
    loaded: LoadedConnects
    has_jobs: bool


class _UnusualBatchError(Exception):
    """Raised inside the transaction when the batch turns out to need `connect_batch`; the transaction is rolled back."""


class DeliveryPipeline:
    """Processes usual batches. Used by one thread."""

    def __init__(self, runtime: Runtime, connection: DriverConnection, command_cache: RenderedCommandCache) -> None:
        self._runtime = runtime
        self._connection = connection
        self._command_cache = command_cache

    def process(self, requests: Sequence[ChannelRequest], now: datetime) -> DeliveredBatch | None:
        """Process a batch and commit. Returns None, with nothing changed, for a batch that is not usual, and after any error.

        After an error at the commit, the batch may have been stored: processing it again delivers the same commands again.
        """
        if not self._connection.is_available or tracing.is_enabled() or not _has_results_only_of_connects(requests):
            return None
        try:
            batch = self._process_in_transaction(requests, now)
        except _UnusualBatchError:
            return None
        except Exception:
            log.warning("channel.pipeline_failed", exc_info=True)
            self._connection.close()
            return None
        if batch.has_jobs:
            self._runtime.notify_worker(Topic.COMMAND_RESULT)
        return batch

    def _process_in_transaction(self, requests: Sequence[ChannelRequest], now: datetime) -> DeliveredBatch:
        connection = self._connection.open()
        try:
            with connection.pipeline():
                connection.execute(b"BEGIN", prepare=True)
                batch = self._process(connection, requests, now)
                connection.execute(b"COMMIT", prepare=True)
        except _UnusualBatchError:
            connection.execute(b"ROLLBACK")  # outside the pipeline: the driver forgets what it has prepared
            raise
        return batch

    def _process(self, connection: psycopg.Connection[Any], requests: Sequence[ChannelRequest], now: datetime) -> DeliveredBatch:
        asked = [(request.message.ids.channel_key, request.fingerprint) for request in requests]
        values = {**build_parameters("postgresql", "requested", REQUESTED_COLUMNS, asked), "now": now}
        loaded = dict(map(read_loaded_row, self._execute(connection, "load", values).fetchall()))
        connects = _list_connects(requests, loaded)
        with_result = [connect for connect in connects if not connect.is_idle]
        to_handle, following = self._apply_results(connection, with_result, now)
        chosen = {c.enrollment.enrollment_id: c.candidate for c in connects if c.is_idle and c.candidate is not None} | following
        enrollments = {connect.enrollment.enrollment_id: connect.enrollment for connect in connects}
        if not all(is_deliverable_without_lookup(candidate, enrollments[key]) for key, candidate in chosen.items()):
            raise _UnusualBatchError
        self._render_missing([candidate.body_id for candidate in chosen.values()])
        if to_handle:
            job_values = outbox.build_job_values("postgresql", now, Topic.COMMAND_RESULT, [str(key) for key in to_handle])
            self._execute(connection, "enqueue", job_values)
        if chosen:
            command_ids = sorted(candidate.command_id for candidate in chosen.values())
            sent = self._execute(connection, "mark_sent", {"id": command_ids, "now": now}).fetchall()
            if len(sent) < len(command_ids):  # another session has cancelled one since it was chosen
                raise _UnusualBatchError
        responses = [self._build_response(chosen.get(connect.enrollment.enrollment_id)) for connect in connects]
        return DeliveredBatch(responses, loaded, bool(to_handle))

    def _apply_results(
        self, connection: psycopg.Connection[Any], connects: list[ConnectRequest], now: datetime
    ) -> tuple[list[int], dict[int, DeliveryCandidate]]:
        """Store the results. Returns the commands that the worker has to handle, and the next commands by enrollment id.

        Both statements are sent before the first answers: the second one sees what the first one has changed.
        """
        reported = read_reported_states(connects)
        if len(reported) < len(connects):
            raise _UnusualBatchError
        results = [build_result_row(command_id, connect, now) for command_id, (_, connect) in reported.items()]
        values = batch_statements.build_result_values([state for state, _ in reported.values()], results, now)
        enrollment_ids = [connect.enrollment.enrollment_id for connect in connects]
        applying = self._execute(connection, "apply_and_save", values)
        selecting = self._execute(connection, "next_during", {"id": enrollment_ids, "now": now})
        applied = batch_statements.read_applied_states(applying.fetchall())
        if len(applied) < len(reported):
            raise _UnusualBatchError
        to_handle = [command_id for command_id, each in applied.items() if each.is_final and each.is_handled]
        candidates = batch_statements.read_candidates(selecting.fetchall())
        return to_handle, {candidate.enrollment_id: candidate for candidate in candidates}

    def _render_missing(self, body_ids: Sequence[int]) -> None:
        """Encode the commands that are delivered for the first time, read by a session of their own: most are encoded already."""
        if not all(map(self._command_cache.has_body, body_ids)):
            with Session(self._connection.engine) as session:
                self._command_cache.render_missing(session, body_ids)

    def _build_response(self, command: DeliveryCandidate | None) -> ChannelResponse:
        body = self._command_cache.get_plist(command.body_id, command.nonce, command.command_id) if command else b""
        return ChannelResponse(200, body)

    def _execute(self, connection: psycopg.Connection[Any], name: str, values: dict[str, Any]) -> psycopg.Cursor[Any]:
        return connection.execute(self._statements[name], values, prepare=True, binary=True)

    @cached_property
    def _statements(self) -> dict[str, bytes]:
        of_queue = batch_statements.get_statements("postgresql")
        statements = {
            "load": build_load_statement("postgresql"),
            "enqueue": outbox.build_enqueue_statement("postgresql"),
            **{name: of_queue[name] for name in ("apply_and_save", "next_during", "mark_sent")},
        }
        return {name: self._connection.compile(statement) for name, statement in statements.items()}


def _has_results_only_of_connects(requests: Sequence[ChannelRequest]) -> bool:
    """Return whether all are readable messages of the connect loop, with a result among them. The lookup answers those without."""
    messages = [request.message for request in requests]
    return all(isinstance(message, ConnectMessage) and message.is_readable for message in messages) and any(
        isinstance(message, ConnectMessage) and message.status is not CommandStatus.IDLE for message in messages
    )


def _list_connects(requests: Sequence[ChannelRequest], loaded: LoadedConnects) -> list[ConnectRequest]:
    """Return the requests with what was loaded for them. Raises unless each comes from another enrolled tablet with its certificate."""
    connects: dict[str, ConnectRequest] = {}
    for index, request in enumerate(requests):
        message = request.message
        assert isinstance(message, ConnectMessage)
        enrollment, candidate = loaded.get(message.ids.channel_key, (None, None))
        if (
            enrollment is None
            or enrollment.state is not EnrollmentState.ENROLLED
            or not enrollment.is_pinned_to(request.fingerprint)
        ):
            raise _UnusualBatchError
        connects[message.ids.channel_key] = ConnectRequest(index, request, message, enrollment, candidate)
    if len(connects) < len(requests):
        raise _UnusualBatchError
    return list(connects.values())
