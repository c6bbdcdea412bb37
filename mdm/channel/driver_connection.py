"""A connection of the PostgreSQL driver itself, without SQLAlchemy, for the statements that nearly every request of a tablet needs.

Used by one thread. There is none on SQLite and behind a pooler of connections, where nothing stays prepared.
"""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Engine, TextClause


class DriverConnection:
    """One connection in autocommit, opened when it is first needed, and again after `close`."""

    def __init__(self, engine: Engine, *, is_pooled: bool) -> None:
        self.engine = engine
        self.is_available = engine.dialect.name == "postgresql" and not is_pooled
        self._connection: psycopg.Connection[Any] | None = None

    def open(self) -> psycopg.Connection[Any]:
        """Return the connection. Raises what SQLAlchemy raises when the database is away."""
        if self._connection is None:
            pooled = self.engine.raw_connection()
            connection = pooled.driver_connection
            pooled.detach()
            assert isinstance(connection, psycopg.Connection)
            connection.autocommit = True
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Close the connection: what was not committed is rolled back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def compile(self, statement: TextClause) -> bytes:
        """Return the statement as the driver takes it."""
        return str(statement.compile(dialect=self.engine.dialect)).encode()
