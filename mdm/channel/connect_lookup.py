"""Looks up, before any transaction, what waits for the tablets of a batch: most ask and nothing waits, and then this is all.

One prepared statement of the driver, which is its own transaction: it also stores the contact. It declines on SQLite, behind a pooler of
connections, and after an error of its connection; the batch then looks by itself, in its transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cartable.bulk_params import build_parameters
from mdm.channel.messages import EMPTY_RESPONSE, ChannelRequest, ChannelResponse
from mdm.channel.repository import REQUESTED_COLUMNS, LoadedConnects, build_load_statement, read_loaded_row
from mdm.devices.models import EnrollmentState
from mdm.protocol.connect import CommandStatus, ConnectMessage

log = structlog.get_logger()
_ANSWERED_STATES = (EnrollmentState.ENROLLED, EnrollmentState.PENDING)


class ConnectLookup:
    """The statement and its connection. Used by one thread."""

    def __init__(self, engine: Engine, *, is_pooled: bool) -> None:
        self._engine = engine
        self._is_used = engine.dialect.name == "postgresql" and not is_pooled
        self._connection: psycopg.Connection[Any] | None = None
        self._statement = b""

    def load(self, requests: Sequence[ChannelRequest], now: datetime) -> LoadedConnects:
        """Return the enrollment and the first open command behind each connect request, by channel key; nothing where it declines.

        Updates the last contact of the enrollments that are pinned to the certificate of their request.
        """
        asked = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, ConnectMessage)}
        if not asked or not self._is_used:
            return {}
        values = {**build_parameters("postgresql", "requested", REQUESTED_COLUMNS, list(asked.items())), "now": now}
        try:
            rows = self._connect().execute(self._statement, values, prepare=True, binary=True).fetchall()
        except (psycopg.Error, SQLAlchemyError):
            log.warning("channel.lookup_failed", exc_info=True)
            self.close()
            return {}
        return dict(map(read_loaded_row, rows))

    def close(self) -> None:
        """Close the connection; the next `load` opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._statement = str(build_load_statement("postgresql").compile(dialect=self._engine.dialect)).encode()
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            pooled.detach()
            assert isinstance(connection, psycopg.Connection)
            connection.autocommit = True
            self._connection = connection
        return self._connection


def answer_idle_requests(requests: Sequence[ChannelRequest], loaded: LoadedConnects) -> dict[int, ChannelResponse]:
    """Return the empty responses to those that ask and for whom nothing waits, by position; all others need the batch."""
    return {
        index: EMPTY_RESPONSE
        for index, request in enumerate(requests)
        if isinstance(request.message, ConnectMessage)
        and request.message.is_readable
        and request.message.status is CommandStatus.IDLE
        and _has_nothing(request, loaded)
    }


def _has_nothing(request: ChannelRequest, loaded: LoadedConnects) -> bool:
    enrollment, candidate = loaded.get(request.message.ids.channel_key, (None, None))
    if enrollment is None or candidate is not None:
        return False
    return enrollment.state in _ANSWERED_STATES and enrollment.is_pinned_to(request.fingerprint)
